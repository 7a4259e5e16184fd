"""Certificates in the shapes of gateway.md, made once for all tests; keys are shared, because making them is slow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID, ObjectIdentifier

from airflow_provider_icsftps.exceptions import CertificateError
from airflow_provider_icsftps.gateway.certificates import ClientCertificate

CVR = "12345678"
UUID = "1e2d3e45-a67e-491a-8234-1a2b345c6789"
PASSPHRASE = "hemmelig-Passphrase-æøå"
NOT_BEFORE = datetime(2024, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2044, 1, 1, tzinfo=UTC)
PEM = serialization.Encoding.PEM

_ORGANIZATION_IDENTIFIER = ObjectIdentifier("2.5.4.97")
_OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "serialNumber": NameOID.SERIAL_NUMBER,
    "organizationIdentifier": _ORGANIZATION_IDENTIFIER,
}


@functools.cache
def rsa_key(label: str) -> rsa.RSAPrivateKey:
    """Return the one key of this label."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    """Return the one key of this label."""
    return ec.generate_private_key(ec.SECP256R1())


def distinguished_name(*rdns: dict[str, str]) -> x509.Name:
    """Make a name; a dictionary of several attributes is a multi-valued RDN."""
    return x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(_OIDS[k], v) for k, v in rdn.items()]) for rdn in rdns]
    )


@dataclass(frozen=True)
class Authority:
    """A CA: its certificate, its key and the CAs above it."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    above: tuple[x509.Certificate, ...] = ()


@dataclass(frozen=True)
class Identity:
    """A leaf with its key and the CAs above it, nearest first, root included."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    authorities: tuple[x509.Certificate, ...] = ()

    @property
    def client_certificate(self) -> ClientCertificate:
        """The identity as the package reads it."""
        return ClientCertificate.from_pem(self.pem())

    def pem(self) -> bytes:
        """Key, leaf and CAs as PEM text."""
        return self.key_pem() + certificates_pem(self.certificate, *self.authorities)

    def key_pem(self, passphrase: str | None = None, *, traditional: bool = False) -> bytes:
        """The key as PEM text: PKCS#8, or the older format with the algorithm in its header."""
        format_ = serialization.PrivateFormat.TraditionalOpenSSL if traditional else serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(PEM, format_, _encryption(passphrase))

    def pkcs12(
        self, passphrase: str | None = PASSPHRASE, encryption: serialization.KeySerializationEncryption | None = None
    ) -> bytes:
        """The identity as a .p12 file."""
        return pkcs12.serialize_key_and_certificates(
            b"friendly name",
            self.key,
            self.certificate,
            self.authorities or None,
            encryption or _encryption(passphrase),
        )


def _encryption(passphrase: str | None) -> serialization.KeySerializationEncryption:
    if passphrase is None:
        return serialization.NoEncryption()
    return serialization.BestAvailableEncryption(passphrase.encode())


def certificates_pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as PEM text."""
    return b"".join(c.public_bytes(PEM) for c in certificates)


def signed(
    subject: x509.Name,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    issuer: Authority | None,
    *,
    ca: bool,
    pss: bool = True,
    host: str = "",
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
) -> x509.Certificate:
    """Sign a certificate, with RSASSA-PSS as OCES3 does unless said otherwise."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    signer = issuer.key if issuer else key
    if not pss or not isinstance(signer, rsa.RSAPrivateKey):
        return builder.sign(signer, hashes.SHA256())
    pss_padding = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    return builder.sign(signer, hashes.SHA256(), rsa_padding=pss_padding)


@functools.cache
def authority(common_name: str, unit: str = "", above: Authority | None = None) -> Authority:
    """Return the one CA of this name."""
    rdns = [{"C": "DK"}, {"O": "Den Danske Stat"}, *([{"OU": unit}] if unit else []), {"CN": common_name}]
    key = rsa_key("CA below" if above else "CA")
    certificate = signed(distinguished_name(*rdns), key, above, ca=True)
    return Authority(certificate, key, (above.certificate, *above.above) if above else ())


@functools.cache
def oces3_authority(*, test: bool = False) -> Authority:
    """Return the issuing CA of OCES3, below its root."""
    unit = "Test - cti" if test else ""
    root = authority("Den Danske Stat OCES rod-CA", unit)
    return authority("Den Danske Stat OCES udstedende-CA 1", unit, root)


@functools.cache
def oces2_authority(*, test: bool = False) -> Authority:
    """Return the issuing CA of OCES2, below its root."""
    names = ("TRUST2408 Systemtest VII Primary CA", "TRUST2408 Systemtest XXII CA")
    if not test:
        names = ("TRUST2408 OCES Primary CA", "TRUST2408 OCES CA IV")
    return authority(names[1], "", authority(names[0]))


def identity(
    subject: x509.Name,
    issuer: Authority | None = None,
    *,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
    pss: bool = True,
    host: str = "",
    not_before: datetime = NOT_BEFORE,
    not_after: datetime = NOT_AFTER,
) -> Identity:
    """Make a leaf for a subject, self-signed when no issuer is given."""
    key = key or rsa_key("leaf")
    certificate = signed(subject, key, issuer, ca=False, pss=pss, host=host, not_before=not_before, not_after=not_after)
    return Identity(certificate, key, (issuer.certificate, *issuer.above) if issuer else ())


def oces3_subject(kind: str = "O", *, cvr: str = CVR) -> x509.Name:
    """Return a subject in OCES3's shape: ``O`` organisation, ``E`` employee."""
    return distinguished_name(
        {"C": "DK"},
        {"organizationIdentifier": f"NTRDK-{cvr}"},
        {"O": "Testfirma Ærø ApS"},
        {"serialNumber": f"UI:DK-{kind}:G:{UUID}"},
        {"CN": "Toldsystem"},
    )


def oces2_subject(kind: str = "UID", *, cvr: str = CVR, number: str = "60134540") -> x509.Name:
    """Return a subject in OCES2's shape, name and serial number in one multi-valued RDN."""
    return distinguished_name(
        {"C": "DK"},
        {"O": f"Testfirma A/S // CVR:{cvr}"},
        {"serialNumber": f"CVR:{cvr}-{kind}:{number}", "CN": "Testfirma A/S"},
    )


@functools.cache
def oces3(kind: str = "O", *, test: bool = False) -> Identity:
    """Return the one OCES3 certificate of this kind."""
    return identity(oces3_subject(kind), oces3_authority(test=test))


@functools.cache
def oces2(kind: str = "UID", *, test: bool = False) -> Identity:
    """Return the one OCES2 certificate of this kind."""
    return identity(oces2_subject(kind), oces2_authority(test=test), pss=False)


@functools.cache
def other() -> Identity:
    """Return a certificate that is not OCES."""
    return identity(distinguished_name({"O": "Example Ltd"}, {"CN": "client"}), authority("Example CA"), pss=False)


@functools.cache
def gateway_identity() -> Identity:
    """Return a server certificate for ``gateway.test``."""
    return identity(
        distinguished_name({"CN": "gateway.test"}),
        authority("Gateway CA"),
        key=rsa_key("server"),
        pss=False,
        host="gateway.test",
    )


def days(number: float) -> timedelta:
    """Return so many days."""
    return timedelta(days=number)


def refusal(read: Callable[..., object], *arguments: object) -> tuple[str, str]:
    """Return why a certificate is not taken, as word and sentence; no secret may stand in it."""
    with pytest.raises(CertificateError) as caught:
        read(*arguments)
    message = str(caught.value)
    assert PASSPHRASE not in message
    assert "-----" not in message
    return caught.value.reason, message
