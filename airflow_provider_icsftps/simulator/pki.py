"""
A throwaway public-key infrastructure in the shape of OCES.

Clients: root ``Den Danske Stat OCES rod-CA`` and issuing CA ``Den Danske Stat OCES udstedende-CA 1``, both with
``OU=Test - cti``, signing with RSASSA-PSS; client certificates without extended key usage, with the subjects of
OCES3 or OCES2. Real OCES3 keys have 3072 bits; 2048 are the default here because they are made four times as fast.
OCES2 certificates come from the same issuing CA (the real one is gone).

Servers: a certificate for ``localhost``, ``127.0.0.1`` and ``::1`` from a CA of its own.
"""

from __future__ import annotations

import functools
import ipaddress
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
from airflow_provider_icsftps.simulator.issued import IssuedCertificate, certificate_pem, key_pem, pkcs12_file

ServerCertificate = Literal["good", "expired", "wrong_host"]
Validity = Literal["now", "expired", "not_yet"] | timedelta

_ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")
_OCES2_WORDS = {
    CertificateKind.OCES2_COMPANY: "UID",
    CertificateKind.OCES2_EMPLOYEE: "RID",
    CertificateKind.OCES2_FUNCTION: "FID",
}
_KEY_POOL = 4


@functools.cache
def _key(use: str, bits: int = 2048) -> rsa.RSAPrivateKey:  # noqa: ARG001  # one key for each use
    # kept for the life of the process: making keys is the slow part, and these protect nothing
    return _new_key(bits)


def _new_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@dataclass(frozen=True)
class Authority:
    """
    A certificate authority.

    :param certificate: its certificate.
    :param key: its private key.
    """

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey = field(repr=False)

    @classmethod
    def create(cls, subject: x509.Name, key: rsa.RSAPrivateKey, parent: Authority | None = None) -> Authority:
        """
        Make an authority.

        :param subject: its name.
        :param key: its private key.
        :param parent: who signs it; by default itself.
        """
        issuer = parent.certificate.subject if parent else subject
        builder = (
            _builder(subject, issuer, key, _period("now"))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
        )
        return cls(_sign(builder, parent.key if parent else key), key)

    @classmethod
    def from_pem(cls, pem: bytes) -> Authority:
        """
        Read what :attr:`pem` wrote.

        :param pem: key and certificate.
        """
        key = serialization.load_pem_private_key(pem, None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError(f"An authority's key is RSA, not {type(key).__name__}")
        return cls(x509.load_pem_x509_certificate(pem), key)

    @property
    def pem(self) -> bytes:
        """Key and certificate as PEM."""
        return key_pem(self.key) + certificate_pem(self.certificate)


@dataclass(frozen=True)
class PublicKeyInfrastructure:
    """
    The authorities of one simulator.

    :param root: the clients' root CA: the gateway trusts it.
    :param issuing: the clients' issuing CA.
    :param server: the CA of the gateway's own certificate.
    """

    root: Authority
    issuing: Authority
    server: Authority

    @classmethod
    def create(cls, state: str = "Den Danske Stat") -> PublicKeyInfrastructure:
        """
        Make three new authorities.

        :param state: the first words of the clients' CAs' names.
        """
        # all roots bear one name, so each needs a key of its own to be a stranger to the others
        root = Authority.create(_oces_name(f"{state} OCES rod-CA"), _new_key(2048))
        issuing = Authority.create(_oces_name(f"{state} OCES udstedende-CA 1"), _key("issuing"), root)
        # a number in the name, so that a client that trusts two simulators does not mix them up
        server_name = x509.Name(
            [x509.NameAttribute(NameOID.COMMON_NAME, f"Simulated gateway CA {secrets.token_hex(4)}")]
        )
        return cls(root, issuing, Authority.create(server_name, _key("server CA")))

    @property
    def server_ca_pem(self) -> str:
        """The server's CA as PEM text, for clients to trust."""
        return certificate_pem(self.server.certificate).decode()

    @property
    def client_ca_pem(self) -> bytes:
        """The clients' root CA as PEM, for the server to trust."""
        return certificate_pem(self.root.certificate)

    def server_pem(self, kind: ServerCertificate = "good") -> bytes:
        """
        Make a server certificate and return it with its key as PEM.

        :param kind: ``good``; ``expired`` since yesterday; ``wrong_host``: for a name that is not this machine's.
        """
        key = _key("server")
        host = "gateway.invalid" if kind == "wrong_host" else "localhost"
        names: list[x509.GeneralName] = [x509.DNSName(host)]
        if kind != "wrong_host":
            names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        period = _period("expired" if kind == "expired" else "now")
        builder = (
            _builder(subject, self.server.certificate.subject, key, period)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(_key_usage(authority=False), critical=True)
        )
        return key_pem(key) + certificate_pem(_sign(builder, self.server.key))

    def issue(
        self,
        kind: CertificateKind,
        *,
        cvr: str,
        identifier: str,
        company: str,
        validity: Validity = "now",
        with_chain: bool = True,
        key_bits: int = 2048,
    ) -> IssuedCertificate:
        """
        Issue a client certificate; it is not registered with the gateway yet.

        :param kind: what it stands for; ``OTHER`` has only a common name.
        :param cvr: the company's CVR number, 8 digits.
        :param identifier: UUID (OCES3), UID, RID or FID (OCES2); otherwise the common name.
        :param company: the organisation's name.
        :param validity: ``now`` (three years), ``expired`` since yesterday, ``not_yet`` before tomorrow, or the time
            from now to its end.
        :param with_chain: put the issuing CA into the PKCS#12 file, as the real ones have it.
        :param key_bits: size of the RSA key.
        """
        # certificates of one simulator share a few keys; nothing tells them apart by key
        key = _key(f"client {int(identifier.encode().hex(), 16) % _KEY_POOL}", key_bits)
        subject = _subject(kind, cvr, identifier, company)
        builder = (
            _builder(subject, self.issuing.certificate.subject, key, _period(validity))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
        )
        leaf = _sign(builder, self.issuing.key)
        chain = (self.issuing.certificate,) if with_chain else ()
        certificate = ClientCertificate(leaf, key, chain)
        passphrase = secrets.token_urlsafe(12)
        return IssuedCertificate(
            certificate, pkcs12_file(certificate, passphrase), passphrase, certificate.username or identifier
        )


def _subject(kind: CertificateKind, cvr: str, identifier: str, company: str) -> x509.Name:
    def attribute(oid: ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
        return x509.NameAttribute(oid, value)

    if kind is CertificateKind.OTHER:
        return x509.Name([attribute(NameOID.COMMON_NAME, identifier)])
    country = attribute(NameOID.COUNTRY_NAME, "DK")
    common_name = attribute(NameOID.COMMON_NAME, f"{company} - simulator")
    if word := _OCES2_WORDS.get(kind):
        serial = attribute(NameOID.SERIAL_NUMBER, f"CVR:{cvr}-{word}:{identifier}")
        organisation = attribute(NameOID.ORGANIZATION_NAME, f"{company} // CVR:{cvr}")
        return x509.Name(
            [
                x509.RelativeDistinguishedName([country]),
                x509.RelativeDistinguishedName([organisation]),
                x509.RelativeDistinguishedName([common_name, serial]),
            ]
        )
    letter = "E" if kind is CertificateKind.OCES3_EMPLOYEE else "O"
    return x509.Name(
        [
            country,
            attribute(_ORGANIZATION_IDENTIFIER, f"NTRDK-{cvr}"),
            attribute(NameOID.ORGANIZATION_NAME, company),
            attribute(NameOID.SERIAL_NUMBER, f"UI:DK-{letter}:G:{identifier}"),
            common_name,
        ]
    )


def _oces_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Test - cti"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Den Danske Stat"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DK"),
        ]
    )


def _period(validity: Validity) -> tuple[datetime, datetime]:
    now, day = datetime.now(UTC), timedelta(days=1)
    years = 3 * 365 * day
    if isinstance(validity, timedelta):
        return now - years, now + validity
    return {
        "now": (now - day, now + years),
        "expired": (now - years, now - day),
        "not_yet": (now + day, now + years),
    }[validity]


def _builder(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey, period: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), period[0], period[1]
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=not authority,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: rsa.RSAPrivateKey) -> x509.Certificate:
    # Python 3.13 and other strict clients refuse a certificate that does not name its issuer's key
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(issuer_key, critical=False)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return builder.sign(key, hashes.SHA256(), rsa_padding=pss)
