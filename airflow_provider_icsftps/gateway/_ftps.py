"""
The FTPS wire: one session on ``ftplib.FTP_TLS`` and ``ssl``. Replies and exceptions become our errors
here only (in the words of :mod:`~airflow_provider_icsftps.gateway._wire_errors`).

From ftplib come the reply parser, the error classes and the sending of commands; the rest is written here because
it decides whether a filing is whole:

* Exactly TLS 1.2, nothing sent before it is up, nothing accepted that was sent in clear behind the 234.
* The data connection resumes the control connection's TLS session, and its handshake begins after the command was
  sent: servers demand the one and wait for the other.
* Each reply has one time limit for the whole of it, so that a server that drips bytes cannot hold a task.

The transfers themselves are in :mod:`~airflow_provider_icsftps.gateway._transfer`.
"""

from __future__ import annotations

import contextlib
import ftplib
import select
import socket
import ssl
import time
from collections.abc import Iterator

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayUnavailableError,
    IcsFtpsError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway._replies import ReplyReader
from airflow_provider_icsftps.gateway._wire_errors import connection_error, refusal
from airflow_provider_icsftps.gateway.settings import GatewaySettings

_MAX_REPLY_LINES = 500
_NOT_IMPLEMENTED = ("500", "501", "502", "504", "522")


class FtpsSession(ftplib.FTP_TLS):
    """
    One control connection: connected, protected, logged in.

    :param settings: where to and as whom.
    """

    sock: ssl.SSLSocket | None  # ftplib starts with None, too
    file: ReplyReader  # type: ignore[assignment]  # all that ftplib asks of it is readline and close

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__(context=settings.tls_context, timeout=settings.timeout, encoding=settings.encoding)
        self.settings = settings
        self.host = settings.host
        #: Data connections made, and how many of them resumed the TLS session.
        self.data_connections = 0
        self.resumed = 0
        #: Of the last data connection: whether its command was sent, and whether a 1xx reply to it was read.
        self.command_sent = False
        self.transfer_began = False
        self._type = ""

    # ------------------------------------------------------------ opening and closing

    def open(self) -> None:
        """
        Connect, start TLS, log in, protect data connections.

        :raises GatewayUnavailableError: when there is no way to the gateway now.
        :raises UntrustedGatewayError: when it does not prove who it is, or not over TLS 1.2.
        :raises LoginRefusedError: when it turns down certificate, username or password.
        """
        where = f"Connection to {self.settings.address}"
        with self.mapped(where):
            raw = socket.create_connection((self.settings.host, self.settings.port), self.settings.connect_timeout)
            tune(raw)
            _keep_alive(raw)
            self.sock = raw  # type: ignore[assignment]  # not TLS yet
            self.af = raw.family
            self.file = ReplyReader(raw, self.encoding)
            self.welcome = self.getresp()
        with self.mapped(f"{where}: AUTH TLS", "AUTH TLS"):
            self.voidcmd("AUTH TLS")
            if self.file.has_buffered:
                raise UntrustedGatewayError(
                    f"{where}: the gateway sent text in clear behind its answer to AUTH TLS; "
                    "somebody on the way may be tampering. Nothing was sent"
                )
        with self.mapped(f"{where}: TLS handshake"):
            raw.settimeout(self.settings.connect_timeout)
            self.sock = self.context.wrap_socket(raw, server_hostname=self.settings.host)
            self.file = ReplyReader(self.sock, self.encoding)
        with self.mapped(f"Login of {self.settings.username} at {self.settings.address}", "USER"):
            if self.sendcmd(f"USER {self.settings.username}")[:1] == "3":
                self.sendcmd(f"PASS {self.settings.password}")
        with self.mapped(f"{where}: protecting data connections", "PROT P"):
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")
            self._prot_p = True
            self.set_type("I")

    @property
    def is_open(self) -> bool:
        """Whether the control connection has not been given up."""
        return self.sock is not None

    def leave(self) -> None:
        """Say goodbye if that is possible, and close in any case."""
        if self.sock is not None:
            with contextlib.suppress(ftplib.Error, OSError, EOFError):
                self.timeout = min(self.settings.timeout, 5.0)
                self.putcmd("QUIT")
                self.getresp()
        self.close()

    # ------------------------------------------------------------ what ftplib calls

    def putline(self, line: str) -> None:
        """Send one line; ftplib's own does not keep names that are no text in the gateway's encoding."""
        if "\r" in line or "\n" in line:
            raise ValueError("a command must not hold line breaks")
        if self.sock is None:
            raise EOFError
        self.sock.settimeout(self.timeout)
        self.sock.sendall((line + "\r\n").encode(self.encoding, "surrogateescape"))

    def getmultiline(self) -> str:
        """Read a reply of one or more lines, bounded in length and in time."""
        self.file.limit(float(self.timeout or self.settings.timeout))
        lines = [self.getline()]
        code = lines[0][:3]
        while lines[0][3:4] == "-" and not (lines[-1].startswith(f"{code} ") and len(lines) > 1):
            if len(lines) > _MAX_REPLY_LINES:
                raise ftplib.error_proto(f"a reply of more than {_MAX_REPLY_LINES} lines")
            lines.append(self.getline())
        return "\n".join(lines)

    def completion(self) -> str:
        """Read the reply that ends a transfer; a gateway may think about it for longer than about others."""
        usual, self.timeout = self.timeout, self.settings.completion_timeout
        try:
            return self.voidresp()
        finally:
            self.timeout = usual

    def set_type(self, kind: str) -> None:
        """Send TYPE if it is another than before: once a session, not once a file."""
        if self._type != kind:
            self.voidcmd(f"TYPE {kind}")
            self._type = kind

    # ------------------------------------------------------------ data connections

    def open_data(self, command: str) -> ssl.SSLSocket:
        """
        Send a transfer command and open its data connection, in the order that every server bears.

        PASV, then the command without waiting for its 150, then TCP and the TLS handshake while both sockets are
        watched: a server may refuse instead of shaking hands.

        :param command: STOR, RETR, NLST, LIST or MLSD with its argument.
        """
        control = self.sock
        if control is None:
            raise EOFError
        self.command_sent = self.transfer_began = False
        host, port = self._passive()
        self.command_sent = True
        self.putcmd(command)
        try:
            raw = socket.create_connection((host, port), self.settings.connect_timeout)
        except OSError as error:
            tried = f"{command} at {self.settings.address}: data connection to port {port}"
            raise connection_error(tried, error) from error
        try:
            tune(raw)
            data = self.context.wrap_socket(
                raw,
                server_hostname=self.host,
                session=control.session,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,  # a download that ends without close_notify must be seen
            )
        except BaseException:
            raw.close()
            raise
        try:
            reply = self._shake_hands(data, control)
            if reply[:1] != "1":
                raise ftplib.error_reply(reply)
            if data.getpeercert(True) != control.getpeercert(True):
                raise UntrustedGatewayError(
                    f"{command.partition(' ')[0]} at {self.settings.address}: the data connection shows another "
                    "server certificate than the control connection; somebody on the way may be tampering"
                )
        except BaseException:
            data.close()
            raise
        self.data_connections += 1
        self.resumed += bool(data.session_reused)
        return data

    def _passive(self) -> tuple[str, int]:
        """Ask for a data port; the address in the answer is ignored: behind NAT it is wrong, forged it is worse."""
        control = self.sock
        if control is None:
            raise EOFError
        peer = control.getpeername()
        port = 0
        if self.af == socket.AF_INET:
            try:
                port = ftplib.parse227(self.sendcmd("PASV"))[1]
            except ftplib.error_perm as error:
                if not str(error).startswith(_NOT_IMPLEMENTED):
                    raise
        if not port:
            port = int(ftplib.parse229(self.sendcmd("EPSV"), peer)[1])
        allowed = self.settings.data_ports
        if allowed and not allowed[0] <= port <= allowed[1]:
            raise GatewayProtocolError(
                f"Data connection to {self.settings.address}: the gateway names port {port}, outside of the "
                f"{allowed[0]}-{allowed[1]} that the connection allows; correct the range or leave it out"
            )
        return peer[0], port

    def _shake_hands(self, data: ssl.SSLSocket, control: ssl.SSLSocket) -> str:
        """Make the data connection's handshake and return the reply to the command (a 1xx), in either order."""
        expires = time.monotonic() + self.settings.connect_timeout
        reply = ""
        data.settimeout(0)
        try:
            while True:
                readable, writable = [data], []
                try:
                    data.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    pass
                except ssl.SSLWantWriteError:
                    readable, writable = [], [data]
                if not reply:
                    readable = [*readable, control]
                buffered = not reply and (self.file.has_buffered or control.pending())
                left = max(0.0, expires - time.monotonic())
                ready, ready_too, _ = select.select(readable, writable, [], 0 if buffered else left)
                if not (ready or ready_too or buffered):
                    raise TimeoutError("data connection's TLS handshake took too long")
                if buffered or control in ready:
                    reply = self._preliminary()
        except (ssl.SSLError, ConnectionError):
            while self._preliminary()[:1] == "1":
                pass  # the 425 or 522 behind it says why, and is raised
            raise
        return reply or self._preliminary()

    def _preliminary(self) -> str:
        reply = str(self.getresp())
        self.transfer_began = self.transfer_began or reply[:1] == "1"
        return reply

    # ------------------------------------------------------------ errors

    @contextlib.contextmanager
    def mapped(self, tried: str, command: str = "") -> Iterator[None]:
        """
        Turn what ftplib, ssl and the operating system raise into our errors; a broken session is closed.

        :param tried: what is being tried, on what: the first half of the error's line.
        :param command: the command, for the error's attributes; no secret in it.
        """
        try:
            yield
        except IcsFtpsError:
            self.close()  # found in the middle of an exchange; what the gateway says next would be misunderstood
            raise
        except ftplib.error_perm as error:
            raise refusal(tried, command, str(error)) from error
        except ftplib.error_temp as error:
            if str(error).startswith("421"):
                self.close()
            raise GatewayUnavailableError(f"{tried}: the gateway answered {error!s}; try again later") from error
        except (ftplib.Error, UnicodeError) as error:
            self.close()
            raise GatewayProtocolError(
                f"{tried}: the gateway answered {str(error)[:300]!r}, which makes no sense"
            ) from error
        except (EOFError, OSError) as error:
            self.close()
            raise connection_error(tried, error) from error
        except BaseException:
            self.close()  # interrupted between a command and its reply: the next reply would be the wrong one
            raise


def tune(sock: socket.socket) -> None:
    """Send small packets at once: with Nagle's algorithm the end of every small upload waits for 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _keep_alive(sock: socket.socket) -> None:
    """Keep NAT and firewalls from forgetting the control connection during long transfers and waits."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):  # not on every system
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
