"""One case: waits in one process, a gateway in another, and what the two tell."""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from waiting_peer import ConnectingTrigger
from waiting_servers import CountingServer, Counts, lay
from waiting_triggerer import Figures, IdleTrigger, Memory, Triggerer, arguments_of_wait, memory_of_one

from airflow_provider_icsftps.gateway import upload_name
from airflow_provider_icsftps.gateway.outbox_names import status_file_name
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsResponseTrigger

#: This package's trigger, the usual pattern, and what Airflow itself costs.
KINDS = {"shared": IcsFtpsResponseTrigger, "each": ConnectingTrigger, "idle": IdleTrigger}


@dataclass(frozen=True)
class Case:
    """
    What is measured.

    :param pattern: ``shared`` (this package), ``each`` (a connection for each wait and look) or ``idle`` (triggers
        that do nothing).
    :param waits: how many.
    :param files: in ``/out`` when it begins: digits 1 and 2, first those of the waits.
    :param answers: digit-3 files that arrive, spread over one interval.
    :param burst: digit-3 files that arrive at once, after those.
    """

    pattern: str
    waits: int
    files: int
    answers: int = 0
    burst: int = 0


@dataclass(frozen=True)
class Result:
    """
    What came out. Times in seconds, memory in bytes.

    :param server: name of the gateway.
    :param case: what was measured.
    :param interval: seconds between two looks.
    :param intervals: how many were watched while nothing arrived.
    :param connections: that the gateway saw: for ``shared`` since the first wait, for ``each`` in those intervals.
    :param listings: that the gateway answered in those intervals.
    :param cpu: of the processor, in one interval.
    :param delay_median: from the appearing of a digit-3 file to the event.
    :param delay_p99: the same, at the 99th percentile.
    :param answered: events that came.
    :param lag: longest delay of the event loop, from the last trigger's start to the last event.
    :param held: longest time of the processor that the event loop's thread used between two beats meanwhile.
    :param idle_lag: longest delay of an event loop that had nothing to do, in another process meanwhile.
    :param start: until all triggers had been started.
    :param start_lag: longest delay of the event loop in that time.
    :param peak: resident memory of the whole process, at the most.
    """

    server: str
    case: Case
    interval: float
    intervals: float
    connections: int
    listings: int
    cpu: float
    delay_median: float
    delay_p99: float
    answered: int
    lag: float
    held: float
    idle_lag: float
    start: float
    start_lag: float
    peak: int

    @property
    def looks_taken(self) -> float:
        """The part of the looks that were due and were taken."""
        due = 1 if self.case.pattern == "shared" else self.case.waits
        return self.listings / self.intervals / due


@dataclass
class Watch:
    """A process and a gateway that are watched together."""

    server: CountingServer
    process: Triggerer
    interval: float
    told: list[Figures] = field(default_factory=list)

    def figures(self) -> Figures:
        """Ask the process, and keep what it says."""
        self.told.append(self.process.figures())
        return self.told[-1]

    def wait_for_start(self, waits: int) -> None:
        """Wait until all triggers have been started."""
        while self.figures().started < waits:
            time.sleep(0.05)

    def wait_for_listings(self, count: int) -> Counts:
        """Wait until the gateway has answered so many listings more; return its counts then."""
        wanted = self.server.counts().listings + count
        patience = time.monotonic() + 10 * count * (self.interval + 5)
        while (counts := self.server.counts()).listings < wanted:
            if time.monotonic() > patience:
                raise RuntimeError(f"{self.server.name} was asked for no listing for a long time")
            time.sleep(0.02)
        return counts

    def delays(self, names: Sequence[str], seconds: float) -> list[float]:
        """Lay files, evenly over some seconds; return how long after each its event came, if within ten intervals."""
        seen = len(self.told)
        laid: dict[str, float] = {}
        moment = time.monotonic()
        for number, name in enumerate(names):
            time.sleep(max(0.0, moment + seconds * number / len(names) - time.monotonic()))
            laid[name] = time.monotonic()
            lay(self.server.outbox, [name])
        patience = time.monotonic() + 10 * self.interval
        came: dict[str, float] = {}
        while len(came) < len(laid) and time.monotonic() < patience:
            time.sleep(0.1)
            self.figures()
            came = {name: at for each in self.told[seen:] for name, at in each.events}
        return [at - laid[name] for name, at in came.items()]


def measure(server: CountingServer, case: Case, interval: float, intervals: int) -> Result:
    """
    Measure a case.

    :param server: where.
    :param case: what.
    :param interval: seconds between two looks.
    :param intervals: how many are watched while nothing arrives.
    """
    os.environ["AIRFLOW_CONN_ICSFTPS_DEFAULT"] = json.dumps(server.connection)
    uploads = _uploads(max(case.waits, (case.files + 1) // 2))
    arguments = [arguments_of_wait(name, interval) for name in uploads[: case.waits]]
    draw = random.Random(case.waits).sample(uploads[: case.waits], case.answers + case.burst)
    answers = [status_file_name("Manifest", name, 3) for name in draw]
    shared = case.pattern == "shared"
    with _emptied(server.outbox), Triggerer(IdleTrigger, []) as idle:
        lay(server.outbox, (status_file_name("Manifest", uploads[n // 2], 1 + n % 2) for n in range(case.files)))
        at_first = server.counts()
        begun = time.monotonic()
        with Triggerer(KINDS[case.pattern], arguments) as process:
            watch = Watch(server, process, interval)
            watch.wait_for_start(case.waits)
            start, start_lag = time.monotonic() - begun, max(each.lag for each in watch.told)
            watch.told.clear()
            idle.figures()
            if shared:
                before = watch.wait_for_listings(2)
            else:
                time.sleep(2 * interval)
                before = server.counts()
            first, begun = watch.figures(), time.monotonic()
            if shared:
                after = watch.wait_for_listings(intervals)
            else:
                time.sleep(intervals * interval)
                after = server.counts()
            last, watched = watch.figures(), (time.monotonic() - begun) / interval
            delays = watch.delays(answers[: case.answers], interval) + watch.delays(answers[case.answers :], 0)
            idle_lag = idle.figures().lag
            peak = watch.figures().peak
    return Result(
        server=server.name,
        case=case,
        interval=interval,
        intervals=watched,
        connections=after.connections - (at_first if shared else before).connections,
        listings=after.listings - before.listings,
        cpu=(last.cpu - first.cpu) / watched,
        delay_median=statistics.median(delays) if delays else float("nan"),
        delay_p99=sorted(delays)[int(0.99 * (len(delays) - 1))] if delays else float("nan"),
        answered=len(delays),
        lag=max(each.lag for each in watch.told),
        held=max(each.held for each in watch.told),
        idle_lag=idle_lag,
        start=start,
        start_lag=start_lag,
        peak=peak,
    )


def memory(server: CountingServer, waits: int) -> tuple[Memory, Memory]:
    """
    Measure what one of many waits takes in memory, and what a trigger takes that does nothing.

    :param server: where.
    :param waits: how many.
    """
    os.environ["AIRFLOW_CONN_ICSFTPS_DEFAULT"] = json.dumps(server.connection)
    arguments = [arguments_of_wait(name, 2.0) for name in _uploads(waits)]
    return memory_of_one(IcsFtpsResponseTrigger, arguments, 5.0), memory_of_one(IdleTrigger, arguments, 0.5)


def _uploads(count: int) -> list[str]:
    hashes = (hashlib.sha256(str(number).encode()).hexdigest() for number in range(count))
    return [
        upload_name(f"departure_2026_{number:05}.xml", "manifests/file/scheduled__2026-11-25", "Manifest", sha256)
        for number, sha256 in enumerate(hashes)
    ]


@contextmanager
def _emptied(outbox: Path) -> Iterator[None]:
    try:
        yield
    finally:
        for path in outbox.iterdir():
            path.unlink()
