"""
One client in a process of its own, which does a piece of work when it is told to, and says what that cost.

``python transfer_worker.py CLIENT FOLDER``: a :class:`Work` as JSON on a line in, :class:`Cost` on a line out.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from transfer_clients import Door, FtpsHook, Ours, Pycurl
from transfer_programs import Curl, Lftp, Program

#: Bytes of memory before the first connection.
_resident = 0
CLIENTS = {"ours": Ours, "pycurl": Pycurl, "lftp": Lftp, "FTPSHook": FtpsHook, "curl": Curl}


@dataclass(frozen=True)
class Work:
    """
    What to do.

    :param kind: ``login``, ``upload``, ``download``, ``names``, ``facts`` or ``fleet`` (uploads over several sessions).
    :param count: of files, or logins.
    :param size: bytes of each file.
    :param sessions: of a fleet.
    :param command: for names.
    :param pause: seconds before each login; proftpd needs some after a session has ended until it takes the next.
    """

    kind: str
    count: int = 1
    size: int = 0
    sessions: int = 1
    command: str = ""
    pause: float = 0.0


@dataclass(frozen=True)
class Cost:
    """
    What one file, login or listing cost.

    :param wall: seconds.
    :param cpu: seconds of the client's processor time.
    :param peak: bytes of resident memory at the most; not of a program.
    :param extra: those beyond what was resident before the first connection.
    :param data_connections: that were made, if the client tells.
    :param resumed: those of them that resumed the TLS session.
    :param whole: seconds of all with the logins, for a fleet.
    :param fastest: seconds of the fastest file, of a client that is told of one after the other.
    """

    wall: float
    cpu: float
    peak: int = 0
    extra: int = 0
    data_connections: int = 0
    resumed: int = 0
    whole: float = 0.0
    fastest: float = 0.0


class Worker(AbstractContextManager["Worker"]):
    """
    The process, from outside.

    :param client: one of :data:`CLIENTS`.
    :param folder: the server's credentials.
    """

    def __init__(self, client: str, folder: Path) -> None:
        self.client = client
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, client, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"},  # FTPSHook logs two lines for each file
        )

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def do(self, work: Work) -> Cost:
        """Let it do some work; raises RuntimeError when it fails."""
        self._process.stdin.write(json.dumps(asdict(work)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else "it has ended"
        if isinstance(answer, dict):
            return Cost(**answer)
        raise RuntimeError(f"{self.client}: {work.kind}: {answer}")


def perform(client: Ours | Pycurl | FtpsHook | Program, work: Work) -> Cost:
    """
    Do it here.

    :param client: with which client.
    :param work: what.
    """
    with TemporaryDirectory(prefix="icsftps-transfer-") as folder:
        here = Path(folder)
        if work.kind == "login":
            return _logins(client, work)
        if work.kind in {"upload", "fleet"}:
            tag = uuid.uuid4().hex  # no name is used twice
            sent = [(here / f"{tag}_{number:05d}.xml", f"{tag}_{number:05d}.xml") for number in range(work.count)]
            for path, _ in sent:
                path.write_bytes(bytes(work.size))
        if work.kind == "fleet":
            before = _cpu()
            each, whole = client.upload_by_fleet(sent, work.sessions)
            return Cost(each, (_cpu() - before) / work.count, whole=whole)
        if work.kind == "upload":
            steps: list[Callable[[], object]] = [partial(client.upload, [each]) for each in sent]
        elif work.kind == "download":
            steps = [partial(client.download, [each], work.size) for each in _wanted(work, here)]
        else:
            steps = [partial(client.names, work.command) if work.kind == "names" else client.facts]
        time.sleep(work.pause)
        started = _measured([client.connect])
        if isinstance(client, Program):
            time.sleep(work.pause)
            cost = _measured([partial(client.batch, steps)])  # it logs in again
            cost = Cost(cost.wall - started.wall, cost.cpu - started.cpu)
        else:
            if work.kind in {"names", "facts"}:
                steps[0]()  # a session that lists again knows by then which commands the server has
            cost = _measured(steps)
        if isinstance(client, Ours):
            connections, resumed = client.resumed()
            cost = replace(cost, data_connections=connections, resumed=resumed)
        client.close()
        if work.kind == "download":
            _check(work, here)
    each = work.count if work.kind in {"upload", "download"} else 1
    return replace(cost, wall=cost.wall / each, cpu=cost.cpu / each)


def _logins(client: Ours | Pycurl | FtpsHook | Program, work: Work) -> Cost:
    costs = []
    for _ in range(work.count):
        time.sleep(work.pause)
        costs.append(_measured([client.connect]))
        client.close()
    return Cost(statistics.median(cost.wall for cost in costs), statistics.median(cost.cpu for cost in costs))


def _wanted(work: Work, here: Path) -> list[tuple[str, Path]]:
    names = [file_name(work.size, number) for number in range(work.count)]
    return [(name, here / name) for name in names]


def file_name(size: int, number: int) -> str:
    """Name of a file that lies in the outbox."""
    return f"sized_{size}_{number:05d}.xml"


def _check(work: Work, here: Path) -> None:
    for _, path in _wanted(work, here):
        if path.stat().st_size != work.size:
            raise RuntimeError(f"{path.name} has {path.stat().st_size} bytes")


def _measured(steps: Sequence[Callable[[], object]]) -> Cost:
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now on
    cpu, begun = _cpu(), time.perf_counter()
    moments = [begun]
    for step in steps:
        step()
        moments.append(time.perf_counter())
    wall, cpu, peak = moments[-1] - begun, _cpu() - cpu, _memory("VmHWM")
    fastest = min(after - before for before, after in pairwise(moments))
    return Cost(wall, cpu, peak, peak - _resident, fastest=fastest)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _memory(which: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(which))


def _serve(name: str, folder: str) -> None:
    global _resident
    logging.disable(logging.WARNING)  # of certificates that end soon
    client = CLIENTS[name](Door(Path(folder)))
    _resident = _memory("VmRSS")
    answers = sys.stdout
    sys.stdout = sys.stderr  # Airflow logs there
    for line in sys.stdin:
        try:
            answer: object = asdict(perform(client, Work(**json.loads(line))))
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(*sys.argv[1:])
