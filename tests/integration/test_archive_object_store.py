"""The archive through Airflow's own path objects, and what it asks of a store."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from archived import MOMENT, keep, settings
from stores import Proxy
from upath import UPath

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway import Archive, OutboxEntry, Span
from airflow_provider_icsftps.gateway._archive_coverage import Coverage


class CountingStore:
    """A store that counts what it is asked for."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self.counts: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._fs, name)
        if callable(member) and name != "invalidate_cache":
            self.counts[name] += 1
        return member


def test_airflows_path_object_of_a_store_is_a_root(s3_root):
    attach("s3", conn_id="archive", fs=s3_root.fs)
    root = ObjectStoragePath(f"s3://archive@{s3_root.path}")
    archive = Archive(root)
    record = keep(archive, "svar æ.xml")
    archive.confirm(record)
    assert archive.verify().problems == []
    assert isinstance(archive.path(record), ObjectStoragePath)
    assert archive.path(record).read_bytes() == b"<svar/>"
    assert [found.name for found in Archive(s3_root).shelf(settings()).records()] == ["svar æ.xml"]


def test_airflows_path_object_of_a_folder_is_a_local_root(tmp_path):
    archive = Archive(ObjectStoragePath(f"file://{tmp_path}/archive"))
    keep(archive, "svar.xml")
    assert (tmp_path / "archive" / "icsftps-archive.json").exists()


def test_comparing_a_listing_asks_for_one_listing_a_day(s3_root):
    entries = [OutboxEntry(f"svar{n}.xml", 7, MOMENT + timedelta(days=n % 3)) for n in range(9)]
    for entry in entries:
        keep(Archive(s3_root), entry.name, modified=entry.modified)
    store = CountingStore(s3_root.fs)
    comparison = Archive(Proxy(s3_root, store)).shelf(settings()).compare(entries)
    assert (len(comparison.kept), comparison.missing) == (9, [])
    assert store.counts == {"ls": 3, "cat_file": 1}  # and the archive's description


def test_a_days_records_are_read_together(s3_root):
    for n in range(9):
        keep(Archive(s3_root), f"svar{n}.xml", modified=MOMENT + timedelta(days=n % 3))
    store = CountingStore(s3_root.fs)
    shelf = Archive(Proxy(s3_root, store)).shelf(settings())
    assert len(list(shelf.records(MOMENT, MOMENT + timedelta(hours=1)))) == 3
    assert store.counts == {"ls": 1, "cat": 1, "cat_file": 1}


def test_a_store_from_which_nothing_can_be_removed_still_knows_its_spans(s3_root):
    class Keeper(CountingStore):
        def rm_file(self, path):
            raise PermissionError(13, "Access Denied")

    coverage = Coverage(Proxy(s3_root / "listings", Keeper(s3_root.fs)))
    for day in range(3):
        coverage.add(Span(MOMENT + timedelta(days=day - 30), MOMENT + timedelta(days=day)), {})
    spans, _ = coverage.read()
    assert max(spans, key=lambda span: span.until - span.since) == Span(
        MOMENT - timedelta(days=30), MOMENT + timedelta(days=2)
    )
    assert len(spans) == 3


@pytest.mark.parametrize("where", ["s3_root", "tmp_path"])
def test_another_process_is_seen_at_once(where, request):
    root = request.getfixturevalue(where)
    first = Archive(root).shelf(settings())
    entry = OutboxEntry("svar.xml", 7, MOMENT)
    assert first.compare([entry]).missing == [entry]
    keep(Archive(root), "svar.xml")
    assert first.compare([entry]).missing == []


def test_a_bucket_that_is_not_there_is_told(s3_root):
    with pytest.raises(TransferError, match=r"Archive: .+icsftps-archive\.json cannot be written"):
        keep(Archive(UPath("s3://no-such-bucket/archive", **s3_root.storage_options)), "svar.xml")
