"""Many files over a few parallel sessions: one thread for each session, results in order, errors as values."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from types import TracebackType
from typing import Any, Self, TypeVar

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway._crew import Crew, Done, attempt
from airflow_provider_icsftps.gateway._door import Door, FleetCancelledError, Member
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.settings import GatewaySettings

__all__ = ["Done", "Fleet", "FleetCancelledError"]

T = TypeVar("T")
R = TypeVar("R")

#: Items that are handed out before the first of them is done; a slow one holds the others up only after so many.
LOOK_AHEAD = 256
_SLICE_SECONDS = 0.2


class Fleet:
    """
    A few sessions at one gateway as one certificate. A context manager.

    Sessions are opened when there is work for them, the first one alone: a wrong password is tried once. When the
    gateway takes no further session, the fleet goes on with those it has and says so in one line of the log.

    :param settings: where to and as whom; its TLS context is shared by all sessions.
    :param sessions: how many at most; by default the settings'.
    :raises ConfigurationError: when that is none.
    """

    def __init__(self, settings: GatewaySettings, sessions: int | None = None) -> None:
        self.settings = settings
        self.sessions = settings.sessions if sessions is None else sessions
        if self.sessions < 1:
            raise ConfigurationError(f"sessions is {self.sessions}; there must be one at least")
        self.door = Door()
        self._lock = threading.Lock()
        self._members: set[Member] = set()
        self._kept: Member | None = None
        self._crews: set[Crew[Any, Any]] = set()

    def __enter__(self) -> Self:
        """Do nothing yet: sessions are opened when there is work."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Break off what is under way after an exception; close every session and end every thread in any case."""
        if kind is not None:
            self.cancel()
        self.close()

    def close(self) -> None:
        """
        Log out and close every session; no thread is left.

        A run whose results were not all taken is cancelled: nobody would end it otherwise.
        """
        if self._crews or self._members - {self._kept}:
            self.cancel()
        for crew in list(self._crews):
            crew.dismiss()
        with self._lock:
            members, self._members, self._kept = self._members, set(), None
        for member in members:
            self.door.leave(member)  # else the next one to be refused would be taken for one too many
            member.close()

    def cancel(self) -> None:
        """Break off what is under way, for good; also from another thread or a signal handler. Does not wait."""
        self.door.is_closed = True
        for member in list(self._members):
            member.sever()

    def pause(self, seconds: float) -> None:
        """
        Sleep, but no longer than until the fleet is cancelled: for :class:`Patience`.

        :param seconds: how long.
        :raises FleetCancelledError: when it is cancelled.
        """
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self.door.check()
            time.sleep(min(left, _SLICE_SECONDS))
        self.door.check()

    def run(
        self, work: Callable[[GatewayClient, T], R], items: Iterable[T], *, look_ahead: int = LOOK_AHEAD
    ) -> Iterator[Done[T, R]]:
        """
        Do some work for each item, and yield what became of each, in their order.

        With one session, or for one item, everything happens in the caller's thread. An iteration that is left early
        cancels the fleet, and so does closing the fleet in the middle of one.

        :param work: called with a session and an item. It may be called again for an item, with another session, when
            its own was lost and the gateway takes no new one: what it began must be something it can begin again.
        :param items: taken as they are needed.
        :param look_ahead: items that are handed out before the first of them is done, 1 at least.
        :return: an iterator; :attr:`Done.error` is what :class:`IcsFtpsError` the work raised.
        :raises FleetCancelledError: when the fleet is cancelled before the last result.
        :raises Exception: what the work raises beside :class:`IcsFtpsError`; then the fleet is cancelled.
        """
        upcoming = iter(items)
        first = list(islice(upcoming, 2))
        if self.sessions == 1 or len(first) < 2:
            yield from self._run_here(work, chain(first, upcoming))
            return
        crew = Crew(work, door=self.door, sessions=self.sessions, take=self._take, give_back=self._give_back)
        self._crews.add(crew)
        try:
            yield from crew.results(chain(first, upcoming), max(1, look_ahead))
        except BaseException:
            self.cancel()
            raise
        finally:
            crew.dismiss()
            self._crews.discard(crew)

    def _run_here(self, work: Callable[[GatewayClient, T], R], items: Iterable[T]) -> Iterator[Done[T, R]]:
        member = self._take()
        try:
            for item in items:
                yield attempt(work, member, item)
        except BaseException:
            member.close()  # left in the middle; a client that is closed connects anew when it is used again
            raise
        finally:
            self._give_back(member)

    def _take(self) -> Member:
        """Return a client to work with: the one that is kept, or a new one."""
        with self._lock:
            member, self._kept = self._kept, None
            if member is None:
                member = Member(self.settings, self.door)
                self._members.add(member)
            return member

    def _give_back(self, member: Member) -> None:
        """Keep one open client for the next run, and close the others."""
        with self._lock:
            if self._kept is None and member.is_open and not self.door.is_closed:
                self._kept = member
                return
            self._members.discard(member)  # it is not there when the fleet was closed meanwhile
        self.door.leave(member)
        member.close()
