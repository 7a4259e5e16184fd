"""What passed over the control connections, and how many connections there were."""

from __future__ import annotations

import re
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Literal

_KEPT = 10_000
_SECRET = re.compile(r"^(\W*(?:PASS|ACCT)\b).*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class TranscriptEntry:
    """
    One line on a control connection.

    :param connection: the connection's number, from 1.
    :param sender: who sent it.
    :param line: the command or reply, passwords starred.
    """

    connection: int
    sender: Literal["client", "gateway"]
    line: str

    def __str__(self) -> str:
        """Show the line as a log does."""
        return f"[{self.connection}] {'>' if self.sender == 'client' else '<'} {self.line}"


@dataclass(frozen=True)
class ConnectionCounts:
    """
    How many connections there were so far.

    :param accepted: control connections.
    :param closed: those of them that have ended, whoever ended them.
    :param logins: successful ones.
    :param data: data connections whose TLS handshake succeeded.
    :param data_reused: those of them that resumed the control connection's TLS session.
    :param listings: LIST, NLST and MLSD that were answered.
    """

    accepted: int = 0
    closed: int = 0
    logins: int = 0
    data: int = 0
    data_reused: int = 0
    listings: int = 0

    @property
    def open(self) -> int:
        """How many control connections are open now."""
        return self.accepted - self.closed


class Witness:
    """Keeps transcript and counts. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[TranscriptEntry] = deque(maxlen=_KEPT)
        self._counts = ConnectionCounts()

    @property
    def transcript(self) -> list[TranscriptEntry]:
        """The last ten thousand lines."""
        with self._lock:
            return list(self._entries)

    @property
    def counts(self) -> ConnectionCounts:
        """The counts as they are now."""
        with self._lock:
            return self._counts

    def saw(self, connection: int, sender: Literal["client", "gateway"], line: str) -> None:
        """
        Keep a line.

        :param connection: the connection's number.
        :param sender: who sent it.
        :param line: the command or reply; passwords are starred here.
        """
        entry = TranscriptEntry(connection, sender, _SECRET.sub(r"\1 ****", line))
        with self._lock:
            self._entries.append(entry)

    def count(self, what: str) -> int:
        """
        Count one more.

        :param what: a field of :class:`ConnectionCounts`.
        :return: how many there are now.
        """
        with self._lock:
            total: int = getattr(self._counts, what) + 1
            self._counts = replace(self._counts, **{what: total})
            return total
