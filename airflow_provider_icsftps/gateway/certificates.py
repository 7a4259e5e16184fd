"""
The client certificate: who we are at the gateway.

The rules (docs/gateway.md says how sure each is):

* The gateway's username follows from the subject (:mod:`~airflow_provider_icsftps.gateway._oces`).
* An OCES3 certificate is signed with RSASSA-PSS and has no extended key usage.
* The issuing CA must be sent along with the certificate, else the handshake ends in "unknown ca".
* Test certificates are issued by names with ``OU=Test - cti`` (OCES2: ``TRUST2408 Systemtest``).
"""

from __future__ import annotations

import re
import secrets
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from airflow_provider_icsftps.exceptions import CertificateError
from airflow_provider_icsftps.gateway._key_file import readable_by_openssl
from airflow_provider_icsftps.gateway._oces import CertificateKind, Holder, holder_of
from airflow_provider_icsftps.gateway._x509 import UNREADABLE, attribute, belongs_to, issuers_of, public_bytes

__all__ = ["CertificateKind", "ClientCertificate"]

_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_ENDS = re.compile(rb"-----END [A-Z ]*PRIVATE KEY-----")


@dataclass(frozen=True)
class ClientCertificate:
    """
    A client certificate with its private key and the CA certificates to send along.

    :param certificate: the leaf.
    :param private_key: its key; never printed, never written to disk in clear.
    :param chain: issuing certificates, nearest to the leaf first, without self-signed roots.
    :raises CertificateError: when a part of it, or of its chain, cannot be read.
    """

    certificate: x509.Certificate = field(repr=False)
    private_key: PrivateKeyTypes = field(repr=False)
    chain: tuple[x509.Certificate, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """
        Read everything once: ``cryptography`` reads lazily, and a damaged certificate would be found in use.

        :raises CertificateError: when a part of it, or of its chain, cannot be read.
        """
        try:
            _ = self.environment, self.username, self.company, self.subject, self.not_before, self.not_after
        except UNREADABLE as error:
            raise CertificateError(f"Client certificate cannot be read ({error}); give it as it was issued") from error

    def __repr__(self) -> str:
        """Tell who and until when; nothing secret."""
        return f"<ClientCertificate {self.username or self.subject!r}, valid until {self.not_after:%Y-%m-%d}>"

    @classmethod
    def from_pkcs12(cls, data: bytes, password: str | None) -> ClientCertificate:
        """
        Read a .p12 or .pfx file.

        :param data: the file's content.
        :param password: its passphrase; ``None`` for a file without one.
        :return: the certificate; that it is valid now is not checked.
        :raises CertificateError: when it is no PKCS#12, the passphrase is wrong, or key or certificate is missing.
        """
        try:
            if password and "\0" in password:  # the library would panic: an error that no handler here knows
                raise ValueError("a null character")
            bundle = pkcs12.load_pkcs12(data, password.encode() if password else None)
        except UNREADABLE as error:
            if _looks_like_pkcs12(data):
                raise CertificateError(
                    "Client certificate: wrong passphrase for the PKCS#12 file "
                    f"({'one was given' if password else 'none was given'}), or the file is damaged",
                    reason="passphrase",
                ) from error
            raise CertificateError(
                "Client certificate: this is no PKCS#12 (.p12, .pfx) file; give the file as it was issued",
                reason="unreadable",
            ) from error
        if bundle.key is None:
            raise CertificateError(
                "Client certificate: the PKCS#12 file holds no private key; export it again with its key",
                reason="no_key",
            )
        if bundle.cert is None:
            raise CertificateError(
                "Client certificate: the PKCS#12 file holds a key but no certificate that belongs to it",
                reason="no_certificate",
            )
        others = [extra.certificate for extra in bundle.additional_certs]
        return cls._assembled(bundle.cert.certificate, bundle.key, others)

    @classmethod
    def from_pem(cls, pem: bytes, password: str | None = None) -> ClientCertificate:
        """
        Read PEM text that holds the private key, the certificate and its issuing CA, in any order.

        :param pem: the text; several files may be joined.
        :param password: passphrase of the key, if it is encrypted.
        :return: the certificate; that it is valid now is not checked.
        :raises CertificateError: when a part is missing or unreadable, the passphrase is wrong, or key and
            certificate do not belong together.
        """
        begins = _KEY_BEGINS.search(pem)
        ends = begins and _KEY_ENDS.search(pem, begins.end())
        if not begins or not ends:
            raise CertificateError("Client certificate: the PEM text holds no private key", reason="no_key")
        block = pem[begins.start() : ends.end()]
        try:
            key = serialization.load_pem_private_key(block, password.encode() if password else None)
        except UNREADABLE as error:
            encrypted = b"ENCRYPTED" in block
            raise CertificateError(
                f"Client certificate: {'wrong or missing passphrase for' if encrypted else 'cannot read'} the "
                f"private key in the PEM text{'' if encrypted or not password else '; it has no passphrase'}",
                reason="passphrase" if encrypted or password else "unreadable",
            ) from error
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except UNREADABLE as error:
            raise CertificateError(
                "Client certificate: the PEM text holds no readable certificate", reason="no_certificate"
            ) from error
        public = public_bytes(key.public_key())
        for leaf in certificates:
            if belongs_to(leaf, public):
                return cls._assembled(leaf, key, [c for c in certificates if c is not leaf])
        raise CertificateError(
            "Client certificate: none of the certificates in the PEM text belongs to the private key",
            reason="no_certificate",
        )

    @classmethod
    def _assembled(
        cls, leaf: x509.Certificate, key: PrivateKeyTypes, others: list[x509.Certificate]
    ) -> ClientCertificate:
        try:
            chain = issuers_of(leaf, others)
        except UNREADABLE as error:
            raise CertificateError(f"Client certificate: its chain cannot be read ({error})") from error
        return cls(leaf, key, chain)

    @cached_property
    def _holder(self) -> Holder:
        return holder_of(self.certificate.subject)

    @property
    def kind(self) -> CertificateKind:
        """What the certificate stands for."""
        return self._holder.kind

    @property
    def cvr(self) -> str | None:
        """The company's CVR number, 8 digits; ``None`` for a certificate that is not OCES."""
        return self._holder.cvr

    @property
    def username(self) -> str | None:
        """The gateway's username, such as ``CVR_19552101_RID_60134540``; ``None`` for what is not OCES."""
        return self._holder.username

    @property
    def company(self) -> str | None:
        """The organisation's name in the subject; ``None`` where there is none."""
        return attribute(self.certificate.subject, NameOID.ORGANIZATION_NAME) or None

    @property
    def subject(self) -> str:
        """The subject as text (RFC 4514), for people."""
        return self.certificate.subject.rfc4514_string()

    @property
    def not_before(self) -> datetime:
        """Start of validity, aware (UTC)."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """End of validity, aware (UTC)."""
        return self.certificate.not_valid_after_utc

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the certificate, 64 hexadecimal digits."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    @cached_property
    def environment(self) -> str | None:
        """``production`` or ``tfe`` (test) by who issued it; ``None`` where that does not tell."""
        issuers = [self.certificate.issuer, *(c.issuer for c in self.chain)]
        names = [a.value for issuer in issuers for a in issuer if isinstance(a.value, str)]
        if any(name.startswith("TRUST2408 Systemtest") or name == "Test - cti" for name in names):
            return "tfe"
        if any(name.startswith(("Den Danske Stat OCES", "TRUST2408 OCES")) for name in names):
            return "production"
        return None

    def days_left(self, now: datetime | None = None) -> int:
        """
        Return the whole days until the end of validity, negative after it.

        :param now: an aware datetime; by default the present.
        """
        return (self.not_after - (now or datetime.now(UTC))).days

    def check_validity(self, now: datetime | None = None) -> None:
        """
        Refuse a certificate that is not valid now.

        :param now: an aware datetime; by default the present.
        :raises CertificateError: reason ``expired`` or ``not_yet_valid``.
        """
        now = now or datetime.now(UTC)
        who = self.username or self.subject
        if now > self.not_after:
            raise CertificateError(
                f"Client certificate of {who} expired on {self.not_after:%Y-%m-%d %H:%M} UTC; "
                "put the renewed .p12 into the connection",
                reason="expired",
            )
        if now < self.not_before:
            raise CertificateError(
                f"Client certificate of {who} is valid only from {self.not_before:%Y-%m-%d %H:%M} UTC; "
                "check this machine's clock, or wait",
                reason="not_yet_valid",
            )

    def load_into(self, context: ssl.SSLContext) -> None:
        """
        Give the certificate, its chain and its key to a TLS context.

        OpenSSL reads keys from files only. So it gets a file in memory (elsewhere than on Linux a temporary file
        that only its owner can read), with the key encrypted under a random passphrase.

        :param context: the context to load into.
        :raises CertificateError: reason ``unusable``: OpenSSL does not take it, its key may be too short.
        """
        passphrase = secrets.token_urlsafe(24)
        key = self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )
        pem = b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.chain)) + key
        with readable_by_openssl(pem) as path:
            try:
                context.load_cert_chain(path, password=passphrase)
            except ssl.SSLError as error:
                raise CertificateError(
                    f"Client certificate of {self.username or self.subject}: OpenSSL does not take it "
                    f"({(error.reason or str(error)).replace('_', ' ').lower()}); order a new one",
                    reason="unusable",
                ) from error


def _looks_like_pkcs12(data: bytes) -> bool:
    # PFX is SEQUENCE { version INTEGER 3, ... }: the version stands right behind the outer length
    return data[:1] == b"\x30" and b"\x02\x01\x03" in data[1:12]
