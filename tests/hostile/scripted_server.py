"""
A small FTPS server for one test: it does everything right but for the one oddity that it is given.

It lives in one thread on a free loopback port, speaks TLS 1.2, demands a client certificate, serves one control
connection at a time and has a time limit on everything. Whoever hangs up on it is no error of its own; anything else
that goes wrong in it is raised in the test, when its ``with`` block ends.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

from throwaway_pki import ThrowawayPki
from usual_answers import UsualAnswers

#: What takes the place of a usual answer: a reply, several replies, or a function that does the talking.
Answer = str | Callable[["Conversation", str], None]

HOST = "127.0.0.1"
#: No wait of the server's is longer; a client's own limits are far below.
PATIENCE = 8.0
#: But that for a client, which may be a process that has yet to begin.
FIRST_PATIENCE = 60.0


def server_context(
    certificate: Path,
    client_ca: Path,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
) -> ssl.SSLContext:
    """A context that speaks one TLS version and demands a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.load_verify_locations(client_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    return context


class ScriptedServer:
    """
    The server; use it in a ``with`` block.

    :param pki: for its certificates.
    :param answers: by command (or ``CONNECT`` for the greeting), what is answered instead of the usual.
    :param context: for the control connection; by default TLS 1.2 with the usual certificate.
    :param data_context: for data connections; by default the same.
    :param files: what can be fetched, by path.
    """

    def __init__(
        self,
        pki: ThrowawayPki,
        answers: dict[str, Answer] | None = None,
        *,
        context: ssl.SSLContext | None = None,
        data_context: ssl.SSLContext | None = None,
        files: dict[str, bytes] | None = None,
    ) -> None:
        self.answers = answers or {}
        self.context = context or server_context(pki.server_file, pki.ca_file)
        self.data_context = data_context or self.context
        self.files = dict(files or {})
        #: Everything that clients said, line by line, over all connections.
        self.lines: list[str] = []
        #: What was received outside of TLS.
        self.in_clear = bytearray()
        self.connections = 0
        #: For each data connection whether its TLS session was resumed, and how each upload ended.
        self.resumed: list[bool] = []
        self.endings: list[str] = []
        #: Set by answers that want the test to know how far they are.
        self.reached = threading.Event()
        self.stopping = threading.Event()
        self.errors: list[BaseException] = []
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(FIRST_PATIENCE)
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, name=f"scripted-{self.port}", daemon=True)

    @property
    def commands(self) -> list[str]:
        """The commands that clients gave, without arguments."""
        return [line.partition(" ")[0] for line in self.lines]

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.stopping.set()
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # wakes the thread; TLS state stays the thread's own
        self._thread.join(PATIENCE)
        self._listener.close()
        if self._thread.is_alive():
            raise AssertionError("the scripted server does not stop")
        if self.errors and (kind is None or issubclass(kind, Exception)):
            raise AssertionError(f"the scripted server went wrong: {self.errors[0]!r}") from self.errors[0]

    def hold(self, sock: socket.socket) -> socket.socket:
        """Remember a socket, so that it is woken when the server stops, and closed at the conversation's end."""
        sock.settimeout(PATIENCE)
        self._open.append(sock)
        return sock

    def _serve(self) -> None:
        while not self.stopping.is_set():
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return  # told to stop, or nobody came
            self.connections += 1
            self._open.clear()
            talk = Conversation(self, self.hold(raw))
            try:
                talk.run()
            except TimeoutError as error:
                self.errors.append(error)
            except OSError:
                pass  # the client hung up, or did not like our certificate: its test says so
            except BaseException as error:
                self.errors.append(error)
            finally:
                talk.end()


class Conversation(UsualAnswers):
    """
    One control connection.

    :param server: the server.
    :param raw: the connection, not TLS yet.
    """

    def __init__(self, server: ScriptedServer, raw: socket.socket) -> None:
        self.server = server
        self.control: socket.socket = raw
        self._buffer = bytearray()
        self._passive: socket.socket | None = None
        self._over = False

    def run(self) -> None:
        """Talk until somebody has enough."""
        if not self._scripted("CONNECT", ""):
            self.say("220 ready")
        while not self._over and (line := self.listen()) is not None:
            self.server.lines.append(line)
            command, _, argument = line.partition(" ")
            if not self._scripted(command, argument):
                getattr(self, f"do_{command.lower()}", self.do_unknown)(argument)

    def _scripted(self, command: str, argument: str) -> bool:
        answer = self.server.answers.get(command)
        if isinstance(answer, str):
            self.say(answer)
        elif answer is not None:
            answer(self, argument)
        return answer is not None

    # ------------------------------------------------------------ for scripts

    def say(self, *replies: str) -> None:
        """Send replies, line ends added, in one piece."""
        self.control.sendall("".join(f"{reply}\r\n" for reply in replies).encode())

    def listen(self) -> str | None:
        """Return the next line, ``None`` when the client has gone."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            try:
                received = self.control.recv(4096)
            except (ssl.SSLEOFError, ConnectionError):
                return None
            if not received:
                return None
            if not isinstance(self.control, ssl.SSLSocket):
                self.server.in_clear += received
            self._buffer += received
        line = bytes(self._buffer[:end]).decode()
        del self._buffer[: end + 2]
        return line

    def end(self) -> None:
        """Close everything of this conversation, without a word."""
        self._over = True
        for sock in self.server._open:
            sock.close()
        self.control.close()

    def drop(self) -> None:
        """Close the control connection with FIN, without a word."""
        self._over = True
        self.control.close()

    def start_tls(self) -> None:
        """Make the control connection's handshake."""
        tls = self.server.context.wrap_socket(self.control, server_side=True)
        self.control = self.server.hold(tls)

    def listen_for_data(self) -> int:
        """Open a port for the next data connection."""
        self._passive = self.server.hold(socket.create_server((HOST, 0)))
        return int(self._passive.getsockname()[1])

    def name_a_closed_port(self, _: str) -> None:
        """Answer PASV with a port where nobody listens any more."""
        high, low = divmod(self.listen_for_data(), 256)
        self._passive.close()
        self.say(f"227 Entering Passive Mode (127,0,0,1,{high},{low})")

    def accept_raw(self) -> socket.socket:
        """Take the data connection, no TLS yet."""
        assert self._passive is not None
        raw, _ = self._passive.accept()
        self._passive.close()
        return self.server.hold(raw)

    def accept_data(self) -> ssl.SSLSocket:
        """Take the data connection and make its handshake."""
        raw = self.accept_raw()
        data = self.server.data_context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False)
        self.server.hold(data)
        self.server.resumed.append(bool(data.session_reused))
        return data

    def send(self, content: bytes, *, notify: bool = True, before: tuple[str, ...] = ("150 here it comes",)) -> None:
        """Open the data connection, send, and close it with or without close_notify."""
        self.say(*before)
        data = self.accept_data()
        data.sendall(content)
        if notify:
            with contextlib.suppress(OSError):
                data.unwrap()
        data.close()
