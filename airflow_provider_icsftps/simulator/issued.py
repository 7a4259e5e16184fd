"""A client certificate as its owner gets it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from airflow_provider_icsftps.gateway.certificates import ClientCertificate


@dataclass(frozen=True)
class IssuedCertificate:
    """
    A client certificate with all that its owner would have been given.

    :param certificate: the certificate, its key and the issuing CA, ready for :class:`GatewaySettings`.
    :param p12: the PKCS#12 file.
    :param passphrase: of the PKCS#12 file.
    :param username: the gateway's name for the owner.
    :param password: the gateway's password, empty while the certificate is not registered.
    """

    certificate: ClientCertificate
    p12: bytes = field(repr=False)
    passphrase: str = field(repr=False)
    username: str
    password: str = field(default="", repr=False)

    @property
    def key_pem(self) -> bytes:
        """The private key as PEM (PKCS#8), not encrypted."""
        return key_pem(self.certificate.private_key)  # type: ignore[arg-type]  # all keys made here are RSA

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its issuing CA as PEM."""
        return b"".join(certificate_pem(c) for c in (self.certificate.certificate, *self.certificate.chain))

    @property
    def pem(self) -> bytes:
        """Key, certificate and issuing CA in one PEM text."""
        return self.key_pem + self.chain_pem


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """
    Write a certificate as PEM.

    :param certificate: the certificate.
    """
    return certificate.public_bytes(serialization.Encoding.PEM)


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """
    Write a private key as PEM (PKCS#8), not encrypted.

    :param key: the key.
    """
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pkcs12_file(certificate: ClientCertificate, passphrase: str) -> bytes:
    """
    Write a PKCS#12 file.

    :param certificate: what goes in: certificate, key and issuing CA.
    :param passphrase: how it is locked.
    """
    # a random passphrase of a throwaway certificate needs no slow derivation
    encryption = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(100)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .build(passphrase.encode())
    )
    return pkcs12.serialize_key_and_certificates(
        b"simulator",
        certificate.private_key,  # type: ignore[arg-type]  # all keys made here are RSA
        certificate.certificate,
        certificate.chain,
        encryption,
    )
