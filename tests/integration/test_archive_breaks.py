"""Whatever breaks while the archive is written: nothing half counts, and the next run makes it whole."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from archive_writer import CONTENT
from archived import MOMENT, keep, settings
from stores import FailingStore, Proxy, StoreError
from upath import UPath

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway import Archive, OutboxEntry

WRITER = Path(__file__).with_name("archive_writer.py")
ENTRY = OutboxEntry("svar æ.xml", len(CONTENT), MOMENT)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_whole_or_absent(archive: Archive) -> bool:
    """Return whether the one file is kept; fail if anything half counts."""
    shelf = archive.shelf(settings())
    if (archive.root / "icsftps-archive.json").exists():
        assert archive.verify().whole
    kept = not shelf.compare([ENTRY]).missing
    found = list(shelf.records())
    assert len(found) == kept
    for record in found:
        assert archive.path(record).read_bytes() == CONTENT
    return kept


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_at_any_second_line_leaves_all_or_nothing(tmp_path):
    with start("walk", str(tmp_path), "2") as process:
        out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    result = json.loads(out)
    assert result["lines"] > 100
    assert set(result["left"]) == {"nothing", "whole"}
    assert set(result["after"]) == {"whole"}
    assert sum(result["after"].values()) == (result["lines"] + 1) // 2


@pytest.mark.timeout(300)
def test_a_process_that_is_killed_before_it_writes_to_a_store_leaves_all_or_nothing(s3_root, s3_options):
    settings()
    kept, at = set(), 0
    while True:
        at += 1
        root = s3_root / str(at)
        with start("ops", str(root), json.dumps(s3_options), str(at)) as process:
            _, err = process.communicate(timeout=60)
        if process.returncode == 0:
            break
        assert process.returncode == -9, err
        kept.add(check_whole_or_absent(Archive(root)))
        keep(Archive(root), ENTRY.name, CONTENT)
        assert check_whole_or_absent(Archive(root))
    assert kept == {False}  # the record is the last thing written
    assert at == 4  # the archive's description, the content, the record


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "Access Denied"), StoreError("SlowDown"), KeyboardInterrupt()], ids=repr
)
def test_a_store_that_fails_at_any_request_leaves_all_or_nothing(error, after):
    kept, at = set(), 0
    while True:
        at += 1
        root = UPath(f"memory://{uuid.uuid4().hex}/archive")
        store = FailingStore(root.fs, at, error, after=after)
        told = None
        try:
            keep(Archive(Proxy(root, store)), ENTRY.name, CONTENT)
        except (TransferError, KeyboardInterrupt) as failure:
            told = failure
        if told is None:
            assert store.left > 0
            break
        if isinstance(told, TransferError):
            assert told.local
            assert f"Archive: {root}" in str(told)
            assert str(error.args[-1]) in str(told)
        kept.add(check_whole_or_absent(Archive(root)))
        keep(Archive(root), ENTRY.name, CONTENT)
        assert check_whole_or_absent(Archive(root))
    assert kept == ({True, False} if after else {False})
    assert at > 5


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "archive").write_bytes(b"a file")
    with pytest.raises(TransferError, match=r"Archive: .+incoming cannot be written \(File exists\)"):
        keep(Archive(tmp_path / "archive"), "svar.xml")


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_two_processes_at_once_lose_nothing(kind, tmp_path, request: Any):
    root = tmp_path / "archive" if kind == "local" else request.getfixturevalue("s3_root")
    count = 50 if kind == "local" else 15
    options = json.dumps({} if kind == "local" else request.getfixturevalue("s3_options"))
    with (
        start("keep", str(root), options, str(count), "one") as one,
        start("keep", str(root), options, str(count), "other") as other,
    ):
        for process in (one, other):
            assert process.stdout.readline() == "ready\n"
        for process in (one, other):
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in (one, other):
            _, err = process.communicate(timeout=100)
            assert process.returncode == 0, err
    archive = Archive(root)
    assert archive.verify().problems == []
    found = {(record.name, archive.path(record).read_bytes()) for record in archive.shelf(settings()).records()}
    assert found == {
        (f"svar{number}.xml", f"<{tag}>{number}</{tag}>".encode())
        for number in range(count)
        for tag in (("one", "other") if number % 5 == 0 else ("same",))
    }


def test_what_a_killed_writer_left_is_seen_and_does_no_harm(tmp_path):
    archive = Archive(tmp_path)
    keep(archive, "svar.xml")
    (tmp_path / "incoming" / "0123456789abcdef.part").write_bytes(b"half")
    (problem,) = archive.verify().problems
    assert (problem.kind, problem.path) == ("stray", "incoming/0123456789abcdef.part")
