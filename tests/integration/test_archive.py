"""The archive in a local folder, in fsspec's memory, and in an S3-compatible store: the same in each."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from archived import MOMENT, USERNAME, everything, keep, settings, status
from moments import keep_off_midnight

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway import Archive, OutboxEntry, Record, Span, Submission
from airflow_provider_icsftps.gateway.sources import measure

DAY = timedelta(days=1)
NAMES = [
    "svar.xml",
    "SVAR.xml",
    "svar æøå 1.xml",
    "sv\udce6r.xml",
    "Ünïcode ☃.txt",
    'a\'b "c" *?[x].xml',
    "." * 3 + "x",
]


@pytest.fixture
def archive(root):
    return Archive(root)


@pytest.fixture
def shelf(archive):
    return archive.shelf(settings())


def records(shelf, **window):
    return list(shelf.records(**window))


class TestKeeping:
    def test_a_file_lies_in_its_danish_day_beside_its_record(self, archive, root):
        late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)  # after midnight in Denmark
        record = keep(archive, "svar æ.xml", b"<svar/>", late)
        digest = hashlib.sha256(b"<svar/>").hexdigest()
        folder = f"{USERNAME}@gateway.test/out/2026/11/25"
        assert set(everything(root)) == {
            "icsftps-archive.json",
            f"{folder}/svar_ae~{digest[:16]}.xml",
            f"{folder}/{record.record}",
        }
        assert archive.path(record).read_bytes() == b"<svar/>"
        data = json.loads(everything(root)[f"{folder}/{record.record}"])
        assert (data["name"], data["size"], data["sha256"], data["time"]) == (
            "svar æ.xml",
            7,
            digest,
            "2026-11-24T23:30:00+00:00",
        )
        assert (data["username"], data["address"]) == (USERNAME, "gateway.test:6381")
        assert data["fingerprint"] == settings().certificate.fingerprint

    @pytest.mark.parametrize("name", NAMES)
    def test_every_name_is_kept_and_found_again(self, name, archive, shelf):
        record = keep(archive, name)
        (found,) = records(shelf)
        assert found == record
        assert found.name == name
        entry = OutboxEntry(name, 7, MOMENT)
        comparison = shelf.compare([entry])
        assert comparison.missing == []
        ((_, folder, record_name),) = comparison.kept
        assert shelf.record_at(folder, record_name) == record

    def test_names_that_are_alike_do_not_meet(self, archive, shelf):
        for name in NAMES:
            keep(archive, name)
        assert {record.name for record in records(shelf)} == set(NAMES)
        assert archive.verify().whole

    def test_other_content_under_one_name_is_kept_beside_the_first(self, archive, shelf):
        one = keep(archive, "svar.xml", b"<one/>")
        other = keep(archive, "svar.xml", b"<two/>")
        assert one.content != other.content
        assert [archive.path(record).read_bytes() for record in (one, other)] == [b"<one/>", b"<two/>"]
        assert len(records(shelf)) == 2

    def test_keeping_again_changes_nothing(self, archive, root):
        first = keep(archive, "svar.xml")
        before = everything(root)
        assert keep(archive, "svar.xml") == first
        assert everything(root) == before

    def test_another_size_than_was_listed_is_not_kept(self, archive, shelf):
        with shelf.draft() as path:
            path.write_bytes(b"12345")
            with pytest.raises(TransferError, match="has 5 bytes, 6 were listed; it was not kept"):
                shelf.keep(OutboxEntry("svar.xml", 6, MOMENT), path, settings())
        assert records(shelf) == []

    def test_a_status_file_says_what_it_answers(self, archive):
        record = keep(archive, "status_Manifest_a.xml_3.xml", status(3, responses=("svar.xml",)))
        assert record.digit == 3
        assert record.answers == {"service": "Manifest", "file_name": "a.xml"}
        assert record.status["responses"] == ["svar.xml"]

    def test_a_status_file_that_cannot_be_read_is_kept_like_any_other(self, archive):
        record = keep(archive, "status_Manifest_a.xml_1.xml", b"<status><fil")
        assert (record.digit, record.answers, record.status) == (None, None, None)

    def test_without_a_time_in_the_listing_the_status_files_own_is_taken(self, archive, shelf):
        moment = datetime.now(UTC).replace(microsecond=0) - DAY
        content = status(1, timestamp=moment)
        record = keep(archive, "status_Manifest_a.xml_1.xml", content, None)
        assert (record.moment, record.time_source) == (moment, "status file")
        assert shelf.compare([OutboxEntry(record.name, len(content), None)]).missing == []

    def test_without_any_time_it_is_when_it_was_fetched(self, archive, shelf):
        record = keep(archive, "svar.xml", b"<svar/>", None)
        assert (record.time, record.time_source) == (record.recorded_at, "fetched")
        assert shelf.compare([OutboxEntry("svar.xml", None, None)]).missing == []
        assert shelf.compare([OutboxEntry("svar.xml", 8, None)]).missing != []

    def test_old_and_new_gateway_and_other_certificates_have_shelves_of_their_own(self, archive):
        host = "secureftpgateway.skat.dk"
        for more in (
            {"host": host},
            {"host": host, "username": "CVR_87654321_UI_0"},
            {"host": host, "port": 6371},
            {"outbox": "/ud"},
        ):
            keep(archive, "svar.xml", at=settings(**more))
        assert [shelf.name for shelf in archive.shelves()] == [
            f"{USERNAME}@gateway.test-ud",
            f"{USERNAME}@legacy",
            f"{USERNAME}@production",
            "CVR_87654321_UI_0@production",
        ]
        assert all(len(records(shelf)) == 1 for shelf in archive.shelves())


class TestFiled:
    def submission(self, content=b"<manifest/>", **more):
        size = measure(content)
        values = {
            "service": "Manifest",
            "file_name": "departure-b39b6ab8496c6ab8.xml",
            "size": size.size,
            "sha256": size.sha256,
            "username": USERNAME,
            "sent_at": "2026-11-25T10:11:12+00:00",
        }
        return Submission(**values | more)

    def test_what_was_filed_is_recorded_with_a_copy(self, archive, shelf):
        submission = self.submission()
        record = shelf.keep_filed(submission, b"<manifest/>", address="gateway.test:6381")
        assert shelf.keep_filed(submission, b"<manifest/>") == record
        assert records(shelf, kind="filed") == [record]
        assert Submission.from_data(record.submission) == submission
        assert archive.path(record).read_bytes() == b"<manifest/>"
        assert archive.verify().whole
        archive.confirm(record)
        assert records(shelf) == []

    def test_a_copy_can_come_later_and_is_not_lost_again(self, archive, shelf):
        submission = self.submission()
        assert shelf.keep_filed(submission).content is None
        with pytest.raises(ConfigurationError, match="only the record was kept"):
            archive.path(shelf.keep_filed(submission))
        shelf.keep_filed(submission, b"<manifest/>")
        record = shelf.keep_filed(submission)
        assert archive.path(record).read_bytes() == b"<manifest/>"
        assert len(records(shelf, kind="filed")) == 1

    def test_other_content_than_was_filed_is_refused(self, shelf, tmp_path):
        (tmp_path / "a.xml").write_bytes(b"<manifest2>")
        with pytest.raises(TransferError, match="is not what was filed as departure-b39b6ab8496c6ab8"):
            shelf.keep_filed(self.submission(), tmp_path / "a.xml")
        assert records(shelf, kind="filed") == []

    def test_a_submission_that_does_not_say_when_is_recorded_once_a_day(self, shelf):
        keep_off_midnight(ZoneInfo("Europe/Copenhagen"))
        submission = self.submission(sent_at="", verdict="delivered")
        first = shelf.keep_filed(submission)
        assert first.time_source == "recorded"
        assert shelf.keep_filed(submission) == first
        assert shelf.keep_filed(submission, b"<manifest/>").content is not None
        assert len(records(shelf, kind="filed")) == 1

    def test_a_submission_without_a_digest_or_with_no_time_is_refused(self, shelf):
        with pytest.raises(ConfigurationError, match="no SHA-256"):
            shelf.keep_filed(self.submission(sha256=""))
        with pytest.raises(ConfigurationError, match="'yesterday', which is no time"):
            shelf.keep_filed(self.submission(sent_at="yesterday"))


class TestFinding:
    def test_a_listing_is_compared_by_names_alone(self, archive, shelf, root):
        entries = [OutboxEntry(f"svar{n}.xml", 7, MOMENT + n * DAY) for n in range(4)]
        for entry in entries[:2]:
            keep(archive, entry.name, modified=entry.modified)
        for path in [p for p in everything(root) if p.endswith(".json") and "@" in p]:
            (root / path).write_bytes(b"torn")  # no record is read
        comparison = shelf.compare(entries)
        assert [entry for entry, _, _ in comparison.kept] == entries[:2]
        assert comparison.missing == entries[2:]

    @pytest.mark.parametrize(
        "other",
        [
            OutboxEntry("svar.xml", 8, MOMENT),
            OutboxEntry("svar.xml", 7, MOMENT + timedelta(seconds=1)),
            OutboxEntry("Svar.xml", 7, MOMENT),
        ],
    )
    def test_another_size_time_or_name_is_another_file(self, other, archive, shelf):
        keep(archive, "svar.xml")
        assert shelf.compare([other]).missing == [other]

    def test_what_a_listing_does_not_tell_is_not_compared(self, archive, shelf):
        keep(archive, "svar.xml")
        assert shelf.compare([OutboxEntry("svar.xml", None, MOMENT)]).missing == []

    def test_a_name_that_was_kept_before_is_told(self, archive, shelf):
        keep(archive, "svar.xml", b"<one/>")
        comparison = shelf.compare([OutboxEntry("svar.xml", 7, MOMENT + timedelta(hours=1))])
        assert list(comparison.known.values()) == [{hashlib.sha256(b"<one/>").hexdigest()[:16]}]

    def test_a_name_that_was_kept_on_another_day_of_the_last_month_is_told(self, archive, shelf):
        now = datetime.now(UTC).replace(microsecond=0)
        keep(archive, "svar.xml", b"<one/>", now - 20 * DAY)
        comparison = shelf.compare([OutboxEntry("svar.xml", 6, now), OutboxEntry("other.xml", 6, now)])
        assert list(comparison.known.values()) == [{hashlib.sha256(b"<one/>").hexdigest()[:16]}]

    def test_a_moment_without_a_zone_is_refused(self, shelf):
        naive = MOMENT.replace(tzinfo=None)
        with pytest.raises(ConfigurationError, match="since is 2026-11-25T10:11:12, without a time zone"):
            records(shelf, since=naive)
        with pytest.raises(ConfigurationError, match=r"until is .+, without a time zone"):
            shelf.gaps(MOMENT, naive)

    def test_a_window_is_half_open_and_in_the_order_of_time(self, archive, shelf):
        for hours in (30, 0, 5, 48, -20):
            keep(archive, f"svar{hours}.xml", modified=MOMENT + timedelta(hours=hours))
        found = records(shelf, since=MOMENT, until=MOMENT + timedelta(hours=48))
        assert [record.name for record in found] == ["svar0.xml", "svar5.xml", "svar30.xml"]
        assert [record.name for record in records(shelf, until=MOMENT)] == ["svar-20.xml"]
        assert [record.name for record in records(shelf, since=MOMENT + timedelta(hours=30))] == [
            "svar30.xml",
            "svar48.xml",
        ]
        assert len(records(shelf)) == 5

    def test_other_days_than_the_windows_are_not_read(self, archive, shelf, root):
        keep(archive, "old.xml", modified=MOMENT - 3 * DAY)
        keep(archive, "new.xml")
        (old,) = [p for p in everything(root) if "/old~" in p and p.endswith(".json")]
        (root / old).write_bytes(b"torn")
        assert [record.name for record in records(shelf, since=MOMENT - DAY, until=MOMENT + DAY)] == ["new.xml"]
        with pytest.raises(ConfigurationError, match=r"old~.+ is no record: it is no JSON .+icsftps archive verify"):
            records(shelf)

    def test_a_zone_is_fixed_by_whoever_comes_first(self, root):
        late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
        record = keep(Archive(root, zone="UTC"), "svar.xml", modified=late)
        assert record.folder.endswith("out/2026/11/24")
        assert Archive(root).zone.key == "UTC"
        with pytest.raises(ConfigurationError, match="has days of the zone UTC, not Europe/Copenhagen"):
            keep(Archive(root, zone="Europe/Copenhagen"), "svar.xml")

    def test_an_archive_of_a_later_version_is_not_touched(self, root):
        keep(Archive(root), "svar.xml")
        (root / "icsftps-archive.json").write_bytes(b'{"format": 2, "zone": "UTC"}')
        with pytest.raises(ConfigurationError, match="begun by a later version"):
            keep(Archive(root), "other.xml")
        (root / "icsftps-archive.json").write_bytes(b"torn")
        with pytest.raises(ConfigurationError, match=r"icsftps-archive\.json cannot be read"):
            keep(Archive(root), "other.xml")

    def test_a_record_goes_through_json(self, archive):
        record = keep(archive, "sv\udce6r.xml")
        again = Record.from_data(json.loads(json.dumps(record.to_data())))
        assert again == record
        archive.confirm(again)


class TestCompleteness:
    SPAN = Span(MOMENT - 30 * DAY, MOMENT)

    def test_what_no_run_has_shown_is_a_gap(self, shelf):
        assert shelf.gaps(MOMENT - 2 * DAY, MOMENT) == [Span(MOMENT - 2 * DAY, MOMENT)]

    def test_the_ends_of_what_was_shown_are_told(self, shelf):
        shelf.cover(self.SPAN, {})
        assert shelf.gaps(MOMENT - 30 * DAY, MOMENT) == []
        assert shelf.gaps(MOMENT - 31 * DAY, MOMENT + DAY) == [
            Span(MOMENT - 31 * DAY, MOMENT - 30 * DAY),
            Span(MOMENT, MOMENT + DAY),
        ]

    def test_parts_of_a_second_are_not_claimed(self, shelf):
        part = timedelta(milliseconds=300)
        shelf.cover(Span(MOMENT - DAY + part, MOMENT + part), {})
        assert shelf.gaps(MOMENT - DAY, MOMENT + timedelta(seconds=1)) == [
            Span(MOMENT - DAY, MOMENT - DAY + timedelta(seconds=1)),
            Span(MOMENT, MOMENT + timedelta(seconds=1)),
        ]

    def test_a_file_that_went_unkept_is_a_gap_until_it_is_kept(self, archive, shelf):
        shelf.cover(self.SPAN, {})
        moment = MOMENT - DAY
        shelf.note_missing(OutboxEntry("svar.xml", 7, moment), {})
        assert shelf.gaps(MOMENT - 2 * DAY, MOMENT) == [Span(moment, moment + timedelta(seconds=1))]
        assert shelf.gaps(MOMENT - timedelta(hours=1), MOMENT) == []
        keep(archive, "svar.xml", modified=moment)
        assert shelf.gaps(MOMENT - 2 * DAY, MOMENT) == []

    @pytest.mark.parametrize(
        ("left", "later", "filled"),
        [(True, 0, True), (True, 24, True), (True, 25, False), (True, -1, False), (False, 0, True), (False, 1, False)],
    )
    def test_a_file_that_was_left_may_have_a_later_time_when_it_is_kept(self, left, later, filled, archive, shelf):
        """It was being written. A file that went is another one than the next of that name."""
        shelf.cover(self.SPAN, {})
        moment = MOMENT - 3 * DAY
        for name in ("svar.xml", "other.xml"):
            shelf.note_missing(OutboxEntry(name, 7, moment), {}, left=left)
        keep(archive, "other.xml", modified=moment)
        keep(archive, "svar.xml", modified=moment + timedelta(hours=later))
        gaps = shelf.gaps(MOMENT - 5 * DAY, MOMENT)
        assert gaps == ([] if filled else [Span(moment, moment + timedelta(seconds=1))])

    def test_a_record_that_was_removed_can_be_noted_by_hand(self, archive, shelf, root):
        """As the page on the archive says, where a record is damaged and there is no backup."""
        shelf.cover(self.SPAN, {})
        record = keep(archive, "svar.xml", modified=MOMENT - DAY)
        (root / record.folder / record.record).unlink()
        assert shelf.gaps(MOMENT - 2 * DAY, MOMENT) == []
        time, _, digest = record.record.removesuffix(".json").rpartition(".")[2].split("-")
        (shelf.folder / "listings" / f"gone_{time}_{digest}.json").write_bytes(b"")
        (gap,) = shelf.gaps(MOMENT - 2 * DAY, MOMENT)
        assert gap.since == MOMENT - DAY
        assert archive.verify().whole

    def test_another_gateways_runs_do_not_count(self, archive, shelf):
        shelf.cover(self.SPAN, {})
        assert archive.shelf(settings(port=6371)).gaps(MOMENT - DAY, MOMENT) != []


class TestVerify:
    @pytest.fixture
    def kept(self, archive):
        record = keep(archive, "svar.xml", b"<svar/>")
        keep(archive, "other.xml", b"<other/>")
        archive.shelf(settings()).cover(Span(MOMENT - DAY, MOMENT), {})
        assert archive.verify().problems == []
        archive.confirm(record)
        return record

    def problems(self, archive):
        return [(problem.kind, problem.is_damage) for problem in archive.verify().problems]

    @pytest.mark.parametrize(("content", "kind"), [(b"<svar", "size"), (b"<sv@r/>", "hash"), (None, "missing")])
    def test_a_content_that_is_not_what_it_was(self, content, kind, archive, kept):
        if content is None:
            archive.path(kept).unlink()
        else:
            archive.path(kept).write_bytes(content)
        assert self.problems(archive) == [(kind, True)]
        assert not archive.verify().whole
        with pytest.raises(TransferError, match=r"is not there|other content"):
            archive.confirm(kept)

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "name": "svar.xml"}'])
    def test_a_record_that_cannot_be_read(self, content, archive, kept, root):
        (root / kept.folder / kept.record).write_bytes(content)
        assert self.problems(archive) == [("record", True)]
        with pytest.raises(TransferError, match="is another one"):
            archive.confirm(kept)

    def test_a_record_of_another_file_or_day(self, archive, kept, root):
        content = (root / kept.folder / kept.record).read_bytes()
        (root / kept.folder / kept.record).write_bytes(content.replace(b'"svar.xml"', b'"xvar.xml"'))
        assert self.problems(archive) == [("record", True)]

    def test_a_record_without_the_content_that_was_fetched(self, archive, kept, root):
        content = (root / kept.folder / kept.record).read_bytes()
        (root / kept.folder / kept.record).write_bytes(content.replace(f'"{kept.content}"'.encode(), b"null"))
        assert self.problems(archive) == [("record", True)]

    def test_a_record_in_the_folder_of_another_day(self, archive, kept, root):
        there = (root / kept.folder).parent / "01"
        there.mkdir(parents=True, exist_ok=True)
        (there / kept.record).write_bytes((root / kept.folder / kept.record).read_bytes())
        assert self.problems(archive) == [("record", True)]

    def test_a_record_that_is_gone_cannot_be_confirmed(self, archive, kept, root):
        (root / kept.folder / kept.record).unlink()
        assert self.problems(archive) == [("stray", False)]
        with pytest.raises(TransferError, match="is not there"):
            archive.confirm(kept)

    def test_what_nobody_knows_is_a_stray_and_no_damage(self, archive, kept, root):
        for path in (f"{kept.folder}/notes.txt", "incoming/0123.part", f"{USERNAME}@gateway.test/listings/x"):
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"half")
        assert self.problems(archive) == [("stray", False)] * 3
        assert archive.verify().whole

    def test_it_tells_how_far_it_is(self, archive, kept):
        keep(archive, "later.xml", modified=MOMENT + DAY)
        seen = []
        found = archive.verify(lambda so_far: seen.append((so_far.days_done, so_far.days, so_far.records)))
        assert seen == [(1, 2, 2), (2, 2, 3)]
        assert (found.records, found.contents, found.bytes) == (3, 3, 22)

    def test_where_no_archive_is(self, tmp_path):
        with pytest.raises(ConfigurationError, match="There is no archive in"):
            Archive(tmp_path).verify()


@pytest.mark.parametrize("part", ["..", "", "a/b", "a\\b"])
def test_a_record_from_outside_leads_nowhere_else(part, tmp_path):
    record = keep(Archive(tmp_path), "svar.xml")
    for more in ({"record": part}, {"content": part}, {"folder": f"{record.folder}/{part}"}):
        if more == {"folder": f"{record.folder}/a/b"}:
            continue
        forged = Record.from_data(record.to_data() | more)
        with pytest.raises((ConfigurationError, TransferError)):
            Archive(tmp_path).confirm(forged)


@pytest.mark.parametrize("root", ["s3://bucket/archive", 5, object()])
def test_what_is_no_root(root):
    with pytest.raises(ConfigurationError, match="Archive"):
        Archive(root)


def test_a_zone_that_is_none(tmp_path):
    with pytest.raises(ConfigurationError, match="no time zone 'Denmark/Copenhagen'"):
        Archive(tmp_path, zone="Denmark/Copenhagen")


def test_a_relative_root_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    archive = Archive("archive")
    monkeypatch.chdir("/")
    keep(archive, "svar.xml")
    assert Path(tmp_path, "archive", "icsftps-archive.json").exists()
