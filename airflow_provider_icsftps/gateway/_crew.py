"""
The threads of one run of a fleet, each with a session of its own.

What they share is guarded by one condition. They wait for work until they are dismissed, so whoever makes a crew
dismisses it, whatever happens.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from typing import Generic, TypeVar

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway._door import Door, FleetCancelledError, Member, NoSeatError
from airflow_provider_icsftps.gateway.client import GatewayClient

T = TypeVar("T")
R = TypeVar("R")


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
        """
        Return the value, or raise the error.

        :return: what the work returned.
        :raises IcsFtpsError: what the work raised.
        """
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # no error: it is what the work returned


class Crew(Generic[T, R]):
    """
    The threads of one run.

    :param work: called with a session and an item.
    :param door: who may log in.
    :param sessions: threads there may be at a time.
    :param take: gives a client to work with.
    :param give_back: takes it back when its thread ends.
    """

    def __init__(
        self,
        work: Callable[[GatewayClient, T], R],
        *,
        door: Door,
        sessions: int,
        take: Callable[[], Member],
        give_back: Callable[[Member], None],
    ) -> None:
        self._work = work
        self._door = door
        self._sessions = sessions
        self._take = take
        self._give_back = give_back
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
        """
        Hand items out and yield what became of them, in their order.

        :param items: taken as they are needed.
        :param look_ahead: items that are handed out before the first of them is done.
        :raises FleetCancelledError: when the fleet is cancelled.
        :raises BaseException: what the work raised beside :class:`IcsFtpsError`.
        """
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
                    self._door.check()
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
        if self._joining or len(self._todo) <= self._idle or self._at_work >= self._sessions:
            return
        first = self._at_work == 0
        if first or (self._door.has_let_in and not self._door.is_full):
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
        member = self._take()
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
            self._give_back(member)
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
                self._changed.wait_for(lambda: self._todo or self._dismissed or self._door.is_closed)
            finally:
                self._idle -= 1
            return self._todo.popleft() if self._todo and not self._door.is_closed else None

    def _do(self, member: Member, number: int, item: T) -> None:
        try:
            done = attempt(self._work, member, item)
        except NoSeatError:
            with self._changed:
                self._todo.appendleft((number, item))
            raise
        with self._changed:
            self._done[number] = done
            self._changed.notify_all()


def attempt(work: Callable[[GatewayClient, T], R], gateway: GatewayClient, item: T) -> Done[T, R]:
    """
    Do some work for one item.

    :param work: the work.
    :param gateway: the session for it.
    :param item: the item.
    :return: what became of it.
    :raises Exception: what is no :class:`IcsFtpsError`.
    """
    try:
        return Done(item, work(gateway, item))
    except IcsFtpsError as error:
        return Done(item, error=error)
