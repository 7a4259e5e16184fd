"""
Opening a data connection, in the order that every server bears, and ending it.

* It resumes the control connection's TLS session, and its handshake begins after the command was sent: servers demand
  the one and wait for the other.
* The address that the gateway names is ignored, its certificate must be the control connection's.
* A refusal may come instead of a handshake, or of a connection; then it is the refusal that is told.
"""

from __future__ import annotations

import ftplib
import socket
import ssl
import time

from airflow_provider_icsftps.exceptions import GatewayProtocolError, UntrustedGatewayError
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._sockets import ready, tune
from airflow_provider_icsftps.gateway._wire_errors import connection_error, no_data_port, unprotected

#: Bytes that are read or written at once.
BLOCK = 256 * 1024
#: A gateway that ended a data connection and has a reason says it at once.
_SECONDS_FOR_A_REASON = 5.0
_NOT_IMPLEMENTED = ("500", "501", "502", "504", "522")


def open_data(session: FtpsSession, command: str) -> ssl.SSLSocket:
    """
    Send a transfer command and open its data connection, in the order that every server bears.

    PASV, then the command without waiting for its 150, then TCP and the TLS handshake while both sockets are
    watched: a server may refuse instead of shaking hands.

    :param session: an open session; it keeps whether the command was sent and a 1xx came.
    :param command: STOR, RETR, NLST, LIST or MLSD with its argument.
    :return: the data connection, protected; its owner closes it.
    :raises InvalidNameError: when the command cannot be said in the gateway's encoding; nothing was sent then.
    :raises ftplib.Error: when the gateway refuses instead.
    :raises OSError: when there is no data connection, and the gateway does not say why.
    :raises GatewayRefusedError: when the gateway gives no data port.
    :raises GatewayUnavailableError: when its port does not take the connection.
    :raises GatewayProtocolError: when it names a port outside of those that the settings allow.
    :raises UntrustedGatewayError: when it is not protected as agreed on, or leads to another server.
    """
    session.data_port = 0
    session.data_open = session.command_sent = session.transfer_began = False
    control = session.control
    session.encoded(command)  # raises now, not when a port has been asked for
    host, port = _passive(session)
    session.expect_silence()
    session.command_sent = True
    session.putcmd(command)
    # wrapped before it is connected: wrapping fails and leaks the socket when the server has reset it by then
    data = session.context.wrap_socket(
        socket.socket(session.af, socket.SOCK_STREAM),
        server_hostname=session.host,
        session=session.tls_session,
        do_handshake_on_connect=False,
        suppress_ragged_eofs=False,  # a download that ends without close_notify must be seen
    )
    session.data = data
    try:
        data.settimeout(session.within(session.settings.connect_timeout))
        tune(data)
        try:
            data.connect((host, port))
        except OSError as error:
            _hear_why(session, error)  # a server that refuses the command may have given the port up by now
            tried = f"{command} at {session.settings.address}: data connection to port {port}"
            raise connection_error(tried, error) from error
        _shake_hands(session, data, control, f"{command} at {session.settings.address}")
        session.note_resumption(bool(data.session_reused))
        if data.getpeercert(True) != control.getpeercert(True):
            raise UntrustedGatewayError(
                f"{command.partition(' ')[0]} at {session.settings.address}: the data connection shows another "
                "server certificate than the control connection; somebody on the way may be tampering"
            )
    except BaseException:
        data.close()
        raise
    session.data_open = True
    return data


def end_politely(data: ssl.SSLSocket, seconds: float) -> bool:
    """
    Send close_notify and FIN at once, without waiting for the other side's.

    :param data: a data connection, over which nothing more is to be sent.
    :param seconds: how long it may take until there is room for them.
    :return: whether they could be sent: ``False`` on a connection that was reset.
    :raises TimeoutError: when there is no room by then.
    """
    data.settimeout(0)
    while True:
        try:
            data.unwrap()
        except ssl.SSLWantWriteError:
            if not ready([], [data], seconds):
                raise TimeoutError("data connection does not take the close_notify") from None
            continue
        except ssl.SSLError:
            pass  # sent and not answered, or the gateway closed first: its reply tells
        except OSError:
            return False
        break
    try:
        data.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def _passive(session: FtpsSession) -> tuple[str, int]:
    """Ask for a data port; the address in the answer is ignored: behind NAT it is wrong, forged it is worse."""
    peer = session.control.getpeername()
    reply = ""
    if session.af == socket.AF_INET:
        try:
            reply = _ask_for_port(session, "PASV")
        except ftplib.error_perm as error:
            if not str(error).startswith(_NOT_IMPLEMENTED):
                raise
    try:
        port = ftplib.parse227(reply)[1] if reply else 0
        if not port:
            reply = _ask_for_port(session, "EPSV")
            port = int(ftplib.parse229(reply, peer)[1])
    except (ValueError, IndexError):  # ftplib does not check what stands between the bars
        raise ftplib.error_proto(reply) from None
    if not 0 < port < 65536:
        raise ftplib.error_proto(reply)
    session.data_port = port
    allowed = session.settings.data_ports
    if allowed and not allowed[0] <= port <= allowed[1]:
        raise GatewayProtocolError(
            f"Data connection to {session.settings.address}: the gateway names port {port}, outside of the "
            f"{allowed[0]}-{allowed[1]} that the connection allows; correct the range or leave it out"
        )
    return peer[0], port


def _ask_for_port(session: FtpsSession, verb: str) -> str:
    try:
        return session.sendcmd(verb)
    except ftplib.error_perm as error:
        if str(error).startswith("550"):
            raise no_data_port(f"Data connection to {session.settings.address}", verb, str(error)) from error
        raise


def _shake_hands(session: FtpsSession, data: ssl.SSLSocket, control: ssl.SSLSocket, tried: str) -> None:
    """Make the data connection's handshake and read the 1xx reply to the command, in either order."""
    expires = time.monotonic() + session.within(session.settings.connect_timeout)
    data.settimeout(0)
    try:
        while True:
            try:
                data.do_handshake()
                break
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as wants:
                full = isinstance(wants, ssl.SSLWantWriteError)
            readable, writable = ([], [data]) if full else ([data], [])
            if not session.transfer_began:
                readable.append(control)
            buffered = not session.transfer_began and (session.file.has_buffered or control.pending())
            left = max(0.0, expires - time.monotonic())
            found = ready(readable, writable, 0 if buffered else left)
            if not (found or buffered):
                raise TimeoutError("data connection's TLS handshake took too long")
            if buffered or control.fileno() in found:
                _preliminary(session)
    except ssl.SSLCertVerificationError:
        raise  # we refuse; what the other side says to that does not matter
    except OSError as error:
        if isinstance(error, ssl.SSLError) and (refused := unprotected(tried, error)) is not None:
            raise refused from error
        _hear_why(session, error)
        raise
    if not session.transfer_began:
        _preliminary(session)


def _hear_why(session: FtpsSession, error: OSError) -> None:
    """Raise the 4xx or 5xx that says why there is no data connection; return if there is none."""
    usual, session.timeout = session.timeout, min(session.settings.timeout, _SECONDS_FOR_A_REASON)
    try:
        for _ in range(3):  # a 1xx may stand before it
            if isinstance(error, TimeoutError) and not session.has_reply():
                return
            _preliminary(session)
    except (OSError, EOFError):
        return  # nothing more is said: the first error stands
    finally:
        session.timeout = usual


def _preliminary(session: FtpsSession) -> None:
    reply = session.getresp()
    if reply[:1] != "1":
        raise ftplib.error_reply(reply)
    session.transfer_began = True
