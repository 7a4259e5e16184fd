"""What a fault does, and which faults are planned."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from relay_places import Event, Place


@dataclass(frozen=True)
class Cut:
    """
    End a connection to both sides; what passed before has arrived, nothing passes after.

    :param how: TCP's polite end, or a reset.
    :param everywhere: end all connections, as when a line breaks.
    """

    how: Literal["fin", "rst"] = "rst"
    everywhere: bool = False


@dataclass(frozen=True)
class Stall:
    """
    Let nothing more pass in either direction, and keep the connection open.

    :param everywhere: on all connections.
    """

    everywhere: bool = False


@dataclass(frozen=True)
class Delay:
    """
    Hold what this sender sends, then go on.

    :param seconds: for how long.
    """

    seconds: float


@dataclass(frozen=True)
class Refuse:
    """Reset a new connection as soon as it was accepted; at a message it is the same as a cut by reset."""


@dataclass(frozen=True)
class Away:
    """
    Reset every connection, and refuse new ones as a machine does on which nobody listens.

    :param seconds: for how long; ``None`` until :meth:`Relay.come_back`.
    """

    seconds: float | None = None


@dataclass(frozen=True)
class Call:
    """
    Call a function in the relay's thread and go on when it returns.

    :param function: takes nothing; kill a process, for example.
    """

    function: Callable[[], object]


Action: TypeAlias = Cut | Stall | Delay | Refuse | Away | Call


@dataclass(eq=False)
class Fault:
    """
    A place and what happens there.

    :param place: where.
    :param action: what.
    :param times: how often; ``None`` for each time.
    """

    place: Place
    action: Action
    times: int | None = 1
    #: The messages at which it struck.
    struck: list[Event] = field(default_factory=list)
    _struck: threading.Event = field(default_factory=threading.Event, repr=False)

    def wait(self, seconds: float = 10.0) -> bool:
        """Wait until it has struck, and say whether it has."""
        return self._struck.wait(seconds)

    def strike(self, event: Event) -> bool:
        """Say whether it still strikes, and take note of it."""
        if self.times is not None and len(self.struck) >= self.times:
            return False
        self.struck.append(event)
        self._struck.set()
        return True


def action(text: str) -> Action:
    """
    Read an action.

    :param text: ``fin``, ``rst``, ``stall``, ``refuse``, ``delay:2.5``, ``away`` or ``away:3``.
    :raises ValueError: when it is none.
    """
    word, _, seconds = text.partition(":")
    match word, seconds:
        case "fin" | "rst", "":
            return Cut(word)
        case "stall", "":
            return Stall()
        case "refuse", "":
            return Refuse()
        case "away", _:
            return Away(float(seconds) if seconds else None)
        case "delay", _:
            return Delay(float(seconds))
    raise ValueError(f"{text!r} is none of fin, rst, stall, refuse, delay:SECONDS, away, away:SECONDS")
