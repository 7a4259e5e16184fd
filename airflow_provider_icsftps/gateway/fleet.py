"""Many files over a few parallel sessions: one thread for each session, results in order, errors as values."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, islice
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from airflow_provider_icsftps.exceptions import ConfigurationError, IcsFtpsError
from airflow_provider_icsftps.gateway._door import Door, FleetCancelledError, Member, NoSeatError
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.settings import GatewaySettings

__all__ = ["Done", "Fleet", "FleetCancelledError"]

T = TypeVar("T")
R = TypeVar("R")

#: Items that are handed out before the first of them is done; a slow one holds the others up only after so many.
LOOK_AHEAD = 256
_SLICE_SECONDS = 0.2


@dataclass(frozen=True)
class Done(Generic[T, R]):
    """
    What became of one item.

    :param item: the item.
    :param value: what the work returned.
    :param error: instead, why it failed.
    """

    item: T
    value: R | None = None
    error: IcsFtpsError | None = None

    def get(self) -> R:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # no error: it is what the work returned


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
        self._crews: set[_Crew[Any, Any]] = set()

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
        crew = _Crew(self, work)
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
                yield _attempt(work, member, item)
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


class _Crew(Generic[T, R]):
    """The threads of one run, each with a session of its own; what they share is guarded by one condition."""

    def __init__(self, fleet: Fleet, work: Callable[[GatewayClient, T], R]) -> None:
        self._fleet = fleet
        self._work = work
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._todo: deque[tuple[int, T]] = deque()
        self._done: dict[int, Done[T, R]] = {}
        self._at_work = 0
        self._idle = 0
        self._joining = False
        self._dismissed = False
        self._failure: BaseException | None = None

    def results(self, items: Iterator[T], look_ahead: int) -> Iterator[Done[T, R]]:
        """Hand items out and yield what became of them, in their order."""
        handed_out = 0
        for number in count():  # pragma: no branch - it has no end
            for item in islice(items, max(0, number + look_ahead - handed_out)):
                with self._changed:
                    self._todo.append((handed_out, item))
                    self._changed.notify_all()
                    self._man()
                handed_out += 1
            if number == handed_out:
                return
            with self._changed:
                while number not in self._done:
                    if self._failure is not None:
                        raise self._failure
                    self._fleet.door.check()
                    self._man()
                    self._changed.wait()
                done = self._done.pop(number)
            yield done

    def dismiss(self) -> None:
        """Let every session finish what it does, and wait for that."""
        with self._changed:
            self._dismissed = True
            self._todo.clear()
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _man(self) -> None:
        """Start a thread if there is work for it: the first, or one more when all others are in and busy."""
        if self._joining or len(self._todo) <= self._idle or self._at_work >= self._fleet.sessions:
            return
        first = self._at_work == 0
        if first or (self._fleet.door.has_let_in and not self._fleet.door.is_full):
            self._at_work += 1
            self._joining = not first
            self._start(partial(self._serve, first=first))

    def _start(self, target: Callable[[], None]) -> None:
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(target,), name=f"icsftps-session-{len(self._threads) + 1}")
        thread.start()
        self._threads.append(thread)

    def _serve(self, *, first: bool) -> None:
        """What one thread does."""
        member = self._fleet._take()
        try:
            if first or self._join(member):
                while (job := self._next()) is not None:
                    self._do(member, *job)
        except (FleetCancelledError, NoSeatError):
            pass
        except BaseException as error:
            with self._changed:
                self._failure = error
        finally:
            self._fleet._give_back(member)
            with self._changed:
                self._at_work -= 1
                self._changed.notify_all()

    def _join(self, member: Member) -> bool:
        """Log in before any work is taken, so that a session that is refused has none to give back."""
        try:
            member.connect()
        except IcsFtpsError:
            return False  # the gateway is away: those who are in find that out, and bear it
        finally:
            with self._changed:
                self._joining = False
                self._changed.notify_all()
        return True

    def _next(self) -> tuple[int, T] | None:
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(lambda: self._todo or self._dismissed or self._fleet.door.is_closed)
            finally:
                self._idle -= 1
            return self._todo.popleft() if self._todo and not self._fleet.door.is_closed else None

    def _do(self, member: Member, number: int, item: T) -> None:
        try:
            done = _attempt(self._work, member, item)
        except NoSeatError:
            with self._changed:
                self._todo.appendleft((number, item))
            raise
        with self._changed:
            self._done[number] = done
            self._changed.notify_all()


def _attempt(work: Callable[[GatewayClient, T], R], gateway: GatewayClient, item: T) -> Done[T, R]:
    try:
        return Done(item, work(gateway, item))
    except IcsFtpsError as error:
        return Done(item, error=error)
