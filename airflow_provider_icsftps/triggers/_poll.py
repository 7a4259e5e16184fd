"""
One session, and one listing for all that wait on one connection.

A poll lists the outbox once in the shortest of its waits' intervals, at once for a wait that is new, and a last time
for one whose time is up. Listing, and finding out what a listing means for ten thousand waits, happen in a thread of
our own pool; the event loop only hands the results out, some in each turn.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_icsftps.exceptions import IcsFtpsError, LoginRefusedError
from airflow_provider_icsftps.gateway.patience import growing_pause
from airflow_provider_icsftps.hooks._fields import ConnectionFields, aread_fields
from airflow_provider_icsftps.triggers._threads import PollThreads
from airflow_provider_icsftps.triggers._wait import Ended, Found, Message, Moved, Remark, Wait

if TYPE_CHECKING:
    from airflow_provider_icsftps.gateway import GatewayClient

log = logging.getLogger(__name__)
T = TypeVar("T")

# the loop's default pool has cores + 4 threads and serves everybody else, too
_THREADS = PollThreads(16)
#: Seconds between two listings, however many waits begin meanwhile.
_SPACING = 1.0
#: Failures in a row are followed by pauses of 1, 2, 4 ... seconds, at most this long.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 300.0
#: When looks are further apart, gateways and firewalls may forget the session; it is closed after each.
_LONGEST_IDLE = 300.0
#: Seconds for which a refused login is not tried again, whoever asks: accounts lock after some.
_REFUSAL_LASTS = 300.0
#: Waits that are told something in one turn of the event loop.
_TURN = 50

_REFUSALS: dict[str, tuple[float, LoginRefusedError]] = {}


class OutboxPoll:
    """
    The shared poll of one connection; begins by itself and ends when nobody waits any more.

    :param fields: the connection.
    :param ended: called, once, when nobody may join any more.
    """

    def __init__(self, fields: ConnectionFields, ended: Callable[[], object]) -> None:
        self._fields = fields
        self._digest = fields.digest
        self._ended = ended
        self._is_joinable = True
        self._waits: set[Wait] = set()
        self._changed = asyncio.Event()
        self._unseen = False
        self._begun = self._rested = self._next = float("-inf")
        self._earliest_deadline = float("inf")
        self._failures = 0
        self._last_failure: IcsFtpsError | None = None
        self._client: GatewayClient | None = None
        self._working: asyncio.Future[Any] | None = None
        self._threads = _THREADS.enter()
        # in a context of its own, so that what it logs is not taken for the first wait's
        self._task = asyncio.get_running_loop().create_task(self._run(), context=contextvars.Context())
        self._task.add_done_callback(lambda _: _THREADS.leave())

    def join(self, wait: Wait) -> None:
        """
        Begin to wait; a look that begins after this is the first that counts.

        :param wait: the wait.
        """
        self._waits.add(wait)
        self._unseen = True
        self._earliest_deadline = min(self._earliest_deadline, wait.deadline)
        if self._last_failure is None:  # while the gateway is away, nobody's hurry shortens the pause
            self._next = min(self._next, max(self._begun + min(_SPACING, wait.interval), self._rested))
        self._changed.set()

    def leave(self, wait: Wait) -> None:
        """
        End a wait; the last one ends the poll.

        :param wait: the wait.
        """
        self._waits.discard(wait)
        if not self._waits:
            self._changed.set()

    # ------------------------------------------------------------ when

    async def _run(self) -> None:
        try:
            while self._waits:
                await self._until_due()
                if self._last_failure is not None and time.monotonic() < self._next:
                    await self._tell(self._over(self._last_failure))
                elif self._waits:
                    await self._look()
        except Exception as unforeseen:  # an end without a word would leave the waits hanging
            await self._end(Ended(unforeseen))
        finally:
            self._close_door()
            await self._close()

    async def _until_due(self) -> None:
        """Wait until the next look is due, a wait ends while the gateway is away, or nobody waits any more."""
        self._earliest_deadline = min((wait.deadline for wait in self._waits), default=float("inf"))
        while self._waits:
            due = self._next if self._last_failure is None else min(self._next, self._earliest_deadline)
            left = due - time.monotonic()
            if left <= 0:
                return
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

    def _plan(self) -> None:
        """Set the time of the next look after one that went well."""
        now = time.monotonic()
        shortest = min((wait.interval for wait in self._waits), default=0.0)
        earliest = min((wait.deadline for wait in self._waits), default=float("inf"))
        # half of the time at the most, if listing takes long
        self._rested = now + min(shortest, now - self._begun)
        regular = max(self._begun + shortest, self._rested)
        hurried = max(self._begun + min(_SPACING, shortest), self._rested, float("-inf") if self._unseen else earliest)
        self._next = min(regular, hurried)

    # ------------------------------------------------------------ one look

    async def _look(self) -> None:
        """Look once, and tell everybody what it means."""
        if self._client is not None and not self._client.is_open and await self._edited():
            return await self._end(Moved())
        refused = _REFUSALS.get(self._digest)
        if refused is not None and time.monotonic() - refused[0] < _REFUSAL_LASTS:
            return await self._end(Ended(refused[1]))
        self._begun = time.monotonic()
        self._unseen = False
        waits = list(self._waits)
        try:
            found = await self._threaded(self._find, waits)
        except IcsFtpsError as error:
            return await self._failed(error)
        messages = dict[Wait, Message](self._back()) | dict(self._over(None, waits)) | found
        self._failures, self._last_failure = 0, None
        await self._tell(messages.items())
        self._plan()
        return None

    def _find(self, waits: Sequence[Wait]) -> dict[Wait, Message]:
        """List the outbox, and find out for whom there is something in it; runs in a thread."""
        if self._client is None:
            # here, in the thread: the import would hold the event loop up, and so would reading the certificate
            from airflow_provider_icsftps.gateway import GatewayClient
            from airflow_provider_icsftps.hooks._connection import to_settings

            self._client = GatewayClient(to_settings(self._fields))
        names = self._client.outbox_names()
        if all(wait.interval > _LONGEST_IDLE for wait in waits):
            self._client.close()
        messages: dict[Wait, Message] = {}
        for wait in waits:
            try:
                if found := wait.found(names):
                    messages[wait] = Found(found)
            except Exception as error:  # whatever is wrong with one wait must not end the others
                messages[wait] = Ended(error)
        return messages

    async def _failed(self, error: IcsFtpsError) -> None:
        if not error.retryable:
            if await self._edited():  # a session that was cut is opened in the same look, by the values of before
                return await self._end(Moved())
            if isinstance(error, LoginRefusedError):
                _remember_refusal(self._digest, error)
            return await self._end(Ended(error))
        pause = growing_pause(self._failures, _FIRST_PAUSE, _LONGEST_PAUSE)
        self._failures += 1
        self._last_failure = error
        self._next = time.monotonic() + pause
        remark = Remark(f"Look {self._failures} in a row that failed, the next in {pause:.0f} s: {error}")
        rarely = self._failures & (self._failures - 1) == 0  # the 1st, 2nd, 4th, 8th ...
        told = {wait: remark for wait in self._waits if rarely or not wait.knows_of_failure}
        for wait in told:
            wait.knows_of_failure = True
        await self._tell((dict[Wait, Message](told) | dict(self._over(error))).items())
        return None

    async def _edited(self) -> bool:
        """Say whether the connection, or a file that it names, is another one now."""
        try:
            fields = await aread_fields(self._fields.conn_id)
            return fields.digest != self._digest or await self._threaded(self._files_differ)
        except Exception as error:  # who keeps the connections may be away, too; what was read before still holds
            log.warning("Connection %s cannot be read anew: %s", self._fields.conn_id, error)
            return False

    def _files_differ(self) -> bool:
        """Say whether a file holds another certificate than the one that is used; runs in a thread."""
        if self._client is None or not any(key.endswith("_file") for key in self._fields.extra):
            return False
        from airflow_provider_icsftps.hooks._connection import to_settings

        now, used = to_settings(self._fields), self._client.settings
        return (now.certificate.certificate, now.certificate.chain, now.ca_pem) != (
            used.certificate.certificate,
            used.certificate.chain,
            used.ca_pem,
        )

    # ------------------------------------------------------------ telling

    def _over(self, error: IcsFtpsError | None, waits: Iterable[Wait] | None = None) -> list[tuple[Wait, Message]]:
        """Return the ends of those whose time was up when the last look began, or, after a failure, is up now."""
        moment = self._begun if error is None else time.monotonic()
        waiting = self._waits if waits is None else waits
        return [(wait, Ended(error)) for wait in waiting if wait.deadline <= moment]

    def _back(self) -> list[tuple[Wait, Message]]:
        """Return good news for those who know of failures."""
        knowing = [wait for wait in self._waits if wait.knows_of_failure]
        for wait in knowing:
            wait.knows_of_failure = False
        return [(wait, Remark(f"The outbox was listed, after {self._failures} failures")) for wait in knowing]

    async def _tell(self, messages: Iterable[tuple[Wait, Message]]) -> None:
        for number, (wait, message) in enumerate(list(messages), 1):
            if isinstance(message, Ended | Moved):
                self._waits.discard(wait)
            wait.tell(message)
            if number % _TURN == 0:
                await asyncio.sleep(0)

    async def _end(self, message: Ended | Moved) -> None:
        self._close_door()
        await self._tell([(wait, message) for wait in self._waits])

    # ------------------------------------------------------------ ending

    def _close_door(self) -> None:
        if self._is_joinable:
            self._is_joinable = False
            self._ended()

    async def _close(self) -> None:
        await self._thread_has_ended()
        if self._client is not None:
            self._working = asyncio.get_running_loop().run_in_executor(self._threads, self._client.close)
            await self._thread_has_ended()

    async def _thread_has_ended(self) -> None:
        """Wait for what is under way in a thread: cancelling does not end it, and every socket there has its limit."""
        cancelled = None
        while self._working is not None and not self._working.done():
            try:
                await asyncio.wait([self._working])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def _threaded(self, work: Callable[..., T], *arguments: object) -> T:
        working = self._working = asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        return await asyncio.shield(working)


def _remember_refusal(digest: str, error: LoginRefusedError) -> None:
    now = time.monotonic()
    for known in [known for known, (moment, _) in _REFUSALS.items() if now - moment > _REFUSAL_LASTS]:
        del _REFUSALS[known]
    _REFUSALS[digest] = now, error


def forget_refusal(fields: ConnectionFields) -> None:
    """
    Let a refused login be tried again: what it depends on was changed where the fields do not show it.

    :param fields: the connection; the file that it names holds another certificate now.
    """
    _REFUSALS.pop(fields.digest, None)
