"""Which fault an error is: a pure function on the error, what raised it, and how far the session had come."""

from __future__ import annotations

import errno
import ftplib
import socket
import ssl
from collections.abc import Callable

from airflow_provider_icsftps.exceptions import (
    CertificateError,
    ConfigurationError,
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
    UntrustedGatewayError,
    one_line,
)
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._wire_errors import UNSAFE

_CERTIFICATE = {
    "unreadable": "certificate_unreadable",
    "passphrase": "wrong_passphrase",
    "no_key": "no_private_key",
    "no_certificate": "no_certificate",
    "environment": "wrong_environment",
    "username": "no_username",
    "expired": "certificate_expired",
    "not_yet_valid": "certificate_not_yet_valid",
    "unusable": "certificate_unusable",
}
# of OpenSSL's X509_V_ERR_…; what is not here is about the authority
_VERIFY = {
    9: "server_not_yet_valid",
    10: "server_expired",
    62: "server_other_host",
    64: "server_other_host",
    **dict.fromkeys((26, 66, 67, 68), "server_unfit"),  # its purpose, too short a key, too weak a signature
}
_NO_WAY = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EACCES, errno.EPERM}
_LOCKED = ("lock", "blocked", "disabled", "suspended", "låst", "spærret")
_NOT_REGISTERED = ("regist", "unknown certificate", "certificate unknown", "no certificate")


def recognise(step: str, error: IcsFtpsError, session: FtpsSession | None) -> str:
    """
    Return the key of the fault that an error is.

    :param step: the step that raised it, one of :data:`~airflow_provider_icsftps.gateway.faults.STEPS`.
    :param error: the error; its ``__cause__`` tells what the socket said.
    :param session: the session, if there was one.
    """
    if isinstance(error, CertificateError):
        return _CERTIFICATE[error.reason]
    if isinstance(error, ConfigurationError):
        return "incomplete"
    if session is None:
        return "unexpected"
    by_error = _BY_ERROR.get(step)
    found = by_error(error) if by_error else _BY_SESSION[step](error, session)
    return found or _anywhere(error)


def words(error: IcsFtpsError) -> str:
    """
    Return the gateway's own words in an error, empty where it said none.

    :param error: the error.
    """
    cause = error.__cause__
    if isinstance(error, GatewayRefusedError):
        return f"{error.code or ''} {error.text}".strip(" .")
    return one_line(str(cause)).rstrip(". ") if isinstance(cause, ftplib.Error) else ""


def _name_lookup(error: IcsFtpsError) -> str | None:
    cause = error.__cause__
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return "host_unknown"
    return "name_server_silent"


def _tcp(error: IcsFtpsError) -> str | None:
    cause = error.__cause__
    if isinstance(cause, ConnectionRefusedError):
        return "port_closed"
    if isinstance(error, GatewayTimeoutError):
        return "port_filtered"
    return "unreachable" if isinstance(cause, OSError) and cause.errno in _NO_WAY else None


def _greeting(error: IcsFtpsError) -> str | None:
    if isinstance(error.__cause__, ftplib.error_temp | ftplib.error_perm):
        return "busy"
    if isinstance(error, GatewayTimeoutError):
        return "silent"
    if isinstance(error, GatewayProtocolError):
        return "not_ftp"
    return "closed_at_once"


def _auth(error: IcsFtpsError) -> str | None:
    if isinstance(error, UntrustedGatewayError):
        return "text_in_clear" if error.__cause__ is None else "no_tls"
    return None


def _handshake(error: IcsFtpsError, session: FtpsSession) -> str | None:
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _VERIFY.get(cause.verify_code, "server_ca_unknown")
    if isinstance(error, LoginRefusedError):
        if error.text != "unknown ca":
            return "certificate_refused"
        return "issuer_not_accepted" if session.settings.certificate.chain else "no_issuing_ca"
    reason = (getattr(cause, "reason", "") or "") if isinstance(cause, ssl.SSLError) else ""
    if reason == "UNSUPPORTED_PROTOCOL":  # it chose an older one from what was offered
        return "tls_too_old"
    if "PROTOCOL_VERSION" in reason:  # it has none that is as old as what was offered
        return "tls_too_new"
    if reason == "TLSV1_UNRECOGNIZED_NAME":
        return "server_other_host"
    if isinstance(error, UntrustedGatewayError):
        return "tls_unsafe" if reason in UNSAFE else "no_common_cipher"
    return "not_tls" if isinstance(error, GatewayProtocolError) else "handshake_cut"


def _login(error: IcsFtpsError, session: FtpsSession) -> str | None:
    if not isinstance(error, GatewayRefusedError):
        return None
    said = error.text.lower()
    if any(word in said for word in _LOCKED):
        return "account_locked"
    if any(word in said for word in _NOT_REGISTERED):
        return "not_registered"
    settings = session.settings
    if (settings.certificate.username or settings.username).casefold() != settings.username.casefold():
        return "other_username"
    return "wrong_password"


def _protection(error: IcsFtpsError) -> str | None:
    return "data_in_clear" if isinstance(error, GatewayRefusedError) else None


def _data(error: IcsFtpsError, session: FtpsSession) -> str | None:
    cause = error.__cause__
    if isinstance(cause, ftplib.error_temp | ftplib.error_perm):
        return "no_data_connection"
    if not session.data_port or session.data_open:
        return None
    if isinstance(error, UntrustedGatewayError):
        return "data_connection_untrusted"
    if isinstance(error, GatewayProtocolError):
        return "data_port_outside"
    if isinstance(error, GatewayTimeoutError):
        return "data_ports_blocked"
    return "data_port_closed" if isinstance(error, GatewayUnavailableError) else None


def _outbox(error: IcsFtpsError, session: FtpsSession) -> str | None:
    return "no_outbox" if isinstance(error, FileNotAvailableError) else _data(error, session)


def _service(error: IcsFtpsError, session: FtpsSession) -> str | None:
    return "no_service" if isinstance(error, FileNotAvailableError) else _data(error, session)


def _heartbeat(error: IcsFtpsError, session: FtpsSession) -> str | None:
    if isinstance(error, GatewayRefusedError):
        return "heartbeat_refused"
    return _data(error, session)


def _anywhere(error: IcsFtpsError) -> str:
    if isinstance(error.__cause__, ftplib.error_temp):
        return "later"
    if isinstance(error, GatewayTimeoutError):
        return "too_slow"
    return "cut_off" if isinstance(error, GatewayUnavailableError) else "unexpected"


_BY_ERROR: dict[str, Callable[[IcsFtpsError], str | None]] = {
    "name lookup": _name_lookup,
    "TCP connection": _tcp,
    "greeting": _greeting,
    "AUTH TLS": _auth,
    "data protection": _protection,
}
_BY_SESSION: dict[str, Callable[[IcsFtpsError, FtpsSession], str | None]] = {
    "TLS version": _handshake,
    "login": _login,
    "data connection": _data,
    "outbox": _outbox,
    "service folders": _service,
    "heartbeat": _heartbeat,
}
