"""
What is fuzzed: everything that reads bytes from outside. Each target takes any bytes at all and comes back without a
word, or with one of our errors; anything else that is raised is a fault.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from airflow_provider_icsftps.exceptions import CertificateError, IcsFtpsError, StatusFileError
from airflow_provider_icsftps.gateway import GatewaySettings
from airflow_provider_icsftps.gateway._data_connection import _passive
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._listing import (
    has_list_shape,
    list_entries,
    mlsd_entries,
    parse_names,
    parse_time,
    split_lines,
)
from airflow_provider_icsftps.gateway._looking import size_of
from airflow_provider_icsftps.gateway._replies import ReplyReader
from airflow_provider_icsftps.gateway.certificates import ClientCertificate
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.gateway.outbox_names import digit_of
from airflow_provider_icsftps.gateway.status import StatusFile

sys.path.append(str(Path(__file__).parents[1] / "unit"))  # certificates are made in one place only

import certificate_factory as factory
from certificate_factory import PEM

SEEDS = Path(__file__).parent / "seeds"
PASSPHRASE = "open sesame"
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def one_line(error: BaseException) -> None:
    """Check that an error is one line, however wild the bytes were."""
    assert str(error).isprintable(), repr(str(error))
    json.dumps(error.to_data() if isinstance(error, IcsFtpsError) else None)


# ------------------------------------------------------------ replies


@cache
def _settings() -> GatewaySettings:
    return GatewaySettings(
        host="gateway.test", certificate=factory.oces3().client_certificate, password="kodeord-7391", timeout=5.0
    )


class _Control(socket.socket):
    """The client's end of a pair of sockets, which have no address."""

    def getpeername(self) -> tuple[str, int]:
        return "127.0.0.1", 6381


@contextlib.contextmanager
def _session(said: bytes):
    """Give a session whose gateway has said this and then closed the connection."""
    pair, theirs = socket.socketpair()
    with _Control(fileno=pair.detach()) as ours, theirs:
        theirs.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            theirs.sendall(said)
        theirs.shutdown(socket.SHUT_WR)
        session = FtpsSession(_settings())
        session.sock = ours
        session.file = ReplyReader(ours, session.encoding)
        session.af = socket.AF_INET
        yield session


def replies(data: bytes) -> None:
    """Read these bytes as replies to commands of every kind, one after the other."""
    with _session(data) as session, _refused_by(IcsFtpsError):
        with session.mapped("Login", "USER"):
            session.getresp()
        while True:
            with session.mapped("Listing"):
                _, port = _passive(session)
                assert 0 < port < 65536
            size = size_of(session, "/out/a.xml")
            assert size is None or size >= 0
            with session.mapped("Listing"):
                moment = parse_time(session.voidresp()[4:])
            assert moment is None or moment.tzinfo is UTC


# ------------------------------------------------------------ listings


def _sensible(name: str, size: int | None, modified: datetime | None) -> None:
    check_server_name(name)
    assert name not in {"", ".", ".."}
    assert "/" not in name
    assert size is None or size >= 0
    assert modified is None or modified.tzinfo is UTC
    digit_of(name)


def mlsd(data: bytes) -> None:
    """Read these bytes as an MLSD listing."""
    with _refused_by(IcsFtpsError):
        for entry in mlsd_entries(split_lines(data, "utf-8"), "Listing"):
            _sensible(entry.name, entry.size, entry.modified)


def listing(data: bytes) -> None:
    """Read these bytes as a LIST listing."""
    lines = list(split_lines(data, "utf-8"))
    assert has_list_shape(lines) in {True, False}
    for entry in list_entries(lines):
        _sensible(entry.name, entry.size, entry.modified)


def names(data: bytes) -> None:
    """Read these bytes as an NLST listing."""
    for name in parse_names(split_lines(data, "utf-8")):
        _sensible(name, None, None)


# ------------------------------------------------------------ status files


def status(data: bytes) -> None:
    """Read these bytes as a status file of each digit."""
    for digit in (0, 3):
        with _refused_by(StatusFileError):
            json.dumps(StatusFile.from_xml(data, digit).to_data())


# ------------------------------------------------------------ certificates


#: The same in every run, so that what broke once breaks again. It guards nothing.
KEY = ec.derive_private_key(7391, ec.SECP256R1())
KEY_PEM = KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _used(certificate: ClientCertificate) -> None:
    """Do all that is done with a certificate."""
    assert repr(certificate).isprintable()
    assert certificate.fingerprint
    assert certificate.environment in {"production", "tfe", None}
    assert (certificate.username is None) == (certificate.cvr is None)
    assert certificate.company != ""
    assert (certificate.username or "").isascii()
    with _refused_by(CertificateError):
        certificate.check_validity(NOW)
    if certificate.fingerprint < "1":  # one in sixteen: it is slow
        with _refused_by(CertificateError):
            certificate.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


def pem(data: bytes) -> None:
    """Read these bytes as PEM text, with and without a passphrase."""
    for passphrase in (None, PASSPHRASE):
        with _refused_by(CertificateError):
            _used(ClientCertificate.from_pem(data, passphrase))


def pkcs12(data: bytes) -> None:
    """Read these bytes as a .p12 file, with and without a passphrase."""
    for passphrase in (None, PASSPHRASE):
        with _refused_by(CertificateError), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # cryptography tells of BER
            _used(ClientCertificate.from_pkcs12(data, passphrase))


def der(data: bytes) -> None:
    """Read these bytes as the certificate beside a good private key: no checksum guards what is inside."""
    text = b"-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n"
    with _refused_by(CertificateError):
        _used(ClientCertificate.from_pem(KEY_PEM + text % base64.encodebytes(data)))


@contextlib.contextmanager
def _refused_by(kind: type[IcsFtpsError]):
    try:
        yield
    except kind as error:
        one_line(error)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target for target in (replies, mlsd, listing, names, status, pem, pkcs12, der)
}


@cache
def seeds(target: str) -> list[bytes]:
    """Return what a target's fuzzing starts from: what is kept, and certificates made anew (no key is kept)."""
    kept = [path.read_bytes() for path in sorted((SEEDS / target).glob("*"))]
    if target == "status":
        kept += [path.read_bytes() for path in sorted((Path(__file__).parents[1] / "data/status").iterdir())]
    leaf = factory.identity(factory.oces3_subject(), factory.oces3_authority(), key=KEY)
    if target == "pem":
        encrypted = leaf.key_pem(PASSPHRASE) + factory.certificates_pem(leaf.certificate)
        kept += [leaf.pem(), encrypted, leaf.key_pem(PASSPHRASE, traditional=True), factory.oces2().pem()]
    if target == "pkcs12":
        kept += [leaf.pkcs12(None), leaf.pkcs12(PASSPHRASE), factory.other().pkcs12(None)]
    if target == "der":
        old = factory.identity(factory.oces2_subject(), key=KEY)
        kept += [i.certificate.public_bytes(serialization.Encoding.DER) for i in (leaf, old)]
    return kept
