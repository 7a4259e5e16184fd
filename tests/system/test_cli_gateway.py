"""The verbs that talk to a gateway: upload, status, download."""

from __future__ import annotations

import json
import logging
import subprocess

import pytest
from processes import ICSFTPS
from typer.testing import CliRunner

from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import upload_name
from airflow_provider_icsftps.simulator import GatewaySimulator


@pytest.fixture
def folder(simulator, tmp_path, monkeypatch):
    """Where commands run: a connection file and three files to upload."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("airflow_provider_icsftps"), "propagate", False)  # as `run` does
    (tmp_path / "connection.json").write_text(json.dumps(simulator.connection()))
    for number in range(3):
        (tmp_path / f"{number}.xml").write_text(f"<a>{number}</a>")
    return tmp_path


@pytest.fixture
def icsftps(folder):
    """Run a verb in this process, and return its exit code and what it said on both outputs."""

    def run(verb, *arguments, connect=("--connection", "connection.json")):
        done = CliRunner().invoke(app, [verb, *arguments, *connect])
        if done.exception is not None and not isinstance(done.exception, SystemExit | IcsFtpsError):
            raise done.exception
        return done.exit_code, done.stdout, done.stderr or str(done.exception or "")

    return run


def process(*arguments, **options):
    """Run a verb in a process of its own."""
    done = subprocess.run([*ICSFTPS, *arguments], capture_output=True, text=True, timeout=100, check=False, **options)
    return done.returncode, done.stdout, done.stderr


def filed(simulator):
    return [upload for upload in simulator.uploads if upload.filed]


def test_the_same_command_again_files_nothing(icsftps, simulator):
    code, said, _ = icsftps("upload", "0.xml", "1.xml", "--service", "Manifest")
    assert code == 0
    assert [line.split()[:2] for line in said.splitlines()] == [["filed", "0.xml"], ["filed", "1.xml"]]
    code, said, _ = icsftps("upload", "1.xml", "0.xml", "--service", "Manifest")
    assert code == 0
    assert [line.split()[:3] for line in said.splitlines()] == [
        ["filed", "before", "1.xml"],
        ["filed", "before", "0.xml"],
    ]
    assert len(simulator.uploads) == 2


def test_what_is_not_proven_is_not_called_filed(icsftps, simulator):
    """Nothing is kept here, so what was sent before may have been cut until customs has taken it."""
    simulator.answer_after({2: 3600, 3: 3600})
    assert icsftps("upload", "0.xml", "--service", "Manifest")[1].startswith("filed  ")
    for hours, begin, known in (
        (0, "sent before", "nothing shows yet that all of it got through"),
        (2, "filed before", ""),
    ):
        simulator.clock.advance(hours=hours)
        code, said, _ = icsftps("upload", "0.xml", "--service", "Manifest")
        assert (code, said.startswith(begin), known in said) == (0, True, True)
    assert len(simulator.uploads) == 1


def test_a_name_follows_from_service_and_content_alone(icsftps, simulator):
    icsftps("upload", "0.xml", "--service", "Manifest")
    (record,) = filed(simulator)
    assert record.file_name == upload_name("0.xml", "cli", "Manifest", record.sha256)


@pytest.mark.parametrize("again", [("--run-id", "second"), ("--resubmission", "1")])
def test_the_same_content_is_filed_again_on_purpose(icsftps, simulator, again):
    icsftps("upload", "0.xml", "--service", "Manifest")
    assert icsftps("upload", "0.xml", "--service", "Manifest", *again)[0] == 0
    assert len(filed(simulator)) == 2


def test_an_airflow_connection_is_found_by_its_id_and_nothing_stands_beside_the_json(folder, simulator, connection):
    code, said, errors = process("upload", "0.xml", "--service", "Manifest", "--json", "--conn-id", connection)
    assert (code, len(filed(simulator)), errors) == (0, 1, "")
    assert json.loads(said)[0]["state"] == "filed"


def test_a_rejection_is_told_and_ends_with_1(icsftps, simulator, folder):
    simulator.reject("2-*", "LAST_RECORD_INCORRECT", "No trailer.", "Add the trailer.")
    code, said, errors = icsftps("upload", "0.xml", "2.xml", "--service", "Manifest", "--json")
    assert (code, errors) == (0, "")
    (folder / "submissions.json").write_text(said)
    code, said, _ = icsftps("status", "submissions.json", "--json")
    assert code == 1
    good, bad = json.loads(said)
    assert (good["state"], bad["state"]) == ("answered", "rejected")
    assert "No trailer" in bad["reason"]
    assert [one["digit"] for one in good["statuses"]] == [1, 2, 3]
    code, said, _ = icsftps("status", "submissions.json")
    assert "LAST_RECORD_INCORRECT" in said
    assert code == 1


def test_a_status_by_name(icsftps, simulator):
    simulator.start_outage()
    icsftps("upload", "0.xml", "--service", "Manifest")
    name = simulator.uploads[0].file_name
    asked = ("status", name, "--service", "Manifest")
    assert icsftps(*asked)[0] == 0
    assert icsftps(*asked, "--until", "delivered")[0] == 1
    simulator.end_outage()
    for until in ("delivered", "accepted", "response"):
        code, said, _ = icsftps(*asked, "--until", until)
        assert (code, said.split()[0]) == (0, "answered")


def test_until_looks_no_further_than_it_is_told(icsftps, folder):
    with GatewaySimulator(delays={1: 0, 2: None, 3: None}) as simulator:
        (folder / "connection.json").write_text(json.dumps(simulator.connection()))
        icsftps("upload", "0.xml", "--service", "Manifest", "--own-name")
        asked = ("status", "0.xml", "--service", "Manifest", "--until")
        assert [icsftps(*asked, until)[0] for until in ("delivered", "accepted", "response")] == [0, 1, 1]


def test_downloads_fetch_what_is_missing(icsftps, folder):
    icsftps("upload", "0.xml", "1.xml", "--service", "Manifest")
    code, said, _ = icsftps("download", "--target", "got", "--pattern", "Manifest_*", "--json")
    assert code == 0
    assert [one["state"] for one in json.loads(said)] == ["fetched"] * 2
    assert {path.name for path in (folder / "got").iterdir()} == {one["name"] for one in json.loads(said)}
    code, said, _ = icsftps("download", "--target", "got", "--json")
    states = [one["state"] for one in json.loads(said)]
    assert (code, states.count("was there"), states.count("fetched")) == (0, 2, 6)
    assert len(list((folder / "got").iterdir())) == 8


def test_wrong_use_ends_with_2(icsftps):
    assert icsftps("upload", "0.xml", "--service", "Manifest", connect=())[0] == 2
    assert icsftps("upload", "--service", "Manifest")[0] == 2
    assert icsftps("upload", "0.xml", "--service", "Manifest", "--own-name", "--resubmission", "1")[0] == 2
    assert icsftps("status", "no-such-name")[0] == 2
    assert icsftps("status", "0.xml", "--service", "Manifest", "--until", "never")[0] == 2


def test_an_error_is_one_line_and_1(folder):
    code, said, errors = process("upload", "gone.xml", "--service", "Manifest", "--connection", "connection.json")
    assert (code, said) == (1, "")
    assert errors.startswith("icsftps: File gone.xml cannot be opened")
    assert len(errors.splitlines()) == 1


def test_a_wrong_password_is_tried_once_and_told(icsftps, simulator, folder):
    (folder / "wrong.json").write_text(json.dumps(simulator.connection() | {"password": "planted-secret-3"}))
    code, said, errors = icsftps(
        "upload", "0.xml", "1.xml", "2.xml", "--service", "Manifest", connect=("--connection", "wrong.json")
    )
    assert code == 1
    assert [line.split()[0] for line in said.splitlines()] == ["failed", "not", "not"]
    assert "planted-secret-3" not in said + errors
    assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1
