"""
The FTPS wire: one session, from the TCP connection to the login. Replies and exceptions become our errors
here only (in the words of :mod:`~airflow_provider_icsftps.gateway._wire_errors`).

Exactly TLS 1.2; nothing is sent before it is up, and nothing is accepted that was sent in clear behind the 234.

Commands and their replies are in :mod:`~airflow_provider_icsftps.gateway._control_connection`, data connections in
:mod:`~airflow_provider_icsftps.gateway._data_connection`, what passes over them in
:mod:`~airflow_provider_icsftps.gateway._transfer` and :mod:`~airflow_provider_icsftps.gateway._download`.
"""

from __future__ import annotations

import contextlib
import ftplib
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
from airflow_provider_icsftps.gateway._control_connection import ControlConnection
from airflow_provider_icsftps.gateway._deadline import Deadline
from airflow_provider_icsftps.gateway._replies import ReplyReader
from airflow_provider_icsftps.gateway._sockets import addresses_of, keep_alive, tune, wrapped
from airflow_provider_icsftps.gateway._wire_errors import connection_error, refusal, refused_at_once
from airflow_provider_icsftps.gateway.settings import GatewaySettings

#: Refusals of a data connection, which mean that the TLS session was forgotten when it was not resumed.
_NOT_RESUMED = ("425", "522")


class FtpsSession(ControlConnection):
    """
    One control connection: connected, protected, logged in.

    :param settings: where to and as whom.
    :param deadline: a limit for all that this session does, on top of those in the settings.
    """

    def __init__(self, settings: GatewaySettings, deadline: Deadline | None = None) -> None:
        super().__init__(settings, deadline)
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
        #: Until the gateway says otherwise.
        self.has_mlsd = True

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
        """
        Find the host's addresses.

        :raises GatewayUnavailableError: when the name is not known.
        :raises GatewayTimeoutError: when the session has a deadline and the lookup does not end in time.
        """
        with self.mapped(self._where):
            limit = None if self.deadline is None else self.within(self.settings.connect_timeout)
            self._addresses = addresses_of(self.settings.host, self.settings.port, limit)

    def dial(self) -> None:
        """
        Make the TCP connection, to the first address that takes it; each has ``connect_timeout``.

        :raises GatewayUnavailableError: when none does; it tells of the last one.
        """
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
        """
        Read the gateway's greeting.

        :raises GatewayUnavailableError: when there is none, or a "not now".
        :raises GatewayRefusedError: when it does not talk to us.
        :raises GatewayProtocolError: when what speaks there is no FTP server.
        """
        with self.mapped(self._where):
            self.welcome = self.greeting()

    def ask_for_tls(self) -> None:
        """
        Have the gateway agree to TLS (RFC 4217).

        :raises UntrustedGatewayError: when it refuses, or text in clear stands behind its answer.
        """
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
        """
        Make the TLS handshake: see that it is the gateway, and show the client certificate.

        :raises UntrustedGatewayError: when it is not, or does not speak TLS 1.2 as it is accepted here.
        :raises LoginRefusedError: when it turns the client certificate down.
        """
        with self.mapped(f"{self._where}: TLS handshake", handshake=True):
            self.control.settimeout(self.within(self.settings.connect_timeout))
            self.sock = tls = wrapped(self.context, self.control, self.settings.host)
            try:
                tls.do_handshake()
            except ssl.SSLError as error:
                early = refused_at_once(self._where, error) if tls.cipher() is None else None
                if early is not None:
                    raise early from error
                raise
            self.tls_session = tls.session
            self.file = ReplyReader(tls, self.encoding)

    def log_in(self) -> None:
        """
        Send the username, and the password if it is asked for; each once.

        :raises LoginRefusedError: when the gateway turns them down, by whatever 5xx: accounts lock.
        :raises GatewayProtocolError: when its answer is neither a yes nor a no.
        """
        with self.mapped(f"Login of {self.settings.username} at {self.settings.address}", "USER"):
            try:
                reply = self.sendcmd(f"USER {self.settings.username}")
                if reply.startswith("3"):
                    self.voidcmd(f"PASS {self.settings.password}")
                elif not reply.startswith("2"):
                    raise ftplib.error_reply(reply)
            except ftplib.Error as error:
                raise type(error)(self.without_password(str(error))) from None

    def protect(self) -> None:
        """
        Have data connections encrypted, and files sent as they are.

        :raises GatewayRefusedError: when the gateway declines either.
        """
        with self.mapped(f"{self._where}: protecting data connections", "PROT P"):
            self.voidcmd("PBSZ 0")
            self.voidcmd("PROT P")
            self._prot_p = True
            self.voidcmd("TYPE I")  # once a session, not once a file: listings are the same in it

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
        tls = self.tls_session
        if tls is None:
            return False
        life = min(tls.timeout, tls.ticket_lifetime_hint or tls.timeout)
        return time.time() - tls.time < 0.9 * life

    def note_resumption(self, resumed: bool) -> None:
        """
        Count a data connection.

        :param resumed: whether it resumed the control connection's TLS session.
        """
        self.data_connections += 1
        self.resumed += resumed
        self._forgotten = not resumed

    # ------------------------------------------------------------ errors

    @contextlib.contextmanager
    def mapped(self, tried: str, command: str = "", *, handshake: bool = False) -> Iterator[None]:
        """
        Turn what ftplib, ssl and the operating system raise into our errors; a broken session is closed.

        :param tried: what is being tried, on what: the first half of the error's line.
        :param command: the command, for the error's attributes; no secret in it.
        :param handshake: whether it is the control connection's TLS handshake.
        :raises GatewayRefusedError: for a 5xx reply; a refused login and a missing file have classes of their own.
        :raises GatewayUnavailableError: for a 4xx reply, and when the connection fails.
        :raises GatewayProtocolError: for a reply that makes no sense.
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
            todo = "check host and port"
            if command == "STOR" and self.command_sent:
                todo = "what became of the file is not known. File it again, which looks first"
            raise GatewayProtocolError(
                f"{tried}: the gateway answered {str(error)[:300]!r}, which makes no sense; {todo}, "
                "or ask the gateway's operator"
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
