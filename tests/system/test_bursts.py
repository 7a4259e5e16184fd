"""The example DAG behind the doorbell, in a real Airflow: a burst of responses whatever Airflow is doing meanwhile."""

from __future__ import annotations

import collections
import time
from pathlib import Path

import pytest
from airflow_api import until
from airflow_parts import Airflow

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "outbox_events.py"
DAG = "/api/v2/dags/outbox_events"
PARTS = ("paused", "running", "without_triggerer", "without_airflow")
EACH = 75
ALL = ("api-server", "scheduler", "dag-processor", "triggerer")
SERVE_LOGS = {"scheduler", "triggerer"}  # on ports of their own, which others on this machine may have


def configuration(dags: Path) -> dict[str, str]:
    """Quick to notice what changes and who has died."""
    return {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    }


def example(folder: Path, marks: Path) -> str:
    """The example with quicker looks and folders of its own; its work with a file is to leave a mark."""
    source = EXAMPLE.read_text()
    changes = {
        "/tmp/icsftps-outbox": str(folder),
        "pattern=PATTERN": "pattern=PATTERN, poke_interval=1",
        'logging.info("%s: %d bytes", path.name, path.stat().st_size)': f"open({str(marks)!r}, 'a').write("
        "f'{path.name} {path.stat().st_size}\\n')",
    }
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    return source


@pytest.mark.timeout(1800)
def test_three_hundred_responses_are_processed_once_each_whatever_airflow_does(simulator, tmp_path):
    marks = tmp_path / "marks"
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "outbox_events.py").write_text(example(tmp_path / "responses", marks))
    airflow = Airflow(tmp_path / "airflow", simulator.connection(), configuration(dags))
    running = {}
    began = time.monotonic()

    def start(*names: str) -> None:
        for name in names:
            running[name] = airflow.start(name, *(["--skip-serve-logs"] if name in SERVE_LOGS else []))

    def lay(part: str, seconds: float) -> None:
        for number in range(EACH):
            simulator.put_in_outbox(f"Manifest_{part}_{number:03}_response1.xml", b"<receipt/>" + b" " * number)
            time.sleep(seconds / EACH)

    def processed(part: str) -> int:
        return marks.read_text().count(f"Manifest_{part}_") if marks.exists() else 0

    def runs() -> list[dict]:
        return airflow.api.call("GET", f"{DAG}/dagRuns?limit=100")["dag_runs"]

    def at_rest() -> bool:
        waiting = any(name.startswith("Manifest_") for name in simulator.outbox())
        rung = airflow.api.call("GET", f"{DAG}/assets/queuedEvents")["total_entries"]  # no run was made for them yet
        return not waiting and not rung and {run["state"] for run in runs()} == {"success"}

    with airflow, airflow.explained():
        start(*ALL)
        airflow.api.log_in("scheduler", "triggerer", "dag_processor")
        until(lambda: airflow.api.call("GET", DAG)["is_paused"], 300)
        lay("paused", 0)
        airflow.api.call("PATCH", DAG, {"is_paused": False})
        until(lambda: any(run["state"] in {"running", "success"} for run in runs()), 300)
        lay("running", 8)
        until(lambda: processed("running") == EACH, 300)
        until(at_rest, 300)
        running["triggerer"].kill()
        lay("without_triggerer", 4)
        start("triggerer")
        until(lambda: processed("without_triggerer") == EACH, 300)
        until(at_rest, 300)
        for part in running.values():
            part.kill()
        lay("without_airflow", 1)
        start(*ALL)
        until(lambda: processed("without_airflow") == EACH, 300)
        until(at_rest, 300)
        events = airflow.api.call("GET", "/api/v2/assets/events?limit=100")["total_entries"]
        print(f"{len(runs())} runs, {events} events, {time.monotonic() - began:.0f} s")

    sizes = {f"Manifest_{part}_{number:03}_response1.xml": 10 + number for part in PARTS for number in range(EACH)}
    assert sorted(marks.read_text().splitlines()) == sorted(f"{name} {size}" for name, size in sizes.items())
    for verb in ("RETR", "DELE"):
        sent = collections.Counter(
            entry.line.rpartition("/")[2] for entry in simulator.transcript if entry.line.startswith(f"{verb} ")
        )
        assert sent == dict.fromkeys(sizes, 1)
