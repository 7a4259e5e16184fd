"""
Triggers: wait for files in the outbox without a worker.

They only look. Reading status files, fetching and deleting is a worker's business: a trigger may run twice, or move
to another triggerer in the middle.

What ends a task's wait is a flat dictionary with the same keys: ``status`` (``ready``, ``timeout`` or ``error``),
``names`` (what was found), ``deadline``, ``read``, ``submissions`` and ``until`` (as given, empty where a trigger has
none), and for ``error`` what :meth:`IcsFtpsError.to_data` says. A watcher's events have keys of their own.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway.goal import Goal, Sight, observe
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames, as_text, check_text
from airflow_provider_icsftps.gateway.submission import Submission
from airflow_provider_icsftps.triggers._lookout import listings
from airflow_provider_icsftps.triggers._outbox import outbox_finds

#: The trigger ends itself at its deadline; Airflow's own time limit is for one that cannot.
GRACE = timedelta(minutes=2)

_LONGEST_SILENCE = 6 * 3600.0
_NAMES_IN_EVENT = 20


def names_of(event: dict[str, Any]) -> list[str] | None:
    """
    Return what a trigger found.

    :param event: a trigger's event.
    :return: names in the outbox; ``None`` when the time was up.
    :raises IcsFtpsError: what ended the wait.
    """
    if event["status"] == "error":
        raise IcsFtpsError.from_data(event)
    return None if event["status"] == "timeout" else list(event["names"])


class _OutboxTrigger(BaseTrigger):
    """
    Look into the outbox until something is found, the time is up, or the gateway says no.

    :param icsftps_conn_id: id of the Airflow connection.
    :param deadline: ISO 8601 with zone; when the wait has lasted long enough.
    :param poke_interval: seconds between two looks.
    """

    def __init__(self, *, icsftps_conn_id: str, deadline: str, poke_interval: float = 60.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.icsftps_conn_id = icsftps_conn_id
        self.deadline = deadline
        self.poke_interval = poke_interval

    @abstractmethod
    def _found(self, names: OutboxNames) -> list[str]:
        """Return what of a listing ends the wait; nothing goes on waiting. Runs in a thread, so it only computes."""

    def _arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "icsftps_conn_id": self.icsftps_conn_id,
            "deadline": self.deadline,
            "poke_interval": self.poke_interval,
        }

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments, as the triggerer keeps them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", self._arguments()

    def _event(self, status: str, names: Sequence[str] = (), error: IcsFtpsError | None = None) -> TriggerEvent:
        """Return an event; its keys are the same for all."""
        said = error.to_data() if error else {"error": None, "message": None, "details": {}}
        given: dict[str, Any] = {"deadline": self.deadline, "read": [], "submissions": [], "until": None}
        payload = {"status": status, "names": list(names)} | given | said
        return TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is an event, and yield that one."""
        deadline = datetime.fromisoformat(self.deadline)
        try:
            finds = outbox_finds(
                self.icsftps_conn_id,
                self._found,
                poke_interval=self.poke_interval,
                deadline=deadline,
                warn=self.log.warning,
            )
            async with aclosing(finds):
                async for names in finds:
                    yield self._event("ready", names)
                    return
        except IcsFtpsError as error:
            yield self._event("error", error=error)
            return
        yield self._event("timeout")


class IcsFtpsResponseTrigger(_OutboxTrigger):
    """
    Wait until all of some submissions are where the wait wants them, or one has a digit-0 file to be read.

    :param submissions: what uploads returned.
    :param until: ``delivered``, ``accepted`` or ``response``.
    :param read: status files that a worker has read and that end no wait.
    :param icsftps_conn_id: id of the Airflow connection.
    :param deadline: ISO 8601 with zone; when the wait has lasted long enough.
    :param poke_interval: seconds between two looks.
    """

    def __init__(
        self, *, submissions: list[dict[str, Any]], until: str, read: list[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.submissions = submissions
        self.until = until
        self.read = read or []

    def _arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        mine = {"submissions": self.submissions, "until": self.until, "read": self.read}
        return super()._arguments() | mine

    def _event(self, status: str, names: Sequence[str] = (), error: IcsFtpsError | None = None) -> TriggerEvent:
        """Return an event that carries what the wait was for, because the task goes on in a new process."""
        event = super()._event(status, names, error)
        event.payload |= {"read": self.read, "submissions": self.submissions, "until": self.until}
        return event

    def _found(self, names: OutboxNames) -> list[str]:
        """Return the status files of all submissions when there is something for a worker to do."""
        goal, read = Goal(self.until), frozenset(self.read)
        seen = [observe(names, Submission.from_data(data), goal, read) for data in self.submissions]
        sights = {observation.sight for observation in seen}
        if Sight.EXAMINE in sights or sights == {Sight.REACHED}:
            return [name for observation in seen for name in observation.status_files]
        return []


class IcsFtpsOutboxTrigger(_OutboxTrigger):
    """
    Wait until a file that matches a pattern lies in the outbox.

    :param pattern: a glob pattern for file names, such as ``Manifest_*.xml``; upper and lower case differ.
    :param icsftps_conn_id: id of the Airflow connection.
    :param deadline: ISO 8601 with zone; when the wait has lasted long enough.
    :param poke_interval: seconds between two looks.
    """

    def __init__(self, *, pattern: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = pattern

    def _arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return super()._arguments() | {"pattern": self.pattern}

    def _found(self, names: OutboxNames) -> list[str]:
        """Return the names that match."""
        return check_text(names.matching(self.pattern))


class IcsFtpsOutboxEventTrigger(BaseEventTrigger):
    """
    Ring when files that match a pattern have come to the outbox; for an ``AssetWatcher``.

    A doorbell, no queue: an event says that there is work, and the DAG that it wakes looks into the outbox for
    itself. There is one event for each look that finds names which the look before did not have, however many. While
    names that match go on lying there the bell rings again, after ``ring_again`` seconds and then after twice as long
    each time, at most six hours: an event may get lost, and a run may fail.

    It starts with empty hands: after a pause of the DAG or a restart of the triggerer the first look rings for
    whatever lies there. It never ends. A gateway that is away is tried again with longer and longer pauses; a login
    that was refused is not repeated until the connection is changed. Both are told in the triggerer's log.

    All watchers and waits on one connection share one session and its listings; on Airflow 3.3 watchers with the same
    interval share the whole of their looks.

    Events are flat dictionaries: ``names`` (which are new, at most 20 of them), ``new`` (how many), ``waiting`` (how
    many match in all).

    :param pattern: a glob pattern for file names, such as ``Manifest_*.xml``; upper and lower case differ.
    :param icsftps_conn_id: id of the Airflow connection.
    :param poke_interval: seconds between two looks.
    :param ring_again: seconds after which the bell first rings again while files are waiting.
    """

    def __init__(
        self,
        *,
        pattern: str,
        icsftps_conn_id: str = "icsftps_default",
        poke_interval: float = 60.0,
        ring_again: float = 300.0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pattern = pattern
        self.icsftps_conn_id = icsftps_conn_id
        self.poke_interval = poke_interval
        self.ring_again = ring_again

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return class path and arguments, as the triggerer keeps them."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {
            "pattern": self.pattern,
            "icsftps_conn_id": self.icsftps_conn_id,
            "poke_interval": self.poke_interval,
            "ring_again": self.ring_again,
        }

    def shared_stream_key(self) -> Hashable:
        """Return what watchers must have in common to share their looks."""
        return "icsftps", self.icsftps_conn_id, self.poke_interval

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncGenerator[OutboxNames]:
        """
        Yield what the outbox holds, once an interval, for ever.

        :param kwargs: arguments of any one of the watchers that share it.
        """
        async with aclosing(listings(kwargs["icsftps_conn_id"], kwargs["poke_interval"])) as looks:
            async for names in looks:
                yield names

    async def filter_shared_stream(self, shared_stream: AsyncIterator[OutboxNames]) -> AsyncIterator[TriggerEvent]:
        """
        Ring for what is new in the listings and matches, and again for what stays.

        :param shared_stream: what :meth:`open_shared_stream` yields.
        """
        before: frozenset[str] = frozenset()
        rung, silence = 0.0, self.ring_again
        async for names in shared_stream:
            there = frozenset(names.matching(self.pattern))
            new, before = there - before, there
            if new:
                silence = self.ring_again
            elif there and time.monotonic() - rung >= silence:
                silence = min(2 * silence, max(_LONGEST_SILENCE, self.ring_again))
            else:
                continue
            rung = time.monotonic()
            # an event that cannot be told as UTF-8 would end the whole triggerer
            told = [as_text(name) for name in sorted(new)[:_NAMES_IN_EVENT]]
            payload = {"names": told, "new": len(new), "waiting": len(there)}
            yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Do both alone: where Airflow shares no streams."""
        async with aclosing(self.open_shared_stream(self.serialize()[1])) as looks:
            async for event in self.filter_shared_stream(looks):
                yield event
