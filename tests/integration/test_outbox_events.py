"""The example DAG behind the doorbell: what breaks in the middle of a run is mended by the next one."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException
from docs.running import run_dag

from airflow_provider_icsftps.exceptions import GatewayUnavailableError

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "outbox_events.py"
NAMES = [f"Manifest_{letter}.xml" for letter in "abc"]


@pytest.fixture
def example(connection, simulator, tmp_path) -> Any:
    """Three responses and a status file in the outbox, the example's folders, and a way to run it."""
    for number, name in enumerate(NAMES, 1):
        simulator.put_in_outbox(name, b"0123456789" * number)
    simulator.put_in_outbox("status_Manifest_x.xml_1.xml", b"<status/>")
    source = EXAMPLE.read_text().replace("/tmp/icsftps-outbox", str(tmp_path))
    source = source.replace("\noutbox_events()\n", "\nmade = outbox_events()\n")

    def run() -> dict[str, Any]:
        namespace: dict[str, Any] = {"__name__": "example"}
        exec(compile(source, EXAMPLE, "exec"), namespace)  # anew: a run fills its values into the tasks
        return run_dag(namespace["made"])

    def fetched(name: str) -> int:
        return sum(entry.line == f"RETR /out/{name}" for entry in simulator.transcript)

    return SimpleNamespace(
        run=run,
        fetched=fetched,
        incoming=tmp_path / "fetched",
        done=tmp_path / "done",
        outbox=lambda: [name for name in simulator.outbox() if name in NAMES],
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_lies_there_is_fetched_processed_and_deleted_and_nothing_else(example, simulator):
    assert example.run() == {"fetch": NAMES, "process": NAMES, "delete": NAMES}
    assert (names(example.incoming), names(example.done), example.outbox()) == ([], NAMES, [])
    assert simulator.outbox() == ["status_Manifest_x.xml_1.xml"]


def test_a_run_that_finds_nothing_does_nothing(example):
    example.run()
    assert example.run() == {"fetch": [], "process": [], "delete": []}


def test_what_is_done_but_was_not_deleted_is_deleted_and_not_fetched(example):
    example.done.mkdir()
    (example.done / NAMES[0]).write_bytes(b"done before")
    example.run()
    assert [example.fetched(name) for name in NAMES] == [0, 1, 1]
    assert (example.done / NAMES[0]).read_bytes() == b"done before"
    assert example.outbox() == []


def test_what_was_fetched_but_not_processed_is_processed_even_when_it_has_gone(example):
    example.incoming.mkdir()
    for name in (NAMES[0], "Manifest_gone.xml"):
        (example.incoming / name).write_bytes(b"fetched before")
    example.run()
    assert [example.fetched(name) for name in NAMES] == [0, 1, 1]
    assert names(example.done) == [*NAMES, "Manifest_gone.xml"]


def test_a_fetch_that_is_cut_goes_on_where_it_was(example, simulator):
    simulator.faults.drop_after_bytes(15, "download", reset=True, times=2)  # the first file is too short for it
    with pytest.raises(GatewayUnavailableError, match=r"Manifest_b\.xml"):
        example.run()
    assert names(example.incoming) == NAMES[:1]
    example.run()
    assert names(example.done) == NAMES
    assert [example.fetched(name) for name in NAMES] == [1, 2, 1]


def test_a_work_that_fails_keeps_what_it_did_and_deletes_nothing_before_it_is_done(example, monkeypatch):
    rename = Path.rename

    def fails_once(path: Path, target: Path) -> Path:
        if path.name == NAMES[1]:
            monkeypatch.setattr(Path, "rename", rename)
            raise RuntimeError("your own work")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_once)
    with pytest.raises(RuntimeError):
        example.run()
    assert (names(example.done), names(example.incoming), example.outbox()) == (NAMES[:1], NAMES[1:], NAMES)
    example.run()
    assert (names(example.done), names(example.incoming), example.outbox()) == (NAMES, [], [])
    assert [example.fetched(name) for name in NAMES] == [1, 1, 1]


def test_a_refused_login_is_not_tried_again_by_airflow(example, simulator, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection() | {"password": "wrong"}))
    with pytest.raises(AirflowFailException, match="LoginRefusedError"):
        example.run()
