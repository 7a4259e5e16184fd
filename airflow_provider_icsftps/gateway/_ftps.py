"""
The FTPS wire: one session on ``ftplib.FTP_TLS`` and ``ssl``. Replies and exceptions become our errors
here only (in the words of :mod:`~airflow_provider_icsftps.gateway._wire_errors`).

From ftplib come the reply parser, the error classes and the sending of commands; the rest is written here because
it decides whether a filing is whole:

* Exactly TLS 1.2, nothing sent before it is up, nothing accepted that was sent in clear behind the 234.
* Each reply has one time limit for the whole of it, so that a server that drips bytes cannot hold a task.
* A reply is a reply to one command: what was said before the command was sent is never taken for its answer.

Data connections are in :mod:`~airflow_provider_icsftps.gateway._data_connection`, what passes over them in
:mod:`~airflow_provider_icsftps.gateway._transfer` and :mod:`~airflow_provider_icsftps.gateway._download`.
"""

from __future__ import annotations

import contextlib
import ftplib
import re
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
from airflow_provider_icsftps.gateway._deadline import Deadline
from airflow_provider_icsftps.gateway._replies import ReplyReader
from airflow_provider_icsftps.gateway._sockets import addresses_of, keep_alive, ready, tune, wrapped
from airflow_provider_icsftps.gateway._wire_errors import connection_error, refusal
from airflow_provider_icsftps.gateway.settings import GatewaySettings

_MAX_REPLY_LINES = 500
_MAX_PRELIMINARIES = 5
#: Refusals of a data connection, which mean that the TLS session was forgotten when it was not resumed.
_NOT_RESUMED = ("425", "522")
_REPLY = re.compile(r"[1-5]\d\d(?![^ -])", re.ASCII)


class FtpsSession(ftplib.FTP_TLS):
    """
    One control connection: connected, protected, logged in.

    :param settings: where to and as whom.
    :param deadline: a limit for all that this session does, on top of those in the settings.
    """

    sock: ssl.SSLSocket | None  # ftplib starts with None, too
    file: ReplyReader  # type: ignore[assignment]  # all that ftplib asks of it is readline and close

    def __init__(self, settings: GatewaySettings, deadline: Deadline | None = None) -> None:
        super().__init__(context=settings.tls_context, timeout=settings.timeout, encoding=settings.encoding)
        self.settings = settings
        self.deadline = deadline
        self.host = settings.host
        self._where = f"Connection to {settings.address}"
        self._addresses: list[tuple[str, int]] = []
        #: The control connection's TLS session, which data connections resume. Read once: CPython loses six kilobytes
        #: of memory each time that it is asked of a socket.
        self.tls_session: ssl.SSLSession | None = None
        #: Data connections made, and how many of them resumed the TLS session.
        self.data_connections = 0
        self.resumed = 0
        self._forgotten = False  # whether the last one did not
        #: Of the last data connection: the port that the gateway named, whether it was made, whether its command was
        #: sent, and whether a 1xx reply to it was read.
        self.data_port = 0
        self.data_open = False
        self.command_sent = False
        self.transfer_began = False
        #: The data connection in use, or the last one.
        self.data: ssl.SSLSocket | None = None
        #: Whether another thread has broken it off.
        self.severed = False
        #: Until the gateway says otherwise.
        self.has_mlsd = True
        self._type = ""

    # ------------------------------------------------------------ opening and closing

    def open(self) -> None:
        """
        Connect, start TLS, log in, protect data connections: all steps, in their order.

        :raises GatewayUnavailableError: when there is no way to the gateway now.
        :raises UntrustedGatewayError: when it does not prove who it is, or not over TLS 1.2.
        :raises LoginRefusedError: when it turns down certificate, username or password.
        """
        self.look_up()
        self.dial()
        self.greet()
        self.ask_for_tls()
        self.shake_hands()
        self.log_in()
        self.protect()

    def look_up(self) -> None:
        """Find the host's addresses."""
        with self.mapped(self._where):
            limit = None if self.deadline is None else self.within(self.settings.connect_timeout)
            self._addresses = addresses_of(self.settings.host, self.settings.port, limit)

    def dial(self) -> None:
        """Make the TCP connection, to the first address that takes it."""
        with self.mapped(self._where):
            failure: OSError | None = None
            for address in self._addresses:
                try:
                    raw = socket.create_connection(address, self.within(self.settings.connect_timeout))
                    break
                except OSError as error:
                    failure = error
            else:
                raise failure or OSError("no address to connect to")
            tune(raw)
            keep_alive(raw)
            self.sock = raw  # type: ignore[assignment]  # not TLS yet
            self.af = raw.family
            self.file = ReplyReader(raw, self.encoding)

    def greet(self) -> None:
        """Read the gateway's greeting."""
        with self.mapped(self._where):
            self.welcome = self._greeting()

    def ask_for_tls(self) -> None:
        """Have the gateway agree to TLS."""
        with self.mapped(f"{self._where}: AUTH TLS", "AUTH TLS"):
            try:
                self.voidcmd("AUTH TLS")
            except ftplib.error_perm as error:
                raise UntrustedGatewayError(
                    f"{self._where}: the gateway refuses TLS ({error}); check that host and port are those of an "
                    "explicit FTPS gateway. No username was sent"
                ) from error
            if self.file.has_buffered:
                raise UntrustedGatewayError(
                    f"{self._where}: the gateway sent text in clear behind its answer to AUTH TLS; "
                    "somebody on the way may be tampering. Nothing was sent"
                )

    def shake_hands(self) -> None:
        """Make the TLS handshake: see that it is the gateway, and show the client certificate."""
        with self.mapped(f"{self._where}: TLS handshake", handshake=True):
            if self.sock is None:
                raise EOFError
            self.sock.settimeout(self.within(self.settings.connect_timeout))
            tls = wrapped(self.context, self.sock, self.settings.host)
            self.sock = tls
            try:
                tls.do_handshake()
            except ssl.SSLError as error:
                if "HANDSHAKE_FAILURE" in (error.reason or "") and tls.cipher() is None:  # no certificate asked for yet
                    raise UntrustedGatewayError(
                        f"{self._where}: the gateway does not speak TLS 1.2 with a cipher that is accepted here"
                    ) from error
                raise
            self.tls_session = tls.session
            self.file = ReplyReader(tls, self.encoding)

    def log_in(self) -> None:
        """Send username and password, once."""
        with self.mapped(f"Login of {self.settings.username} at {self.settings.address}", "USER"):
            try:
                if self.sendcmd(f"USER {self.settings.username}")[:1] == "3":
                    self.sendcmd(f"PASS {self.settings.password}")
            except ftplib.Error as error:  # its text goes into logs, and a gateway may repeat what it was sent
                reply = str(error)
                raise type(error)(reply[:4] + reply[4:].replace(self.settings.password, "***")) from None

    def protect(self) -> None:
        """Have data connections encrypted, and files sent as they are."""
        with self.mapped(f"{self._where}: protecting data connections", "PROT P"):
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")
            self._prot_p = True
            self.set_type("I")

    def within(self, seconds: float) -> float:
        """
        Return how long an operation may take: its own limit, or what the session's deadline leaves of it.

        :param seconds: its own limit.
        :raises TimeoutError: when the deadline is over.
        """
        return seconds if self.deadline is None else self.deadline.within(seconds)

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

    def sever(self) -> None:
        """
        Break off what another thread is doing; also from a signal handler.

        Whoever waits for a reply, or for the data of a download, gets an error at once. An upload notices before its
        next block and aborts by itself: shut down from here, it would end with the FIN of a whole file.
        """
        self.severed = True
        for sock, how in ((self.sock, socket.SHUT_RDWR), (self.data, socket.SHUT_RD)):
            if sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, how)  # not SSLSocket's: it takes the TLS state from the other thread

    @property
    def can_resume(self) -> bool:
        """Whether the gateway is likely to know its TLS session still; where resuming is demanded, it is needed."""
        tls = self.tls_session if self.sock is not None else None
        if tls is None:
            return False
        life = min(tls.timeout, tls.ticket_lifetime_hint or tls.timeout)
        return time.time() - tls.time < 0.9 * life

    def note_resumption(self, resumed: bool) -> None:
        """Count a data connection."""
        self.data_connections += 1
        self.resumed += resumed
        self._forgotten = not resumed

    # ------------------------------------------------------------ what ftplib calls

    def sendcmd(self, cmd: str) -> str:
        """Send a command and return its reply; refuse to take for it what was said before."""
        if self.sock is None:
            raise EOFError
        if self.file.take_in():
            unasked = self.getresp()  # raises a 421, which says why it is closing
            raise ftplib.error_proto(f"{unasked} without being asked")
        return super().sendcmd(cmd)

    def voidcmd(self, cmd: str) -> str:
        """The same, for a command whose reply must be a plain yes."""
        reply = self.sendcmd(cmd)
        if not reply.startswith("2"):
            raise ftplib.error_reply(reply)
        return reply

    def _greeting(self) -> str:
        for _ in range(_MAX_PRELIMINARIES):
            reply = self.getresp()
            if not reply.startswith("1"):  # 120: ready in so many minutes
                return reply
        raise ftplib.error_reply(reply)

    def putline(self, line: str) -> None:
        """Send one line; ftplib's own does not keep names that are no text in the gateway's encoding."""
        if "\r" in line or "\n" in line:
            raise ValueError("a command must not hold line breaks")
        if self.sock is None or self.severed:
            raise EOFError
        self.sock.settimeout(self._reply_seconds())
        self.sock.sendall((line + "\r\n").encode(self.encoding, "surrogateescape"))

    def getmultiline(self) -> str:
        """Read a reply of one or more lines, bounded in length and in time."""
        self.file.limit(self._reply_seconds())
        lines = [self.getline()]
        if not _REPLY.match(lines[0]):
            raise ftplib.error_proto(lines[0])
        code = lines[0][:3]
        while lines[0][3:4] == "-" and not (lines[-1] == code or lines[-1].startswith(f"{code} ")):
            if len(lines) > _MAX_REPLY_LINES:
                raise ftplib.error_proto(f"a reply of more than {_MAX_REPLY_LINES} lines")
            lines.append(self.getline())
        return "\n".join(lines)

    def _reply_seconds(self) -> float:
        return self.within(float(self.timeout or self.settings.timeout))

    def completion(self) -> str:
        """Read the reply that ends a transfer; a gateway may think about it for longer than about others."""
        usual, self.timeout = self.timeout, self.settings.completion_timeout
        try:
            return self.voidresp()
        finally:
            self.timeout = usual

    def has_reply(self) -> bool:
        """Whether something lies ready to be read, without waiting for it."""
        if self.sock is None:
            return False
        return self.file.has_buffered or self.sock.pending() > 0 or bool(ready([self.sock], [], 0))

    def set_type(self, kind: str) -> None:
        """Send TYPE if it is another than before: once a session, not once a file."""
        if self._type != kind:
            self.voidcmd(f"TYPE {kind}")
            self._type = kind

    # ------------------------------------------------------------ errors

    @contextlib.contextmanager
    def mapped(self, tried: str, command: str = "", *, handshake: bool = False) -> Iterator[None]:
        """
        Turn what ftplib, ssl and the operating system raise into our errors; a broken session is closed.

        :param tried: what is being tried, on what: the first half of the error's line.
        :param command: the command, for the error's attributes; no secret in it.
        :param handshake: whether it is the control connection's TLS handshake.
        """
        try:
            yield
        except IcsFtpsError:
            self.close()  # found in the middle of an exchange; what the gateway says next would be misunderstood
            raise
        except ftplib.error_perm as error:
            self._give_up_if_forgotten(error)
            raise refusal(tried, command, str(error)) from error
        except ftplib.error_temp as error:
            self._give_up_if_forgotten(error)
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
            raise connection_error(tried, error, handshake=handshake) from error
        except BaseException:
            self.close()  # interrupted between a command and its reply: the next reply would be the wrong one
            raise

    def _give_up_if_forgotten(self, error: ftplib.Error) -> None:
        if self._forgotten and str(error).startswith(_NOT_RESUMED):
            self.close()  # nor would the next data connection be taken; a new session will do
