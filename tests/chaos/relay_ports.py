"""A port that is listened on, or only kept so that nobody else takes it."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable

from relay_places import Channel


class Port:
    """
    A port of the relay.

    :param channel: for which kind of connection.
    :param host: the relay's address.
    :param number: the port.
    :param selector: what watches it.
    :param accepted: takes a new connection.
    :raises OSError: when the port is taken.
    """

    def __init__(
        self,
        channel: Channel,
        host: str,
        number: int,
        selector: selectors.BaseSelector,
        accepted: Callable[[Port, socket.socket], None],
    ) -> None:
        self.channel: Channel = channel
        self.number = number
        self._selector = selector
        self._accepted = accepted
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.setblocking(False)
            self.socket.bind((host, number))
        except OSError:
            self.socket.close()
            raise
        self._listens = False

    def listen(self) -> None:
        """Accept connections."""
        if not self._listens:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.socket.listen()
            self._selector.register(self.socket, selectors.EVENT_READ, self)
            self._listens = True

    def refuse(self) -> None:
        """Accept none: who comes is refused by the operating system."""
        if self._listens:
            self._selector.unregister(self.socket)
            self.socket.shutdown(socket.SHUT_RD)  # it stays bound
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # so that nobody takes the port
            self._listens = False

    def ready(self, listener: socket.socket, mask: int) -> None:
        """Accept a connection."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._accepted(self, listener.accept()[0])
