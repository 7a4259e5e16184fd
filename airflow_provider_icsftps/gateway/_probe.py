"""
A second look at a server that cannot be talked to: does it speak TLS, and which version?

A bare ClientHello is sent, with no name, no certificate and every usual cipher in it, and the first bytes of the answer
are read; the ssl module would hide them behind an error.
"""

from __future__ import annotations

import contextlib
import secrets
import struct
from enum import StrEnum

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway._ftps import FtpsSession

_SECONDS = 2.0
_ALERT, _HANDSHAKE, _SERVER_HELLO = 21, 22, 2
_TLS_1_2 = 0x0303
# ECDHE, DHE and RSA with AES-GCM, AES-CBC and 3DES
_CIPHERS = (
    *(0xC02B, 0xC02C, 0xC02F, 0xC030, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028),
    *(0x009E, 0x009F, 0x0033, 0x0039, 0x0067, 0x006B, 0x009C, 0x009D, 0x002F, 0x0035, 0x003C, 0x003D, 0x000A, 0xC09C),
)
_GROUPS = (29, 23, 24, 25)
_SIGNATURES = (0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0201, 0x0203)


class Hello(StrEnum):
    """What a server answers to a ClientHello that offers TLS 1.2 and older."""

    #: It is silent, or speaks something else.
    NOT_TLS = "not TLS"
    #: It ends the handshake.
    ALERT = "alert"
    OLDER = "older than TLS 1.2"
    TLS_1_2 = "TLS 1.2"


def server_hello(session: FtpsSession, *, ask_first: bool) -> Hello:
    """
    Say how a server begins TLS, over a new connection to it.

    :param session: the session that failed; its settings and deadline hold for the new connection, too.
    :param ask_first: whether to ask for TLS as FTP does, or to begin with it at once.
    :return: ``NOT_TLS`` also when there is no connection, or no answer within two seconds.
    """
    probe = FtpsSession(session.settings, session.deadline)
    with contextlib.closing(probe):
        try:
            probe.look_up()
            probe.dial()
            if ask_first:
                probe.greet()
                probe.ask_for_tls()
            answer = _answer(probe)
        except (IcsFtpsError, OSError):
            return Hello.NOT_TLS
    if answer[:1] == bytes([_ALERT]) and len(answer) >= 7:
        return Hello.ALERT
    if answer[:1] != bytes([_HANDSHAKE]) or answer[5:6] != bytes([_SERVER_HELLO]) or len(answer) < 11:
        return Hello.NOT_TLS
    (version,) = struct.unpack("!H", answer[9:11])
    return Hello.OLDER if version < _TLS_1_2 else Hello.TLS_1_2


def _answer(probe: FtpsSession) -> bytes:
    """Return the first bytes that the server says, fewer when it closes."""
    sock = probe.control
    sock.settimeout(probe.within(_SECONDS))
    sock.sendall(_client_hello())
    answer = b""
    while len(answer) < 11 and (received := sock.recv(11 - len(answer))):
        answer += received
    return answer


def _client_hello() -> bytes:
    ciphers = struct.pack(f"!{len(_CIPHERS)}H", *_CIPHERS)
    groups = struct.pack(f"!{len(_GROUPS)}H", *_GROUPS)
    signatures = struct.pack(f"!{len(_SIGNATURES)}H", *_SIGNATURES)
    extensions = b"".join(
        struct.pack("!HH", kind, len(content)) + content
        for kind, content in ((10, _sized(groups)), (11, b"\x01\x00"), (13, _sized(signatures)))
    )
    hello = struct.pack("!H", _TLS_1_2) + secrets.token_bytes(32) + b"\x00" + _sized(ciphers) + b"\x01\x00"
    body = hello + _sized(extensions)
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return struct.pack("!BHH", _HANDSHAKE, 0x0301, len(message)) + message


def _sized(content: bytes) -> bytes:
    return struct.pack("!H", len(content)) + content
