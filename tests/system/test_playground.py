"""The playground: api-server, scheduler, dag-processor, triggerer; the example DAG deferred in the real triggerer."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from airflow_api import Api, until

ICSFTPS = [sys.executable, "-c", "from airflow_provider_icsftps.cli import main; main()"]


@pytest.fixture
def api(tmp_path) -> Iterator[Api]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [*ICSFTPS, "playground", "--home", str(tmp_path), "--port", str(port), "--seconds", "500"],
        stdout=subprocess.DEVNULL,
    )
    try:
        api = Api(port)
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        until(
            lambda: all(
                part["status"] == "healthy"
                for name, part in api.call("GET", "/api/v2/monitor/health").items()
                if name in parts
            ),
            200,
        )
        api.token = api.call("GET", "/auth/token")["access_token"]
        yield api
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0


@pytest.mark.timeout(600)
def test_the_example_runs_with_scheduler_and_triggerer(api, tmp_path):
    dag = "/api/v2/dags/manifest_submission"
    until(lambda: api.call("GET", dag), 60)
    conf = {"target": str(tmp_path / "responses")}
    run = api.call("POST", f"{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
    instances = f"{dag}/dagRuns/{run}/taskInstances"

    def waits() -> list[dict[str, Any]]:
        listed = api.call("GET", instances)["task_instances"]
        return [ti for ti in listed if ti["task_id"] == "journey.wait" and ti["state"] == "deferred" and ti["trigger"]]

    assert until(waits, 120)
    until(lambda: api.call("GET", f"{dag}/dagRuns/{run}")["state"] in {"success", "failed"}, 180)
    states = sorted(
        (ti["task_id"], ti["state"]) for ti in api.call("GET", instances)["task_instances"] if ti["map_index"] >= 0
    )
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
