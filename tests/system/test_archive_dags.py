"""The example DAGs around the archive, in a real Airflow: a backfill, one run for each response, the old gateway."""

from __future__ import annotations

import collections
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pendulum
import pytest
from airflow_api import until
from airflow_parts import Airflow
from loopback_servers import missing, postgres
from needed import need

from airflow_provider_icsftps.gateway import Archive, OutboxEntry, Span

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAYS, HELD = 40, 28  # a file of the 29th day may pass its 30 days while the test runs


def example(dags: Path, name: str, **changes: str) -> None:
    """An example with another archive, and with less to wait for."""
    source = (EXAMPLES / f"{name}.py").read_text()
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    (dags / f"{name}.py").write_text(source)


def keep(archive: Archive, settings, name: str, moment: datetime) -> None:
    """What an earlier run has left in the archive."""
    shelf = archive.shelf(settings)
    with shelf.draft() as path:
        path.write_bytes(b"<old/>")
        shelf.keep(OutboxEntry(name, 6, moment.astimezone(UTC)), path, settings)


@pytest.fixture
def world(simulator, tmp_path):
    """Airflow on PostgreSQL: SQLite bears one writer, and a backfill is created while the scheduler writes."""
    need(missing())
    dags = tmp_path / "dags"
    dags.mkdir()
    root = tmp_path / "archive"
    example(dags, "responses_daily", **{"/tmp/icsftps-archive": str(root), "    hand_on(fetched.output)\n": ""})
    example(dags, "legacy_outbox", **{"/tmp/icsftps-archive": str(root), "icsftps_legacy": "icsftps_default"})
    quick = "pattern=PATTERN, poke_interval=1))"
    events = {"/tmp/icsftps-archive": str(root / "by_event"), "pattern=PATTERN))": quick}
    example(dags, "responses_by_event", **events)
    with postgres() as database:
        configuration = {
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg:{database}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+psycopg:{database}",
        }
        with Airflow(tmp_path / "airflow", simulator.connection(), configuration) as airflow, airflow.explained():
            for part in ("api-server", "dag-processor"):
                airflow.start(part)
            for part in ("scheduler", "triggerer"):
                airflow.start(part, "--skip-serve-logs")
            airflow.api.log_in("scheduler", "triggerer", "dag_processor")
            yield airflow, Archive(str(root))


def runs_of(airflow, dag: str) -> list[dict]:
    return airflow.api.call("GET", f"/api/v2/dags/{dag}/dagRuns?limit=200")["dag_runs"]


def all_succeeded(airflow, dag: str, count: int, kind: str = "") -> bool:
    """Whether so many runs have, of one kind or of all; a scheduled one may join them at any time."""
    runs = runs_of(airflow, dag)
    assert "failed" not in {run["state"] for run in runs}
    return sum(run["state"] == "success" for run in runs if kind in run["run_type"]) >= count


def fetched_again(airflow, run: str) -> tuple[int, bool]:
    """How many tries the fetching of a run has taken, and whether the last one has succeeded."""
    task = airflow.api.call("GET", f"/api/v2/dags/responses_daily/dagRuns/{run}/taskInstances/fetch")
    return task["try_number"], task["state"] == "success"


def returned(airflow, dag: str, run: str, task: str) -> list[str]:
    path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value?deserialize=true"
    return airflow.api.call("GET", path)["value"]


def name_of(path: str) -> str:
    return Path(path).name.split("~")[0]


@pytest.mark.timeout(1800)
def test_backfills_events_and_the_old_gateway(world, simulator):
    airflow, archive = world
    began = time.monotonic()
    with airflow.explained():
        a_backfill_gives_each_file_to_one_day_and_fetches_nothing_twice(airflow, archive, simulator)
        print(f"backfill {time.monotonic() - began:.0f} s")
        each_response_has_a_run_of_its_own(airflow, simulator)
        print(f"and runs by event {time.monotonic() - began:.0f} s")
        all_that_is_left_is_fetched(airflow, simulator)


def a_backfill_gives_each_file_to_one_day_and_fetches_nothing_twice(airflow, archive, simulator) -> None:
    until(lambda: airflow.api.call("GET", "/api/v2/dags/responses_daily"), 300)
    # before the scheduler makes a run: days that it cannot take, whenever its next one begins
    last = pendulum.now("Europe/Copenhagen").subtract(hours=27).start_of("day").add(hours=3)
    airflow.api.call("PATCH", "/api/v2/dags/responses_daily", {"is_paused": False})
    until(lambda: all_succeeded(airflow, "responses_daily", 1), 300)  # the run of yesterday finds an empty outbox
    days = [last.subtract(days=n) for n in range(1, DAYS + 1)]
    expected = {}
    for number, day in enumerate(days):
        names = [f"Manifest_{day:%m%d}_{part}.xml" for part in ("first", "noon", "last")]
        moments = [day, day.add(hours=9), day.add(days=1).subtract(seconds=1)]
        expected[f"{day:%m%d}"] = [name.removesuffix(".xml") for name in names]
        for name, moment in zip(names, moments, strict=True):
            if number < HELD:
                simulator.put_in_outbox(name, b"<new/>", modified=moment)
            else:
                keep(archive, simulator.settings(), name, moment)
    oldest, held = (datetime.fromisoformat(day.isoformat()) for day in (days[-1], days[HELD - 2]))
    archive.shelf(simulator.settings()).cover(Span(oldest, held), {})
    created = subprocess.run(
        [
            *(sys.executable, "-m", "airflow", "backfill", "create", "--dag-id", "responses_daily"),
            *("--from-date", days[-1].isoformat(), "--to-date", days[0].isoformat(), "--max-active-runs", "4"),
        ],
        env=airflow.variables,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert created.returncode == 0, created.stderr[-2000:]
    until(lambda: all_succeeded(airflow, "responses_daily", DAYS, "backfill"), 800)
    backfilled = [run for run in runs_of(airflow, "responses_daily") if run["run_type"] == "backfill"]
    found = {}
    for run in backfilled:
        day = pendulum.parse(run["data_interval_start"]).in_timezone("Europe/Copenhagen")
        paths = returned(airflow, "responses_daily", run["dag_run_id"], "fetch")
        found[f"{day:%m%d}"] = [name_of(path) for path in paths]
    assert expected == found
    fetched = collections.Counter(e.line for e in simulator.transcript if e.line.startswith("RETR "))
    assert set(fetched.values()) == {1}
    assert len(fetched) == 3 * HELD
    assert len(backfilled) == DAYS
    again = backfilled[0]["dag_run_id"]
    before = returned(airflow, "responses_daily", again, "fetch")
    tries, _ = fetched_again(airflow, again)
    airflow.api.call("POST", f"/api/v2/dags/responses_daily/dagRuns/{again}/clear", {"dry_run": False})
    until(lambda: fetched_again(airflow, again) >= (tries + 1, True), 300)
    assert returned(airflow, "responses_daily", again, "fetch") == before


def each_response_has_a_run_of_its_own(airflow, simulator) -> None:
    names = {f"Manifest_event_{number}.xml" for number in range(5)}
    for name in names:
        simulator.put_in_outbox(name, b"<response/>")
    for dag in ("one_response", "announce_responses"):
        airflow.api.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
    there = {name for name in simulator.outbox() if name.startswith("Manifest_")}
    assert names < there
    until(lambda: all_succeeded(airflow, "announce_responses", 1), 300)
    until(lambda: all_succeeded(airflow, "one_response", len(there)), 600)
    runs = runs_of(airflow, "one_response")
    assert sorted(run["partition_key"] for run in runs) == sorted(there)
    run = next(run for run in runs if run["partition_key"] in names)
    assert Path(returned(airflow, "one_response", run["dag_run_id"], "process")).read_bytes() == b"<response/>"


def all_that_is_left_is_fetched(airflow, simulator) -> None:
    airflow.api.call("PATCH", "/api/v2/dags/legacy_outbox", {"is_paused": False})
    run = airflow.api.call("POST", "/api/v2/dags/legacy_outbox/dagRuns", {"logical_date": None})["dag_run_id"]
    until(lambda: all_succeeded(airflow, "legacy_outbox", 1), 300)
    paths = returned(airflow, "legacy_outbox", run, "fetch")
    assert sorted(map(name_of, paths)) == sorted(name.removesuffix(".xml") for name in simulator.outbox())
    report = returned(airflow, "legacy_outbox", run, "report")
    assert report.startswith(f"{len(paths)} files are safe, 5 of them new; 0 could not be fetched yet")
