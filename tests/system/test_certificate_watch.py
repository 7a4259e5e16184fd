"""The example DAG that watches certificates, run by Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta

import pytest

from airflow_provider_icsftps.cli.airflow_home import environment


@pytest.mark.timeout(550)
@pytest.mark.parametrize(("days", "watched", "to_renew"), [(40, "success", 1), (5, "failed", 0)])
def test_it_tells_what_to_renew_and_fails_when_that_is_urgent(simulator, tmp_path, days, watched, to_renew):
    client = simulator.client_certificate(validity=timedelta(days=days, minutes=10))
    result = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_icsftps.cli._run_dag", "certificate_watch", "{}", str(result)],
        env=environment(tmp_path, simulator.connection(client)),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    tasks = {task["task_id"]: task for task in json.loads(result.read_text())["tasks"]}
    assert tasks["watch"]["state"] == watched
    assert tasks["to_renew"]["state"] == "success", done.stdout[-3000:]
    assert len(tasks["to_renew"]["returned"]) == to_renew
    assert f"ends in {days} days" in done.stdout
    assert simulator.connections.accepted == 0
