"""What passes over one direction of a connection, cut into messages: lines in clear, then TLS records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

#: ``fragment`` is a message that its sender never finished; ``fin`` and ``reset`` are TCP's endings.
Kind = Literal["connect", "line", "handshake", "alert", "data", "fragment", "fin", "reset"]

_HEADER = 5
_LONGEST_LINE = 16 * 1024
_RECORDS: dict[int, Kind] = {20: "handshake", 21: "alert", 22: "handshake", 23: "data"}


@dataclass(frozen=True)
class Message:
    """
    A unit that faults are placed at.

    :param kind: what it is.
    :param data: its bytes as they are on the wire; none for TCP's endings.
    """

    kind: Kind
    data: bytes = field(default=b"", repr=False)


class Framer:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._end: Message | None = None

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data

    def end(self, kind: Literal["fin", "reset"]) -> None:
        """Take note that nothing more comes."""
        self._end = Message(kind)

    def next(self) -> Message | None:
        """Return the next whole message, and at the end what there is; ``None`` while more is needed."""
        kind, size = self._measure()
        if size and size <= len(self._buffer):
            return Message(kind, self._take(size))
        if self._end and self._buffer:
            return Message("fragment", self._take(len(self._buffer)))
        return self._end

    def _measure(self) -> tuple[Kind, int]:
        buffer = self._buffer
        if buffer and buffer[0] in _RECORDS:
            if len(buffer) < _HEADER:
                return "fragment", 0
            return _RECORDS[buffer[0]], _HEADER + int.from_bytes(buffer[3:5], "big")
        size = buffer.find(b"\n") + 1
        return "line", size or (len(buffer) if len(buffer) > _LONGEST_LINE else 0)

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data
