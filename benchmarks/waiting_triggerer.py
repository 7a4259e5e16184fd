"""The measured process: triggers in one event loop, each in a task with a greenback portal, as Airflow's triggerer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import multiprocessing
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import greenback
from airflow.triggers.base import BaseTrigger, TriggerEvent

#: Seconds between two beats of a loop.
BEAT = 0.02
# it has one thread only, and Airflow is imported already
_FORK = multiprocessing.get_context("fork")


class IdleTrigger(BaseTrigger):
    """What a trigger takes that does nothing but wait; it is given the arguments of a real one."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        for name, value in arguments.items():
            setattr(self, name, value)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.Event().wait()
        yield TriggerEvent({})


class Figures(NamedTuple):
    """
    What the process tells about the time since it was last asked.

    :param cpu: seconds, all threads, since it began.
    :param lag: longest time by which a beat of the event loop was late, in seconds.
    :param held: longest time of the processor that the event loop's thread used between two beats, in seconds.
    :param events: last name of each event, and when it came, in the seconds of :func:`time.monotonic`.
    :param started: triggers that were started so far.
    :param resident: bytes of memory now.
    :param peak: bytes of memory, at the most so far.
    """

    cpu: float
    lag: float
    held: float
    events: list[tuple[str, float]]
    started: int
    resident: int
    peak: int


class Triggerer:
    """
    A process that runs triggers until the end of a ``with`` block.

    :param kind: class of the triggers.
    :param arguments: of each, in their serialised form.
    """

    def __init__(self, kind: type[BaseTrigger], arguments: list[dict[str, Any]]) -> None:
        self._channel, self._theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=self._serve, args=(kind, arguments))

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._channel.close()
        self._process.join(60)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def figures(self) -> Figures:
        """Ask for the figures since the last time."""
        self._channel.send(None)
        return self._channel.recv()

    def _serve(self, kind: type[BaseTrigger], arguments: list[dict[str, Any]]) -> None:
        self._channel.close()
        asyncio.run(_Loop(self._theirs, kind, arguments).run())


def arguments_of_wait(file_name: str, interval: float) -> dict[str, Any]:
    """What a sensor gives to its trigger."""
    submission = {
        "service": "Manifest",
        "file_name": file_name,
        "source": f"/data/manifests/{file_name.partition('-')[0]}.xml",
        "size": 12345,
        "sha256": file_name.encode().hex().ljust(64, "0")[:64],
        "username": "CVR_12345678_UI_1e2d3e45-a67e-491a-8234-1a2b345c6789",
        "fingerprint": "0" * 64,
        "transfer": "confirmed",
        "verdict": "send",
        "sent_at": "2026-11-25T12:00:00+00:00",
    }
    return {
        "icsftps_conn_id": "icsftps_default",
        "deadline": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "poke_interval": interval,
        "submissions": [submission],
        "until": "response",
        "read": [],
    }


class _Loop:
    def __init__(self, channel: Connection, kind: type[BaseTrigger], arguments: list[dict[str, Any]]) -> None:
        self._channel = channel
        self._kind = kind
        self._arguments = [json.dumps(each) for each in arguments]
        self._events: list[tuple[str, float]] = []
        self._lag = self._held = 0.0
        self._started = 0
        self._ended = asyncio.Event()

    async def run(self) -> None:
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._answer)
        beating = asyncio.create_task(self._beat())
        waits = set()
        for arguments in self._arguments:
            await asyncio.sleep(0)
            waits.add(asyncio.create_task(self._wait(self._kind(**json.loads(arguments)))))
            self._started += 1
        await self._ended.wait()
        for task in (beating, *waits):
            task.cancel()
        await asyncio.gather(beating, *waits, return_exceptions=True)

    async def _wait(self, trigger: BaseTrigger) -> None:
        await greenback.ensure_portal()
        async for event in trigger.run():
            self._events.append((event.payload["names"][-1], time.monotonic()))

    async def _beat(self) -> None:
        while True:
            begun, used = time.monotonic(), time.thread_time()
            await asyncio.sleep(BEAT)
            self._lag = max(self._lag, time.monotonic() - begun - BEAT)
            self._held = max(self._held, time.thread_time() - used)

    def _answer(self) -> None:
        try:
            self._channel.recv()
        except EOFError:
            asyncio.get_running_loop().remove_reader(self._channel.fileno())
            self._ended.set()
            return
        events, self._events = self._events, []
        memory = _memory()
        self._channel.send(
            Figures(
                time.process_time(),
                self._lag,
                self._held,
                events,
                self._started,
                memory["VmRSS"],
                memory["VmHWM"],
            )
        )
        self._lag = self._held = 0.0


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if words[0] in {"VmRSS:", "VmHWM:"}}


# ------------------------------------------------------------ memory


class Memory(NamedTuple):
    """Bytes that one trigger takes: by the process's resident memory, and as Python's allocator counts them."""

    resident: float
    allocated: float


def memory_of_one(kind: type[BaseTrigger], arguments: list[dict[str, Any]], settle: float) -> Memory:
    """
    Measure what one of many triggers takes; the first is not counted, it brings what all share.

    :param kind: class of the triggers.
    :param arguments: of each.
    :param settle: seconds from their start until they are measured.
    """
    resident, allocated = (_in_child(_grown, kind, arguments, settle, traced) for traced in (False, True))
    return Memory(resident, allocated)


def _in_child(measure: Callable[..., float], *arguments: Any) -> float:
    ours, theirs = _FORK.Pipe()
    process = _FORK.Process(target=lambda: theirs.send(measure(*arguments)))
    process.start()
    theirs.close()
    try:
        return ours.recv()
    finally:
        process.join(60)


def _grown(kind: type[BaseTrigger], arguments: list[dict[str, Any]], settle: float, traced: bool) -> float:
    async def wait(trigger: BaseTrigger) -> None:
        await greenback.ensure_portal()
        async for _ in trigger.run():
            pass

    async def measure() -> float:
        texts = [json.dumps(each) for each in arguments]
        waits: list[Any] = [None] * len(texts)
        waits[0] = asyncio.create_task(wait(kind(**json.loads(texts[0]))))
        await asyncio.sleep(settle)
        gc.collect()
        if traced:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0] if traced else _memory()["VmRSS"]
        for number in range(1, len(texts)):
            await asyncio.sleep(0)
            waits[number] = asyncio.create_task(wait(kind(**json.loads(texts[number]))))
        await asyncio.sleep(settle)
        gc.collect()
        after = tracemalloc.get_traced_memory()[0] if traced else _memory()["VmRSS"]
        tracemalloc.stop()
        for task in waits:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*waits, return_exceptions=True)
        return (after - before) / (len(texts) - 1)

    return asyncio.run(measure())
