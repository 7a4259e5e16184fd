"""What a user meets at the archive's edges: damage, odd sources, odd spans of time. Nothing here needs a network."""

from __future__ import annotations

import errno
import gzip
import io
import json
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from archived import MOMENT, USERNAME, everything, keep, settings, status
from stores import FailingStore, Proxy, StoreError
from upath import UPath

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway import Archive, Kept, OutboxEntry, Record, Span, Submission
from airflow_provider_icsftps.gateway.sources import measure

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
DENMARK = ZoneInfo("Europe/Copenhagen")


@pytest.fixture
def shelf(archive):
    return archive.shelf(settings())


@pytest.fixture
def store():
    """A folder in fsspec's memory."""
    return UPath(f"memory://{uuid.uuid4().hex}/archive")


def place(archive, record):
    return archive.root / record.folder / record.record


def make_vanish(path):
    """Leave a name in the listing under which nothing can be read: removed by somebody since it was listed."""
    path.unlink()
    path.symlink_to("nowhere")


def submission(content=b"<manifest/>", **more):
    size = measure(content)
    values = {"file_name": "a-b39b6ab8496c6ab8.xml", "size": size.size, "sha256": size.sha256, "username": USERNAME}
    return Submission(**{"service": "Manifest", "sent_at": "2026-11-25T10:11:12+00:00"} | values | more)


def test_it_says_where_it_is(archive, shelf):
    assert repr(archive) == f"<Archive {archive.root}>"
    assert repr(shelf) == f"<Shelf {archive.root}/{USERNAME}@gateway.test>"


class TestDamage:
    def test_a_record_that_goes_while_it_is_looked_for_is_left_out(self, archive, shelf):
        make_vanish(place(archive, keep(archive, "svar.xml")))
        keep(archive, "other.xml")
        assert [record.name for record in shelf.records()] == ["other.xml"]

    def test_a_record_that_goes_while_it_is_verified_is_told(self, archive):
        make_vanish(place(archive, keep(archive, "svar.xml")))
        (problem,) = archive.verify().problems
        assert (problem.kind, problem.text, problem.is_damage) == ("record", "the record is gone", True)

    def test_one_record_that_is_not_there_is_told(self, archive, shelf):
        record = keep(archive, "svar.xml")
        place(archive, record).unlink()
        with pytest.raises(TransferError, match=r"Archive: .+\.json is not there") as caught:
            shelf.record_at(record.folder, record.record)
        assert caught.value.local

    def test_a_content_that_the_disk_does_not_give_out_is_told_and_the_rest_is_read(self, archive):
        path = archive.path(keep(archive, "svar.xml"))
        keep(archive, "other.xml", b"<other/>")
        path.unlink()
        path.mkdir()
        findings = archive.verify()
        (problem,) = findings.problems
        assert (problem.kind, problem.is_damage) == ("unreadable", True)
        assert "cannot be read (Is a directory)" in problem.text
        assert (findings.contents, findings.bytes) == (1, 8)

    @pytest.mark.parametrize(
        "value",
        [{"content": []}, {"content": 0}, {"status": "x"}, {"answers": [1]}, {"submission": 1}, {"name": 1}],
        ids=str,
    )
    def test_a_record_with_a_value_of_another_kind_is_no_record(self, value, archive, shelf):
        record = keep(archive, "svar.xml")
        path = place(archive, record)
        path.write_text(json.dumps(json.loads(path.read_bytes()) | value))
        (problem,) = archive.verify().problems
        assert (problem.kind, "not of its kind" in problem.text) == ("record", True)
        with pytest.raises(ConfigurationError, match="is no record"):
            list(shelf.records())

    @pytest.mark.parametrize("data", [None, {}, {"name": "svar.xml"}, {"folder": 5}, {"record": None}, {"time": "now"}])
    def test_what_is_no_record_is_told_in_one_line(self, data, archive):
        given = data if not data or "name" in data else keep(archive, "svar.xml").to_data() | data
        with pytest.raises(ConfigurationError, match="A record of an archive is expected, this is none") as caught:
            Record.from_data(given)
        assert "\n" not in str(caught.value)

    def test_a_name_that_is_no_records_leads_nowhere(self, archive, shelf):
        with pytest.raises(ConfigurationError, match=r"/notes\.txt is no record"):
            archive.path(Kept("svar.xml", f"{shelf.name}/out/2026/11/25", "notes.txt"))

    def test_what_was_found_is_a_machines_to_read(self, archive):
        archive.path(keep(archive, "svar.xml")).unlink()
        told = json.loads(json.dumps(archive.verify().to_data()))
        assert (told["whole"], told["records"], told["contents"]) == (False, 1, 0)
        assert [problem["kind"] for problem in told["problems"]] == ["missing"]


def cut_short(path):
    return gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(b"<manifest/>")[:-9]))


class TestFiled:
    def test_a_record_without_a_copy_can_be_confirmed(self, archive, shelf):
        archive.confirm(shelf.keep_filed(submission()))

    def test_other_files_of_a_day_do_not_stand_for_one_that_does_not_say_when(self, shelf):
        names = ["a-b39b6ab8496c6ab8.xml", "b-c39b6ab8496c6ab8.xml"]
        for name in names:
            shelf.keep_filed(submission(sent_at="", file_name=name))
        assert sorted(record.name for record in shelf.records(kind="filed")) == names

    @pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
    def test_a_time_that_no_folder_can_have_is_refused(self, sent_at, shelf):
        with pytest.raises(ConfigurationError, match=f"'{sent_at[:4]}.+, which is no time"):
            shelf.keep_filed(submission(sent_at=sent_at))
        assert list(shelf.records(kind="filed")) == []

    @pytest.mark.parametrize(
        ("make", "why"),
        [
            (lambda path: path, r"cannot be opened \(No such file or directory\)"),
            (cut_short, "cannot be read"),
        ],
        ids=["gone", "damaged"],
    )
    def test_a_source_that_can_no_longer_be_read_is_not_told_as_not_sent(self, make, why, archive, shelf, tmp_path):
        with pytest.raises(TransferError, match=rf"^File .+ {why}.*; no copy was kept$") as caught:
            shelf.keep_filed(submission(), make(tmp_path / "a.xml"))
        assert caught.value.local
        assert list((archive.root / "incoming").iterdir()) == []


class TestFinding:
    def test_a_name_is_found_among_others(self, archive, shelf):
        for name in ("a.xml", "svar.xml", "z.xml"):
            keep(archive, name, modified=datetime.now(UTC))
            keep(archive, name, modified=MOMENT - 700 * DAY)
        assert [kept.name for kept in shelf.find(["svar.xml", "nowhere.xml"])] == ["svar.xml"]

    def test_both_hours_that_the_clock_shows_twice_are_found_and_their_gaps(self, archive, shelf):
        """On 25 October 2026 it is 02:30 in Denmark at 00:30 and at 01:30 UTC."""
        since, until = (datetime(2026, 10, 25, 2, 0, tzinfo=DENMARK, fold=fold) for fold in (0, 1))
        keep(archive, "first.xml", modified=datetime(2026, 10, 25, 0, 30, tzinfo=UTC))
        keep(archive, "second.xml", modified=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
        assert [record.name for record in shelf.records(since, until)] == ["first.xml"]
        (gap,) = shelf.gaps(since, until)
        assert gap.to_data() == {"since": "2026-10-25T00:00:00+00:00", "until": "2026-10-25T01:00:00+00:00"}

    def test_a_file_that_went_and_had_no_time_leaves_no_mark(self, archive, shelf):
        shelf.cover(Span(MOMENT - DAY, MOMENT), {})
        before = everything(archive.root)
        shelf.note_missing(OutboxEntry("svar.xml", 7, None), {})
        assert everything(archive.root) == before

    def test_less_than_a_whole_second_is_not_covered(self, archive, shelf):
        part = timedelta(milliseconds=300)
        for span in (Span(MOMENT, MOMENT + part), Span(MOMENT + part, MOMENT + 2 * part), Span(MOMENT, MOMENT)):
            assert shelf.cover(span, {}) is None
        assert not [path for path in everything(archive.root) if "/listings/" in path]
        assert shelf.cover(Span(MOMENT - part, MOMENT + SECOND + part), {}) == Span(MOMENT, MOMENT + SECOND)


class TestStores:
    def test_a_large_object_is_read_back_whole(self, store):
        content = b"0123456789abcdef" * 600_000  # more than is fetched by one request
        archive = Archive(store)
        record = keep(archive, "svar.xml", content)
        archive.confirm(record)
        assert archive.verify().whole
        archive.path(record).write_bytes(content[:-1] + b"x")
        with pytest.raises(TransferError, match="has 9600000 bytes or other content"):
            archive.confirm(record)

    @pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), StoreError("SlowDown")], ids=type)
    def test_a_store_that_fails_is_told_in_one_line(self, error, store):
        archive = Archive(Proxy(store, FailingStore(store.fs, 1, error, after=False)))
        with pytest.raises(TransferError, match=r"^Archive: .+icsftps-archive\.json cannot be read \(.+\)$") as caught:
            archive.shelves()
        assert caught.value.local
        assert (str(error) if isinstance(error, StoreError) else error.strerror) in str(caught.value)

    def test_daily_runs_leave_one_span_in_a_store_too(self, store):
        shelf = Archive(store).shelf(settings())
        for day in range(3):
            shelf.cover(Span(MOMENT + (day - 30) * DAY, MOMENT + day * DAY), {})
        assert [path.rpartition("/")[2] for path in everything(store) if "/listings/" in path] == [
            "20261026T101112Z_20261127T101112Z.json"
        ]

    def test_whichever_request_fails_is_told_once(self, store):
        told = []
        for number in range(1, 50):
            failing = FailingStore(store.fs, number, StoreError("SlowDown"), after=False)
            try:
                keep(Archive(Proxy(store / str(number), failing)), "svar.xml")
            except TransferError as error:
                told.append(str(error))
        assert {line.partition(" cannot be ")[2] for line in told} == {
            "read (StoreError: SlowDown)",
            "written (StoreError: SlowDown)",
        }
        assert all(line.count("Archive: ") == 1 for line in told)

    def test_a_machine_without_a_temporary_folder_is_told(self, store, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
        with (
            pytest.raises(TransferError, match=r"a temporary folder on this machine cannot be written \(No such file"),
            Archive(store).shelf(settings()).draft(),
        ):
            pass

    def test_a_path_that_no_disk_can_have_is_told(self):
        with pytest.raises(TransferError, match="cannot be read"):
            Archive(Path("arch\0ive")).shelves()


def test_a_status_file_that_is_too_long_is_kept_like_any_other(archive):
    content = status(1) + b" " * 2_000_000
    record = keep(archive, "status_Manifest_a.xml_1.xml", content)
    assert (record.digit, record.size) == (None, len(content))
