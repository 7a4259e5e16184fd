"""What a refusal or a failed connection means, and who can mend it: the sentences of our errors."""

from __future__ import annotations

import socket
import ssl

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
    UntrustedGatewayError,
)

#: Commands whose 550 is about a file or folder.
_ABOUT_FILES = {"STOR", "RETR", "DELE", "MLSD", "LIST", "NLST", "SIZE", "MDTM"}
#: Reasons that OpenSSL gives when what came was no TLS.
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"}
#: Reasons that OpenSSL gives when it breaks a handshake off because what the other side offers is not safe.
UNSAFE = {
    "DH_KEY_TOO_SMALL",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    "WRONG_SIGNATURE_TYPE",
}


def refusal(tried: str, command: str, reply: str) -> GatewayRefusedError:
    """
    Say what a 5xx reply means.

    :param tried: what was being tried, on what.
    :param command: the command that was refused, without secrets; empty for a greeting.
    :param reply: the reply, code and text.
    :return: 530, and any no to a login, is a refused login; 550 is a file that is not available, if it was about one.
    """
    code = int(reply[:3]) if reply[:3].isdigit() else 0
    text = reply[3:].strip()
    kind: type[GatewayRefusedError] = GatewayRefusedError
    todo = ""
    if command == "USER" or (code == 530 and command):
        kind = LoginRefusedError
        todo = "; check username, password and that the certificate is registered (not tried again: accounts lock)"
    elif code == 550 and command in _ABOUT_FILES:  # from others it would pass for a file that has gone
        kind = FileNotAvailableError
    return kind(f"{tried}: the gateway answered {reply}{todo}", command=command, code=code, text=text)


def no_data_port(tried: str, verb: str, reply: str) -> GatewayRefusedError:
    """
    Say what a 550 to PASV or EPSV means: no data connections, and nothing about the file that one was wanted for.

    :param tried: what was being tried, on what.
    :param verb: which of the two.
    :param reply: the reply, code and text.
    :return: the error to raise.
    """
    message = f"{tried}: the gateway answered {reply} to {verb}; ask its support why it gives no data connections"
    return GatewayRefusedError(message, command=verb, code=550, text=reply[3:].strip())


def connection_error(tried: str, error: Exception, *, handshake: bool = False) -> IcsFtpsError:
    """
    Say what a failure of the connection means and who can mend it.

    :param tried: what was being tried, on what.
    :param error: what ssl or the operating system raised, or the ``EOFError`` of a closed connection.
    :param handshake: whether it broke the control connection's TLS handshake: there alone an alert is about us.
    :return: the error to raise from it.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return UntrustedGatewayError(
            f"{tried}: the gateway's certificate does not verify ({error.verify_message}); "
            "check the host name and, for a private CA, the connection's ca_pem"
        )
    reason = (getattr(error, "reason", "") or "") if isinstance(error, ssl.SSLError) else ""
    if handshake:
        decided = _handshake_error(tried, reason)
        if decided is not None:
            return decided
    if isinstance(error, TimeoutError):
        return GatewayTimeoutError(f"{tried}: no answer in time; check the network and firewall, or try again later")
    if isinstance(error, EOFError | ssl.SSLError):
        how = f" ({reason.replace('_', ' ').lower()})" if reason else ""
        return GatewayUnavailableError(f"{tried}: the gateway closed the connection{how}; try again later")
    if isinstance(error, socket.gaierror):
        return GatewayUnavailableError(
            f"{tried}: the host name is not known ({error.strerror}); check the host and DNS"
        )
    words = getattr(error, "strerror", None) or type(error).__name__
    return GatewayUnavailableError(f"{tried}: {words}; check host, port and firewall, or try again later")


def refused_at_once(tried: str, error: ssl.SSLError) -> IcsFtpsError | None:
    """
    Say what it means that the gateway answered the first word of a handshake with an alert.

    It has not asked for our certificate by then, so unless the alert names that, it is not about it.

    :param tried: what was being tried, on what.
    :param error: what ssl raised.
    :return: ``None`` when that alert says what is wrong, or was none.
    """
    reason = error.reason or ""
    if "HANDSHAKE_FAILURE" in reason or "INSUFFICIENT_SECURITY" in reason:
        return UntrustedGatewayError(f"{tried}: the gateway does not speak TLS 1.2 with a cipher that is accepted here")
    if reason == "TLSV1_UNRECOGNIZED_NAME":
        return UntrustedGatewayError(f"{tried}: the gateway says that it is not of this name; check the host")
    if _is_alert(reason) and not any(word in reason for word in ("CERTIFICATE", "UNKNOWN_CA", "PROTOCOL_VERSION")):
        return GatewayUnavailableError(
            f"{tried}: the gateway, or a firewall before it, refuses the TLS handshake ({_alert(reason)}); check host "
            "and port, or try again later"
        )
    return None


def unprotected(tried: str, error: ssl.SSLError) -> UntrustedGatewayError | None:
    """
    Say so when a data connection's handshake failed because the gateway does not protect it as it promised.

    :param tried: what was being tried, on what.
    :param error: what ssl raised.
    :return: ``None`` when it failed for another reason.
    """
    reason = error.reason or ""
    if reason in _NO_TLS:
        return UntrustedGatewayError(f"{tried}: the data connection is not TLS, though PROT P was agreed on")
    if _is_other_tls(reason):
        return UntrustedGatewayError(f"{tried}: the data connection does not speak TLS 1.2; nothing else is accepted")
    return None


def _is_other_tls(reason: str) -> bool:
    return "PROTOCOL_VERSION" in reason or reason == "UNSUPPORTED_PROTOCOL"


def _is_alert(reason: str) -> bool:
    """Tell whether the other side said no; not that it has trouble, or closes."""
    return "ALERT" in reason and "INTERNAL" not in reason and "CLOSE" not in reason


def _alert(reason: str) -> str:
    return reason.rpartition("ALERT_")[2].replace("_", " ").lower()


def _handshake_error(tried: str, reason: str) -> IcsFtpsError | None:
    if _is_other_tls(reason):
        return UntrustedGatewayError(f"{tried}: the gateway does not speak TLS 1.2, and nothing else is accepted here")
    if reason in _NO_TLS:
        return GatewayProtocolError(f"{tried}: the gateway answered the TLS handshake with something that is not TLS")
    if reason in UNSAFE:
        return UntrustedGatewayError(
            f"{tried}: the gateway offers TLS that is not safe enough here ({reason.replace('_', ' ').lower()}); "
            "ask its operator"
        )
    if _is_alert(reason):
        alert = _alert(reason)
        return LoginRefusedError(
            f"{tried}: the gateway turned down the client certificate ({alert}); check that it is registered there "
            "and that its issuing CA is sent along (it must be in the .p12)",
            text=alert,
        )
    return None
