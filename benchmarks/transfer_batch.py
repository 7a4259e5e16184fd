"""Many files in real Airflow: one task of this package against a mapped task for each with FTPSFileTransmitOperator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transfer_clients import Door
from transfer_servers import BenchProftpd, ThrowawayPki

from airflow_provider_icsftps.cli.airflow_home import environment

DAGS = Path(__file__).parent / "dags"
#: Mapped tasks take long, one like the other: fewer are run, and their time is scaled.
FILES, MAPPED = 1000, 40
_SIZE = 20_000


@dataclass(frozen=True)
class Batch:
    """
    Seconds of ``dag.test()``.

    :param files: of our one task.
    :param seconds: that it took.
    :param mapped: tasks of the other.
    :param mapped_seconds: that they took.
    """

    files: int
    seconds: float
    mapped: int
    mapped_seconds: float

    @property
    def ratio(self) -> float:
        """How many times as long the mapped tasks take, each for one file."""
        return (self.mapped_seconds / self.mapped) / (self.seconds / self.files)

    def text(self) -> str:
        """Say it in a line."""
        return (
            f"dag.test() at proftpd, loopback: {self.files} files in one task {self.seconds:.1f} s, "
            f"{self.mapped} mapped tasks {self.mapped_seconds:.1f} s: {self.ratio:.0f} times as long for each file"
        )


def compare_batch(pki: ThrowawayPki, tell: Callable[[str], object]) -> Batch:
    """
    Run both DAGs at proftpd.

    :param pki: for its certificates.
    :param tell: is told how far it is.
    """
    with BenchProftpd(pki) as server:
        seconds = _test("benchmark_one_task", server, FILES)
        tell(f"{server.name}, {FILES} files in one task: done")
        mapped_seconds = _test("benchmark_mapped_tasks", server, MAPPED)
        tell(f"{server.name}, {MAPPED} mapped tasks: done")
    return Batch(FILES, seconds, MAPPED, mapped_seconds)


def _test(dag_id: str, server: BenchProftpd, count: int) -> float:
    with tempfile.TemporaryDirectory(prefix="icsftps-batch-") as folder:
        home, files = Path(folder) / "airflow", Path(folder) / "files"
        files.mkdir()
        for number in range(count):
            content = f"{dag_id} {number}".encode()
            (files / f"{dag_id}_{number:04d}.xml").write_bytes(content.ljust(_SIZE))
        connection = Door(server.credentials).connection
        variables = environment(home, connection) | {
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "AIRFLOW_CONN_BENCHMARK_FTPS": json.dumps({**connection, "conn_type": "ftps", "extra": {}}),
            "BENCHMARK_CREDENTIALS": str(server.credentials),
            "BENCHMARK_FILES": str(files),
        }
        done = subprocess.run(
            [sys.executable, __file__, dag_id], env=variables, capture_output=True, text=True, timeout=500, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{dag_id} failed: {done.stderr[-2000:]}")
        arrived = len(list((server.root / "Manifest").glob(f"{dag_id}_*.xml")))
        if arrived != count:
            raise RuntimeError(f"{dag_id}: {arrived} of {count} files arrived")
        return float(done.stdout.splitlines()[-1])


def _run(dag_id: str) -> None:
    """Make a database, run a DAG, write how many seconds it took."""
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag()
    if dag_id not in bag.dags:
        raise SystemExit(f"No DAG {dag_id}: {bag.import_errors}")
    begun = time.perf_counter()
    run = bag.dags[dag_id].test()
    seconds = time.perf_counter() - begun
    if str(run.state) != "success":
        raise SystemExit(f"{dag_id}: {run.state}")
    print(seconds)
    sys.stdout.flush()
    os._exit(0)  # Airflow's threads need not be waited for


if __name__ == "__main__":
    _run(sys.argv[1])
