"""
Where a fault can strike.

Connections, and the messages of one sender on one connection, are counted from 1. A sender is ``client`` or
``gateway``. Places have a text form, such as ``control/1/client/7/before``: ``str()`` writes it, :func:`place` reads
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from relay_framing import Kind

Channel = Literal["control", "data"]
Sender = Literal["client", "gateway"]
When = Literal["before", "after"]

#: A position behind the last byte of a message, and behind an ending, which has no bytes.
AFTER = 1 << 40


@dataclass(frozen=True)
class Event:
    """
    A message that came to the relay.

    :param channel: over which kind of connection.
    :param connection: which of that kind.
    :param sender: from whom.
    :param kind: what it is.
    :param index: which message of its sender on this connection; 0 for the connection itself.
    :param size: bytes on the wire.
    :param offset: bytes of application records that came before it from its sender.
    """

    channel: Channel
    connection: int
    sender: Sender
    kind: Kind
    index: int = 0
    size: int = 0
    offset: int = 0

    @property
    def is_certain(self) -> bool:
        """Whether it comes again: who ends a connection first, and whether that is a reset, differs from run to run."""
        said_by_the_client = (self.kind, self.channel, self.sender) == ("alert", "data", "client")
        return said_by_the_client or self.kind not in {"alert", "fin", "reset"}


class Place(Protocol):
    """Where a fault strikes."""

    def position(self, event: Event) -> int | None:
        """Return how many bytes of a message pass before the fault strikes; ``None`` if it does not strike there."""


def _position(when: When) -> int:
    return AFTER if when == "after" else 0


def _is(wanted: int | None, number: int) -> bool:
    return wanted is None or wanted == number


@dataclass(frozen=True)
class Connect:
    """
    A new connection, before there is one to the gateway.

    :param channel: which kind.
    :param number: which of that kind; ``None`` for each.
    """

    channel: Channel
    number: int | None = 1

    def position(self, event: Event) -> int | None:
        """Strike at the connection itself."""
        here = event.kind == "connect" and event.channel == self.channel and _is(self.number, event.connection)
        return 0 if here else None

    def __str__(self) -> str:
        return f"connect/{self.channel}/{self.number or '*'}"


@dataclass(frozen=True)
class Control:
    """
    A message on a control connection: a line in clear, a TLS record, or TCP's end.

    :param sender: whose.
    :param index: which of the sender's messages.
    :param when: before or after it has passed.
    :param connection: which control connection; ``None`` for each.
    """

    sender: Sender
    index: int
    when: When = "before"
    connection: int | None = 1

    def position(self, event: Event) -> int | None:
        """Strike before or after the message."""
        here = event.channel == "control" and (event.sender, event.index) == (self.sender, self.index)
        return _position(self.when) if here and _is(self.connection, event.connection) else None

    def __str__(self) -> str:
        return f"control/{self.connection or '*'}/{self.sender}/{self.index}/{self.when}"


@dataclass(frozen=True)
class DataHandshake:
    """
    A record of a data connection's TLS handshake.

    :param connection: which data connection; ``None`` for each.
    :param sender: whose.
    :param index: which of the sender's records.
    :param when: before or after it has passed.
    """

    connection: int | None
    sender: Sender
    index: int
    when: When = "before"

    def position(self, event: Event) -> int | None:
        """Strike before or after the record."""
        here = (event.channel, event.kind) == ("data", "handshake") and _is(self.connection, event.connection)
        return _position(self.when) if here and (event.sender, event.index) == (self.sender, self.index) else None

    def __str__(self) -> str:
        return f"handshake/{self.connection or '*'}/{self.sender}/{self.index}/{self.when}"


@dataclass(frozen=True)
class Data:
    """
    A place in a stream of application records, as they are on the wire: each carries up to 16 KiB and some 29 bytes.

    :param connection: which data connection; ``None`` for each.
    :param sender: whose stream.
    :param after_bytes: how many bytes of it pass.
    """

    connection: int | None
    sender: Sender
    after_bytes: int

    def position(self, event: Event) -> int | None:
        """Strike inside the record, before the first or at once after the last byte that passes."""
        here = (event.channel, event.kind, event.sender) == ("data", "data", self.sender)
        position = self.after_bytes - event.offset
        inside = (0 if event.offset == 0 else 1) <= position <= event.size
        return position if here and inside and _is(self.connection, event.connection) else None

    def __str__(self) -> str:
        return f"data/{self.connection or '*'}/{self.sender}/{self.after_bytes}"


@dataclass(frozen=True)
class DataClose:
    """
    The end of a data connection.

    :param connection: which data connection; ``None`` for each.
    :param sender: who ends it.
    :param end: TLS's end or TCP's.
    :param when: before or after it has passed.
    """

    connection: int | None
    sender: Sender
    end: Literal["close_notify", "fin"] = "close_notify"
    when: When = "before"

    def position(self, event: Event) -> int | None:
        """Strike before or after the end."""
        kind = "alert" if self.end == "close_notify" else "fin"
        here = (event.channel, event.kind, event.sender) == ("data", kind, self.sender)
        return _position(self.when) if here and _is(self.connection, event.connection) else None

    def __str__(self) -> str:
        return f"close/{self.connection or '*'}/{self.sender}/{self.end}/{self.when}"


def place(text: str) -> Place:
    """
    Read the text form of a place; ``*`` stands for each connection.

    :param text: such as ``control/1/client/7/before``, ``data/2/client/5000``, ``connect/data/1``.
    :raises ValueError: when it is none.
    """
    word, *parts = text.split("/")

    def number(part: str) -> int | None:
        return None if part == "*" else int(part)

    def one_of(part: str, *words: str) -> str:
        if part not in words:
            raise ValueError(part)
        return part

    sender: Callable[[str], Sender] = lambda part: cast(Sender, one_of(part, "client", "gateway"))  # noqa: E731
    when: Callable[[str], When] = lambda part: cast(When, one_of(part, "before", "after"))  # noqa: E731
    try:
        match word, parts:
            case "connect", [channel, which]:
                return Connect(cast(Channel, one_of(channel, "control", "data")), number(which))
            case "control", [which, who, index, moment]:
                return Control(sender(who), int(index), when(moment), number(which))
            case "handshake", [which, who, index, moment]:
                return DataHandshake(number(which), sender(who), int(index), when(moment))
            case "data", [which, who, count]:
                return Data(number(which), sender(who), int(count))
            case "close", [which, who, ("close_notify" | "fin") as end, moment]:
                return DataClose(number(which), sender(who), end, when(moment))
    except ValueError:
        pass
    raise ValueError(f"{text!r} is no place such as control/1/client/7/before")


def cut_points(events: Iterable[Event]) -> list[Place]:
    """
    List the places at which what happened could have been cut, in the order in which they were passed.

    Each message gives one before and one after it. An application record on a data connection gives its beginning,
    its middle and, when it is the last, its end.

    :param events: those of a clean run.
    """
    return list(dict.fromkeys(point for event in events for point in _points(event)))


def _points(event: Event) -> Iterator[Place]:
    moments: tuple[When, When] = ("before", "after")
    number, sender = event.connection, event.sender
    if event.kind == "connect":
        yield Connect(event.channel, number)
    elif event.kind == "reset":
        return
    elif event.channel == "control":
        yield from (Control(sender, event.index, when, number) for when in moments)
    elif event.kind == "handshake":
        yield from (DataHandshake(number, sender, event.index, when) for when in moments)
    elif event.kind == "data":
        for passed in (0, event.size // 2, event.size):
            yield Data(number, sender, event.offset + passed)
    elif event.kind == "alert":
        yield from (DataClose(number, sender, "close_notify", when) for when in moments)
    elif event.kind == "fin":
        yield from (DataClose(number, sender, "fin", when) for when in moments)
