"""Certificates for one test run: a root, an issuing CA, server certificates, and clients in the shape of OCES3."""

from __future__ import annotations

import ipaddress
import uuid
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from airflow_provider_icsftps.gateway import ClientCertificate

PASSPHRASE = "open sesame"
CVR = "12345678"
_ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")


def _key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _ca_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DK"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "Test - cti"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def pem(*things: x509.Certificate | rsa.RSAPrivateKey) -> bytes:
    """Certificates and keys as PEM text."""
    parts = []
    for thing in things:
        if isinstance(thing, x509.Certificate):
            parts.append(thing.public_bytes(serialization.Encoding.PEM))
        else:
            parts.append(
                thing.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
    return b"".join(parts)


class ThrowawayPki:
    """
    One root, its issuing CA, and what they issue.

    :param folder: where files for OpenSSL are laid.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.username_id = str(uuid.uuid4())
        self._root_key, self._issuing_key = _key(), _key()
        self._root = _ca_name("Den Danske Stat OCES rod-CA")
        self._issuing = _ca_name("Den Danske Stat OCES udstedende-CA 1")
        self.root = self._issue(self._root, self._root_key, self._root, self._root_key, ca=True)
        self.issuing = self._issue(self._issuing, self._issuing_key, self._root, self._root_key, ca=True)
        self.ca_pem = pem(self.root).decode()

    @cached_property
    def ca_file(self) -> Path:
        """The root, which vouches for everybody."""
        return self._file("ca.pem", pem(self.root))

    @cached_property
    def ca_bundle_file(self) -> Path:
        """Root and issuing CA, for servers that want the whole chain at hand."""
        return self._file("ca-bundle.pem", pem(self.root, self.issuing))

    @cached_property
    def server_file(self) -> Path:
        """The usual server certificate with its key: localhost, 127.0.0.1, ::1."""
        return self.new_server_file("server")

    def new_server_file(
        self,
        label: str,
        names: tuple[str, ...] = ("localhost",),
        addresses: tuple[str, ...] = ("127.0.0.1", "::1"),
        *,
        expired: bool = False,
        since: timedelta = -timedelta(days=2),
        usage: ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH,
        bits: int = 2048,
    ) -> Path:
        """Another server certificate with its key."""
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        key = _key(bits)
        certificate = self._issue(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label)]),
            key,
            self._root,
            self._root_key,
            usage=usage,
            alternatives=alternatives,
            since=since,
            until=-timedelta(days=1) if expired else timedelta(days=30),
        )
        return self._file(f"{label}.pem", pem(certificate, key))

    @cached_property
    def client_p12(self) -> bytes:
        """An organisation's certificate with its key and the issuing CA, as the authority delivers it."""
        key = _key()
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "DK"),
                x509.NameAttribute(_ORGANIZATION_IDENTIFIER, f"NTRDK-{CVR}"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Testvirksomhed ApS"),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, f"UI:DK-O:G:{self.username_id}"),
                x509.NameAttribute(NameOID.COMMON_NAME, "Manifest"),
            ]
        )
        certificate = self._issue(subject, key, self._issuing, self._issuing_key)
        return pkcs12.serialize_key_and_certificates(
            b"client",
            key,
            certificate,
            [self.issuing],
            serialization.BestAvailableEncryption(PASSPHRASE.encode()),
        )

    @cached_property
    def client(self) -> ClientCertificate:
        """The same, read as a user would read it."""
        return ClientCertificate.from_pkcs12(self.client_p12, PASSPHRASE)

    def _file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return path

    def _issue(
        self,
        subject: x509.Name,
        key: rsa.RSAPrivateKey,
        issuer: x509.Name,
        issuer_key: rsa.RSAPrivateKey,
        *,
        ca: bool = False,
        usage: ObjectIdentifier | None = None,
        alternatives: list[x509.GeneralName] | None = None,
        since: timedelta = -timedelta(days=2),
        until: timedelta = timedelta(days=30),
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + since)
            .not_valid_after(now + until)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=not ca,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=ca,
                    crl_sign=ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
        )
        if usage:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return builder.sign(issuer_key, hashes.SHA256(), rsa_padding=pss)
