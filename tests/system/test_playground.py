"""The playground: api-server, scheduler, dag-processor, triggerer; the example DAG deferred in the real triggerer."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from airflow_api import Api, until
from processes import free_port

from airflow_provider_icsftps.cli import playground

#: As the command `icsftps`; but the response comes later than a slow machine's first look, which then defers.
LATER = """
from airflow_provider_icsftps.cli import main, playground

usual = playground.new_simulator
playground.new_simulator = lambda **given: usual(**given | {"delays": {1: 0, 2: 5, 3: 60}})
main()
"""


@pytest.fixture
def ground(tmp_path) -> Iterator[tuple[Api, psutil.Process]]:
    port = free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", LATER, "playground"),
            *("--directory", str(tmp_path), "--port", str(port), "--seconds", "900"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        api = Api(port)
        api.log_in("scheduler", "triggerer", "dag_processor", seconds=400)
        yield api, psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0


def listening(process: psutil.Process) -> set[int]:
    """The ports on which a process and all that it started listen."""
    found = set()
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            found |= {at.laddr.port for at in child.net_connections("inet") if at.status == psutil.CONN_LISTEN}
    return found


@pytest.mark.timeout(900)
def test_the_example_runs_with_scheduler_and_triggerer(ground, tmp_path):
    api, process = ground
    until(lambda: len(listening(process)) >= 3, 120)  # of the UI, of the logs of tasks and of those of triggers
    assert not listening(process) & {8793, 8794}, "another Airflow on this machine has these"
    run = api.trigger("manifest_submission", {"target": str(tmp_path / "responses")})
    waits = {"task_id": "journey.wait", "state": "deferred"}
    until(lambda: any(wait["trigger"] for wait in run.task_instances(**waits)), 200)
    until(lambda: run.state in {"success", "failed"}, 250)
    states = sorted((ti["task_id"], ti["state"]) for ti in run.task_instances() if ti["map_index"] >= 0)
    assert states == [
        ("journey.fetch", "success"),
        ("journey.fetch", "success"),
        ("journey.fetch", "upstream_failed"),
        ("journey.file", "success"),
        ("journey.file", "success"),
        ("journey.file", "success"),
        ("journey.wait", "failed"),
        ("journey.wait", "success"),
        ("journey.wait", "success"),
    ]
    assert len(list((tmp_path / "responses").iterdir())) == 2


def test_an_airflow_that_does_not_stop_is_killed_with_all_that_it_started(monkeypatch):
    monkeypatch.setattr(playground, "_SECONDS_TO_STOP", 0.2)
    script = """
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("started", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"started\n"
        (child,) = psutil.Process(process.pid).children()
        playground._end(process)
        _, alive = psutil.wait_procs([child], timeout=30)
        assert (process.returncode, alive) == (-signal.SIGKILL, [])
