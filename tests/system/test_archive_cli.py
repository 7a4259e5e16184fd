"""``icsftps archive``: what it says, and the exit codes that a script can use."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from processes import ICSFTPS

from airflow_provider_icsftps.gateway import Archive, reconcile

MOMENT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ICSFTPS, "archive", *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def archive(simulator, gateway, tmp_path):
    simulator.put_in_outbox("svar æ [red].xml", b"<svar/>", modified=MOMENT)
    simulator.put_in_outbox("old.xml", b"<old/>", modified=MOMENT - timedelta(days=5))
    archive = Archive(tmp_path / "archive")
    assert reconcile(gateway, archive).complete
    return archive


def test_help_tells_the_verbs():
    shown = run("--help")
    assert shown.returncode == 0
    assert "verify" in shown.stdout
    assert "list" in shown.stdout


def test_what_is_whole_is_0_and_what_is_damaged_is_1(archive, gateway):
    done = run("verify", str(archive.root))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 records, 2 files with 13 bytes were read: none damaged, none astray\n"
    record, *_ = archive.shelf(gateway.settings).records()
    archive.path(record).write_bytes(b"<0ld/>")
    done = run("verify", str(archive.root))
    assert done.returncode == 1
    assert done.stdout.startswith(f"hash: {record.folder}/{record.content}: SHA-256 ")
    done = run("verify", str(archive.root), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["whole"], found["problems"][0]["kind"]) == (1, False, "hash")


def test_a_window_is_listed_with_what_is_not_known(archive):
    day = MOMENT.date().isoformat()
    done = run("list", str(archive.root), "--since", f"{day}T00:00+00:00")
    assert done.returncode == 0
    assert "svar æ [red].xml" in done.stdout
    assert "old.xml" not in done.stdout
    assert "Not known to be complete: " in done.stdout  # the last minute
    done = run("list", str(archive.root), "--until", f"{day}T00:00+00:00", "--json")
    shown = json.loads(done.stdout)
    assert [record["name"] for record in shown["records"]] == ["old.xml"]
    assert shown["gaps"] == []
    assert json.loads(run("list", str(archive.root), "--filed", "--json").stdout)["records"] == []


@pytest.mark.parametrize("place", ["nowhere", "memory://nowhere", "nostore://nowhere"])
@pytest.mark.parametrize("verb", ["verify", "list"])
def test_no_archive_is_one_line(verb, place):
    done = run(verb, place)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(("icsftps: There is no archive in ", "icsftps: Archive nostore://nowhere cannot"))


def test_wrong_use_ends_with_2(archive):
    assert run("verify").returncode == 2
    assert run("list", str(archive.root), "--since", "yesterday").returncode == 2
