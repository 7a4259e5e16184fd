"""One direction of a relayed connection."""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Generator

from relay_framing import Framer
from relay_places import Sender

BLOCK = 64 * 1024
_SIOCOUTQNSD = 0x894B  # Linux: bytes that TCP has not sent yet

#: Seconds to wait for, or ``None`` for input.
Steps = Generator[float | None, None, None]


class Flow:
    """
    One direction.

    :param sender: who sends.
    :param source: where it is read.
    :param sink: where it goes.
    """

    def __init__(self, sender: Sender, source: socket.socket, sink: socket.socket | None) -> None:
        self.sender: Sender = sender
        self.source = source
        self.sink = sink
        self.framer = Framer()
        self.out = bytearray()
        self.index = self.offset = 0
        self.steps: Steps | None = None
        self.wants_input = False
        self.has_ended = False  # its sender has
        self.is_over = False  # its end has passed
        self.sink_is_broken = False

    def read(self) -> None:
        """Read what there is into the framer."""
        try:
            data = self.source.recv(BLOCK)
        except BlockingIOError:
            return
        except OSError:
            self.has_ended = True
            self.framer.end("reset")
            return
        self.framer.feed(data)
        if not data:
            self.has_ended = True
            self.framer.end("fin")

    def flush(self) -> None:
        """Write what can be written."""
        try:
            while self.out and self.sink is not None and not self.sink_is_broken:
                del self.out[: self.sink.send(self.out)]
        except BlockingIOError:
            return
        except OSError:
            self.sink_is_broken = True  # its own end will be read, after what it said before
        if self.sink_is_broken:
            self.out.clear()

    @property
    def is_flushed(self) -> bool:
        """Whether all that passed is on its way, where no reset of ours can destroy it."""
        self.flush()
        if self.out or self.sink is None or self.sink_is_broken:
            return not self.out
        try:
            return not struct.unpack("i", fcntl.ioctl(self.sink, _SIOCOUTQNSD, bytes(4)))[0]
        except (OSError, ValueError):  # not on this system, or closed by now
            return True
