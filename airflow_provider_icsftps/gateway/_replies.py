"""Reading replies from a control connection: line by line, bounded in length and in time."""

from __future__ import annotations

import socket
import ssl
import time


class ReplyReader:
    """
    Lines of replies from a control socket; stands where ftplib keeps its file.

    :param sock: the control socket, TLS or not.
    :param encoding: of the replies.
    """

    def __init__(self, sock: socket.socket, encoding: str) -> None:
        self._sock = sock
        self._encoding = encoding
        self._buffer = bytearray()
        self._expires = 0.0

    @property
    def has_buffered(self) -> bool:
        """Whether bytes were received that no reply has used."""
        return bool(self._buffer)

    def take_in(self) -> bool:
        """
        Take in what lies ready, without waiting for it.

        :return: whether there is anything that no reply has used.
        :raises EOFError: when the connection is closed and nothing is left.
        """
        self._sock.settimeout(0)
        try:
            received = self._sock.recv(8192)
        except (BlockingIOError, ssl.SSLWantReadError):
            return self.has_buffered
        if not received and not self._buffer:
            raise EOFError
        self._buffer += received
        return self.has_buffered

    def limit(self, seconds: float) -> None:
        """
        Let the next lines take so long together.

        :param seconds: from now.
        """
        self._expires = time.monotonic() + seconds

    def readline(self, size: int) -> str:
        """
        Return a line with its end.

        :param size: at most so many bytes of it; what is left comes with the next call.
        :return: an empty text at the end of the connection; bytes that are none in the encoding are replaced.
        :raises TimeoutError: when the time that :meth:`limit` gave is over.
        """
        while (end := self._buffer.find(b"\n") + 1) == 0 and len(self._buffer) < size:
            left = self._expires - time.monotonic()
            if left <= 0:
                raise TimeoutError("the whole reply took too long")
            self._sock.settimeout(left)
            if not (received := self._sock.recv(8192)):
                return ""
            self._buffer += received
        line = bytes(self._buffer[: end or size])
        del self._buffer[: len(line)]
        return line.decode(self._encoding, "replace")

    def close(self) -> None:
        """Forget what is buffered; the socket is closed by its owner."""
        self._buffer.clear()
