"""
The control connection: commands and their replies, one after the other.

From ftplib come the reply parser, the error classes and the sending of commands; different from it:

* Each reply has one time limit for the whole of it, so that a server that drips bytes cannot hold a task.
* A reply is a reply to one command: what was said before the command was sent is never taken for its answer.
* A name that is no text in the gateway's encoding is sent as the bytes that the gateway listed.
"""

from __future__ import annotations

import ftplib
import re
import ssl

from airflow_provider_icsftps.exceptions import InvalidNameError
from airflow_provider_icsftps.gateway._deadline import Deadline
from airflow_provider_icsftps.gateway._replies import ReplyReader
from airflow_provider_icsftps.gateway._sockets import ready
from airflow_provider_icsftps.gateway.settings import GatewaySettings

_MAX_REPLY_LINES = 500
_MAX_PRELIMINARIES = 5
_REPLY = re.compile(r"[1-5]\d\d(?![^ -])", re.ASCII)


class ControlConnection(ftplib.FTP_TLS):
    """
    Commands and replies over a connection that a session has opened.

    Like ftplib it raises ``ftplib.Error``, ``OSError`` and ``EOFError``, the last one when the connection is closed.

    :param settings: where to and as whom.
    :param deadline: a limit for all that is done here, on top of those in the settings.
    """

    sock: ssl.SSLSocket | None  # ftplib starts with None, too
    file: ReplyReader  # type: ignore[assignment]  # all that ftplib asks of it is readline and close

    def __init__(self, settings: GatewaySettings, deadline: Deadline | None = None) -> None:
        super().__init__(context=settings.tls_context, timeout=settings.timeout, encoding=settings.encoding)
        self.settings = settings
        self.deadline = deadline
        self.host = settings.host
        #: Whether another thread has broken it off.
        self.severed = False
        #: Whether it may not be in step: some say 226 behind a 426, which would pass for the next command's reply.
        self.may_say_more = False

    @property
    def is_open(self) -> bool:
        """Whether the connection has not been given up."""
        return self.sock is not None

    @property
    def control(self) -> ssl.SSLSocket:
        """
        The connection's socket.

        :raises EOFError: when the connection was given up.
        """
        if self.sock is None:
            raise EOFError
        return self.sock

    def within(self, seconds: float) -> float:
        """
        Return how long an operation may take: its own limit, or what the deadline leaves of it.

        :param seconds: its own limit.
        :raises TimeoutError: when the deadline is over.
        """
        return seconds if self.deadline is None else self.deadline.within(seconds)

    # ------------------------------------------------------------ what ftplib calls

    def sendcmd(self, cmd: str) -> str:
        """
        Send a command and return its reply; refuse to take for it what was said before.

        :param cmd: verb and argument.
        :raises ftplib.Error: when the reply is a no or makes no sense, or something was said without being asked.
        """
        self.expect_silence()
        return super().sendcmd(cmd)

    def expect_silence(self) -> None:
        """
        See that nothing lies ready that would be taken for the reply to the next command.

        :raises ftplib.Error: what was said without being asked.
        """
        _ = self.control
        if self.file.take_in():
            self._refuse_unasked()

    def voidcmd(self, cmd: str) -> str:
        """
        Send a command and return its reply, which must be a plain yes (2xx).

        :param cmd: verb and argument.
        :raises ftplib.Error: when it is anything else.
        """
        reply = self.sendcmd(cmd)
        if not reply.startswith("2"):
            raise ftplib.error_reply(reply)
        return reply

    def putline(self, line: str) -> None:
        """
        Send one line; ftplib's own does not keep names that are no text in the gateway's encoding.

        :param line: without its end.
        :raises ValueError: when there is a line break in it, behind which another command could stand.
        """
        if "\r" in line or "\n" in line:
            raise ValueError("a command must not hold line breaks")
        if self.severed:
            raise EOFError
        content = self.encoded(line)
        self.control.settimeout(self._reply_seconds())
        self.control.sendall(content + b"\r\n")

    def encoded(self, line: str) -> bytes:
        """
        Return a line as it is sent.

        :param line: without its end.
        :raises InvalidNameError: when a name in it has a character that the gateway's encoding has not.
        """
        try:
            return line.encode(self.encoding, "surrogateescape")
        except UnicodeEncodeError as error:
            raise InvalidNameError(
                f"{line.partition(' ')[2]!r} cannot be said to {self.settings.address}: the encoding {self.encoding} "
                f"does not have {line[error.start]!r}; correct the name, or the connection's encoding"
            ) from error

    def getmultiline(self) -> str:
        """Return a reply of one or more lines, bounded in length and in time, without its last line end."""
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

    def _refuse_unasked(self) -> None:
        """Raise what was said without being asked: a "not now" ends the session, a no is none to the next command."""
        try:
            unasked = self.getresp()
        except ftplib.Error as error:
            unasked = str(error)
        unasked = self.without_password(unasked)
        if unasked.startswith("4"):
            self.close()
            raise ftplib.error_temp(unasked)
        raise ftplib.error_proto(f"{unasked} without being asked")

    def without_password(self, reply: str) -> str:
        """
        Return a reply as it may go into logs: a gateway may repeat what it was sent.

        :param reply: code and text.
        """
        return reply[:4] + reply[4:].replace(self.settings.password, "***")

    def _reply_seconds(self) -> float:
        return self.within(float(self.timeout or self.settings.timeout))

    # ------------------------------------------------------------ replies that no command of its own asks for

    def greeting(self) -> str:
        """Return the greeting; before it a gateway may say some times that it will be ready soon (120)."""
        for _ in range(_MAX_PRELIMINARIES):
            reply = self.getresp()
            if not reply.startswith("1"):
                return reply
        raise ftplib.error_reply(reply)

    def completion(self) -> str:
        """Return the reply that ends a transfer; a gateway may think about it for longer than about others."""
        usual, self.timeout = self.timeout, self.settings.completion_timeout
        try:
            return self.voidresp()
        except ftplib.error_temp as error:
            self.may_say_more = str(error).startswith("426")
            raise
        finally:
            self.timeout = usual

    def has_reply(self) -> bool:
        """Return whether something lies ready to be read, without waiting for it."""
        return self.file.has_buffered or self.control.pending() > 0 or bool(ready([self.control], [], 0))
