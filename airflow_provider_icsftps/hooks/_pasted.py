"""
A certificate as people paste it.

A file becomes text, goes through a mail, a form that makes one line of many, a URI that takes ``+`` for a blank, and
ends in one field or the other. What can be understood without a guess is understood: whatever is read must be as long
as the file itself says (DER begins with its length). The rest is told in one line.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError
from airflow_provider_icsftps.gateway.certificates import ClientCertificate

_BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=label)-----", re.DOTALL)
_DATA_URL = re.compile(r"data:[^,]*,")
# what editors, mails and web pages leave around a text: quotes, byte-order mark, blanks without width
_AROUND = "\"'`\ufeff\u200b\u200c\u200d\u2060"
_INDEFINITE = 0x80
_WRAP = 64


def pasted_certificate(key: str, data: bytes, passphrase: str | None) -> ClientCertificate:
    """
    Read a client certificate: PKCS#12 (the file itself, base64 of it) or PEM, in whichever field it was put.

    :param key: the field, for messages.
    :param data: what stands in it.
    :param passphrase: as given; blanks around it are left out if it fits only then.
    :raises CertificateError: when it is none, is cut, or the passphrase does not fit.
    """
    try:
        return _certificate(key, data, passphrase)
    except CertificateError as error:
        stripped = passphrase.strip() if passphrase else passphrase
        if error.reason != "passphrase" or stripped == passphrase:
            raise
        return _certificate(key, data, stripped)


def pasted_ca(key: str, text: str) -> str:
    """
    Return PEM text of certificates with its line ends as they should be.

    :param key: the field, for messages.
    :param text: as given.
    :raises ConfigurationError: when a private key stands in it.
    """
    if "PRIVATE KEY-----" in text:
        raise ConfigurationError(
            f"{key} holds a private key; it is for the CA of the gateway, the client certificate belongs into another "
            "field"
        )
    return _mended_pem(text)


def _certificate(key: str, data: bytes, passphrase: str | None) -> ClientCertificate:
    if _is_whole(data):
        return ClientCertificate.from_pkcs12(data, passphrase)
    text = data.decode("utf-8", "replace")
    if "-----BEGIN" in text:
        pem = _mended_pem(text)
        inside = _pkcs12_in(pem)
        if inside is not None:
            return ClientCertificate.from_pkcs12(inside, passphrase)
        return ClientCertificate.from_pem(pem.encode(), passphrase)
    body = _DATA_URL.sub("", text.strip().strip(_AROUND), count=1)
    decoded = list(_decoded(body))
    for candidate in decoded:
        if _is_whole(candidate):
            return ClientCertificate.from_pkcs12(candidate, passphrase)
    if key.endswith(("_pem", "_pem_file")):
        raise CertificateError(
            f"{key} is no PEM text; it must hold the key and the certificates with BEGIN and END lines"
        )
    if key.endswith("_file"):
        return ClientCertificate.from_pkcs12(data, passphrase)  # which tells what is wrong with it
    found = decoded[0] if decoded else next(_decoded(body[: len(body) // 4 * 4]), b"")
    announced = _announced(found) or 0
    if announced > len(found):
        raise CertificateError(
            f"{key} is cut: {len(found)} of {announced} bytes are there; make it with: base64 -w0 certificate.p12"
        )
    if not decoded:
        raise CertificateError(f"{key} is no base64 text; make it with: base64 -w0 certificate.p12")
    return ClientCertificate.from_pkcs12(found, passphrase)


def _mended_pem(text: str) -> str:
    """Write PEM blocks anew, each line of base64 on its own; what cannot be read stays as it is."""

    def block(match: re.Match[str]) -> str:
        headers, body = _headers(match["body"])
        for candidate in _decoded(body):
            if _is_whole(candidate):
                encoded = base64.b64encode(candidate).decode()
                lines = [encoded[i : i + _WRAP] for i in range(0, len(encoded), _WRAP)]
                return "\n".join(
                    [f"-----BEGIN {match['label']}-----", *headers, *lines, f"-----END {match['label']}-----"]
                )
        return match[0]

    # a line end that was written as two characters, as in JSON inside of JSON
    text = text.replace("\\r", "").replace("\\n", "\n")
    # blocks that were put on one line
    return re.sub(r"-----[ \t]+-----BEGIN", "-----\n-----BEGIN", _BLOCK.sub(block, text))


def _headers(body: str) -> tuple[list[str], str]:
    """Take the old kind of encrypted key apart: headers, an empty line, base64."""
    lines = body.strip().splitlines()
    headers = [line.strip() for line in lines if ":" in line]
    if not headers:
        return [], body
    return [*headers, ""], "\n".join(line for line in lines if ":" not in line)


def _pkcs12_in(pem: str) -> bytes | None:
    """Return the PKCS#12 file that some tools wrap into BEGIN and END lines."""
    for match in _BLOCK.finditer(pem):
        for candidate in _decoded(match["body"]):
            if _is_whole(candidate) and b"\x02\x01\x03" in candidate[1:12]:
                return candidate
    return None


def _decoded(text: str) -> Iterator[bytes]:
    """Decode base64 with blanks taken for blanks, and then for the ``+`` that a URI made a blank of."""
    cleaned = "".join(c for c in text if c not in _AROUND).strip()
    lines = ["".join(line.split()) for line in cleaned.splitlines()]
    plus = [line.replace(" ", "+") for line in cleaned.splitlines()]
    for body in ("".join(lines), "".join(plus)):
        try:
            yield base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):  # ValueError: not ASCII
            continue


def _announced(data: bytes) -> int | None:
    """Return the length that a DER sequence says it has, its head included; 0 where it does not say."""
    if len(data) < 2 or data[0] != 0x30:
        return None
    if data[1] < _INDEFINITE:
        return data[1] + 2
    count = data[1] - _INDEFINITE
    return 0 if count == 0 else int.from_bytes(data[2 : 2 + count], "big") + 2 + count


def _is_whole(data: bytes) -> bool:
    announced = _announced(data)
    return announced is not None and announced in {0, len(data)}
