"""The outbox and the archive are reconciled, over real TLS; whatever happens to a file meanwhile is told."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from archived import commands, forbid, remove

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayUnavailableError,
    LoginRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import GatewayClient, OutboxEntry, Span, fetch_one, reconcile
from airflow_provider_icsftps.simulator.transfers import TransferringConnection

NOW = datetime.now(UTC).replace(microsecond=0)
OLD = NOW - timedelta(days=2)
HOUR = timedelta(hours=1)


def contents(archive, shelf):
    return sorted((record.name, archive.path(record).read_bytes()) for record in shelf.records())


def names(shelf):
    return sorted(record.name for record in shelf.records())


class Meddler(GatewayClient):
    """A client, between whose listing and downloads something happens to the outbox."""

    def __init__(self, settings, **meddle):
        super().__init__(settings)
        self.meddle = meddle  # what is done before the download of a name, once

    def download(self, name, target, *, size=None):
        if act := self.meddle.pop(name, None):
            act()
        return super().download(name, target, size=size)


@contextmanager
def meddling(simulator, meddle):
    client = Meddler(simulator.settings())
    client.meddle = meddle
    with client:
        yield client


class TestARun:
    def test_everything_is_fetched_once_and_nothing_again(self, simulator, gateway, archive, shelf):
        for n in range(5):
            simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>" * n, modified=OLD + n * HOUR)
        first = reconcile(gateway, archive)
        assert first.fetched == [f"svar{n}.xml" for n in range(5)]
        assert (first.listed, first.kept_before, first.bytes, first.complete) == (5, 0, 70, True)
        before = simulator.connections.data
        second = reconcile(gateway, archive)
        assert (second.listed, second.kept_before, second.fetched, second.bytes) == (5, 5, [], 0)
        assert simulator.connections.data == before + 1  # one listing
        simulator.put_in_outbox("svar9.xml", b"<svar/>", modified=OLD)
        assert reconcile(gateway, archive).fetched == ["svar9.xml"]
        assert archive.verify().problems == []

    def test_a_file_of_a_time_that_was_complete_without_it_is_told(self, simulator, gateway, archive, shelf):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        assert reconcile(gateway, archive).late == []
        simulator.put_in_outbox("late.xml", b"<svar/>", modified=OLD)
        simulator.put_in_outbox("new.xml", b"<svar/>", modified=datetime.now(UTC) + HOUR)
        assert reconcile(gateway, archive).late == ["late.xml"]
        assert reconcile(gateway, archive).late == []

    def test_a_file_that_comes_back_is_told(self, simulator, archive, shelf):
        """Who asked for its time got a gap, and does not get it now."""
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        with meddling(simulator, {"svar.xml": lambda: remove(simulator, "svar.xml")}) as gateway:
            assert reconcile(gateway, archive).gone == ["svar.xml"]
            simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
            again = reconcile(gateway, archive)
            assert archive.shelf(gateway.settings).gaps(OLD - HOUR, OLD + HOUR) == []
        assert (again.fetched, again.late) == (["svar.xml"], ["svar.xml"])

    def test_a_filings_answers_say_what_they_answer(self, simulator, gateway, archive, shelf):
        gateway.upload(b"<a/>", service="Manifest", file_name="a.xml")
        assert reconcile(gateway, archive).complete
        found = {record.name: record for record in shelf.records()}
        assert sorted(record.digit for record in found.values() if record.digit is not None) == [1, 2, 3]
        assert len(found) == 4
        assert all(record.answers == {"service": "Manifest", "file_name": "a.xml"} for record in found.values())

    def test_names_that_differ_only_in_case_with_blanks_and_danish_letters(self, simulator, gateway, archive, shelf):
        given = {"svar.xml": b"1", "SVAR.xml": b"2", "svar æøå 1.xml": b"3", "Svar ÆØÅ 1.xml": b"4", "tom.xml": b""}
        for name, content in given.items():
            simulator.put_in_outbox(name, content, modified=OLD)
        assert reconcile(gateway, archive).complete
        assert dict(contents(archive, shelf)) == given
        assert reconcile(gateway, archive).kept_before == 5

    @pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
    def test_names_of_a_server_that_writes_latin_1(self, encoding, simulator, archive, monkeypatch):
        monkeypatch.setattr(TransferringConnection, "unicode_errors", "surrogateescape")  # bytes as they are
        raw = "svar æøå.xml".encode("latin-1")
        outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
        (outbox / raw.decode("utf-8", "surrogateescape")).write_bytes(b"<svar/>")
        with GatewayClient(simulator.settings(encoding=encoding)) as gateway:
            assert reconcile(gateway, archive).complete
            (record,) = archive.shelf(gateway.settings).records()
            assert record.name == raw.decode(encoding, "surrogateescape")
            assert archive.path(record).read_bytes() == b"<svar/>"
            assert reconcile(gateway, archive).kept_before == 1

    @pytest.mark.parametrize(("count", "mlsd"), [(1, True), (1, False), (20, True)])
    def test_a_name_that_cannot_be_used_here_is_told_and_not_counted_as_kept(self, count, mlsd, simulator, archive):
        """It is not fetched, so the archive must not say that it has every file of that time."""
        outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
        for number in range(count):
            path = outbox / f"svar\xa0{number}.xml"
            path.write_bytes(b"<svar/>")
            os.utime(path, (OLD.timestamp(),) * 2)
        if not mlsd:
            simulator.faults.no_mlsd()
        with GatewayClient(simulator.settings()) as gateway:
            summary = reconcile(gateway, archive)
            assert reconcile(gateway, archive, chosen="svar.xml".__eq__).complete
        assert sorted(summary.left_out) == sorted(f"svar\xa0{number}.xml" for number in range(count))
        assert not summary.complete
        (gap,) = archive.shelf(simulator.settings()).gaps(OLD - HOUR, OLD + HOUR)
        told = mlsd and count < 20  # else there may be more of them, or they may belong anywhere
        assert gap.until - gap.since == (timedelta(seconds=1) if told else 2 * HOUR)

    def test_without_mlsd_and_times_nothing_is_fetched_twice(self, simulator, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        simulator.faults.no_mlsd()
        with GatewayClient(simulator.settings()) as gateway:
            assert reconcile(gateway, archive).fetched == ["svar.xml"]
            assert reconcile(gateway, archive).fetched == []

    def test_a_chosen_file_alone_is_fetched_and_shows_nothing_about_the_rest(self, simulator, gateway, archive, shelf):
        for name in ("svar.xml", "other.xml"):
            simulator.put_in_outbox(name, b"<svar/>", modified=OLD)
        summary = reconcile(gateway, archive, chosen=frozenset({"svar.xml"}).__contains__)
        assert (summary.listed, summary.fetched, summary.covered) == (1, ["svar.xml"], None)
        assert shelf.gaps(OLD - HOUR, OLD + HOUR) == [Span(OLD - HOUR, OLD + HOUR)]

    def test_the_summary_says_where_each_file_lies_and_is_a_machines_to_read(self, simulator, gateway, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        for summary in (reconcile(gateway, archive), reconcile(gateway, archive)):
            (kept,) = summary.kept
            assert archive.path(kept).read_bytes() == b"<svar/>"
            told = json.loads(json.dumps(summary.to_data()))
            assert (told["listed"], "kept" in told) == (1, False)

    def test_it_tells_how_far_it_is(self, simulator, gateway, archive):
        for n in range(3):
            simulator.put_in_outbox(f"svar{n}.xml", b"x" * 10, modified=OLD)
        seen = []
        reconcile(gateway, archive, progress=seen.append)
        assert [(p.files, p.of_files, p.bytes, p.of_bytes) for p in seen] == [
            (1, 3, 10, 30),
            (2, 3, 20, 30),
            (3, 3, 30, 30),
        ]
        assert seen[-1].rate > 0

    def test_the_work_can_be_spread_over_sessions(self, simulator, gateway, archive, shelf):
        for n in range(4):
            simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>", modified=OLD)

        def each(work, entries):
            with GatewayClient(simulator.settings()) as other:
                for number, entry in enumerate(entries):
                    yield work(other if number % 2 else gateway, entry)

        assert len(reconcile(gateway, archive, each=each).fetched) == 4
        assert len(names(shelf)) == 4


class TestWhatHappensMeanwhile:
    def test_a_file_that_goes_is_told_and_leaves_a_gap(self, simulator, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        simulator.put_in_outbox("other.xml", b"<other/>", modified=OLD + HOUR)
        with meddling(simulator, {"svar.xml": lambda: remove(simulator, "svar.xml")}) as gateway:
            summary = reconcile(gateway, archive)
            shelf = archive.shelf(gateway.settings)
            assert (summary.gone, summary.fetched, summary.complete) == (["svar.xml"], ["other.xml"], False)
            (gap,) = shelf.gaps(OLD - HOUR, OLD + HOUR)
            assert (gap.since, gap.until) == (OLD, OLD + timedelta(seconds=1))
            assert reconcile(gateway, archive).complete
            assert shelf.gaps(OLD - HOUR, OLD + HOUR) != []  # a later run does not make it whole

    def test_a_file_that_another_run_kept_and_deleted_is_kept(self, simulator, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)

        def other_run():
            with GatewayClient(simulator.settings()) as other:
                assert reconcile(other, archive, delete=True).deleted == ["svar.xml"]

        with meddling(simulator, {"svar.xml": other_run}) as gateway:
            summary = reconcile(gateway, archive)
            assert (summary.gone, summary.fetched, summary.kept_before) == ([], [], 1)
            assert archive.shelf(gateway.settings).gaps(OLD - HOUR, OLD + HOUR) == []

    def test_a_file_that_changes_is_fetched_as_it_is_now(self, simulator, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        change = {"svar.xml": lambda: simulator.put_in_outbox("svar.xml", b"<svar2/>", modified=OLD + HOUR)}
        with meddling(simulator, change) as gateway:
            assert reconcile(gateway, archive).fetched == ["svar.xml"]
            (record,) = archive.shelf(gateway.settings).records()
            assert (archive.path(record).read_bytes(), record.moment) == (b"<svar2/>", OLD + HOUR)
            assert reconcile(gateway, archive).kept_before == 1

    def test_a_file_that_is_replaced_later_is_kept_beside_the_first_and_told(self, simulator, gateway, archive, shelf):
        simulator.put_in_outbox("svar.xml", b"<one/>", modified=OLD)
        assert reconcile(gateway, archive).conflicts == []
        simulator.put_in_outbox("svar.xml", b"<two/>", modified=OLD + timedelta(seconds=5))
        assert reconcile(gateway, archive).conflicts == ["svar.xml"]
        assert contents(archive, shelf) == [("svar.xml", b"<one/>"), ("svar.xml", b"<two/>")]

    def test_a_file_that_grows_is_left_for_the_next_run(self, simulator, archive):
        grown = iter(range(1, 1000))
        simulator.put_in_outbox("svar.xml", b"x")
        simulator.put_in_outbox("old.xml", b"old", modified=OLD)

        class Growing(GatewayClient):
            """Before each look at the file it has grown."""

            def look_at(self, name):
                simulator.put_in_outbox("svar.xml", b"x" * (10 * next(grown)))
                return super().look_at(name)

        with Growing(simulator.settings()) as gateway:
            summary = reconcile(gateway, archive)
            shelf = archive.shelf(gateway.settings)
            assert summary.fetched == ["old.xml"]
            assert "is still being written (1 bytes were fetched, it has 10 now)" in summary.postponed["svar.xml"]
            assert shelf.gaps(NOW - HOUR, NOW - HOUR / 2) == []
            assert names(shelf) == ["old.xml"]
            (hole,) = [path.name for path in (shelf.folder / "listings").glob("left_*.json")]
        simulator.put_in_outbox("svar.xml", b"x" * 99, modified=datetime.now(UTC) + timedelta(minutes=5))
        with GatewayClient(simulator.settings()) as gateway:
            assert reconcile(gateway, archive).fetched == ["svar.xml"]
        left = datetime.fromisoformat(hole.split("_")[1])
        shelf.cover(Span(left - HOUR, left + HOUR), {})
        assert shelf.gaps(left - HOUR, left + HOUR) == []  # it is the same file, with a later time

    def test_a_young_file_that_stands_still_is_kept_after_a_second_look(self, simulator, gateway, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>")
        begun = time.monotonic()
        assert reconcile(gateway, archive).fetched == ["svar.xml"]
        assert time.monotonic() - begun >= 1

    @pytest.mark.parametrize("reply", ["426 Transfer aborted.", "226 Transfer complete."])
    def test_a_download_that_is_cut_is_tried_again(self, reply, simulator, gateway, archive, shelf):
        simulator.put_in_outbox("svar.xml", b"x" * 5000, modified=OLD)
        simulator.faults.drop_after_bytes(1000, reply=reply, times=2)
        assert reconcile(gateway, archive).fetched == ["svar.xml"]
        assert contents(archive, shelf) == [("svar.xml", b"x" * 5000)]

    @pytest.mark.parametrize("reply", ["426 Transfer aborted.", "226 Transfer complete."])
    def test_a_download_that_is_cut_each_time_is_left_for_the_next_run(self, reply, simulator, gateway, archive, shelf):
        simulator.put_in_outbox("svar.xml", b"x" * 5000, modified=OLD)
        simulator.put_in_outbox("short.xml", b"x", modified=OLD + HOUR)
        simulator.faults.drop_after_bytes(1000, reply=reply, times=3)
        summary = reconcile(gateway, archive)
        assert summary.fetched == ["short.xml"]
        assert "/out/svar.xml" in summary.postponed["svar.xml"]
        assert shelf.gaps(OLD - HOUR, OLD) == []
        assert shelf.gaps(OLD, OLD + HOUR) != []
        again = reconcile(gateway, archive)
        assert (again.fetched, again.late) == (["svar.xml"], ["svar.xml"])  # the run of its time went without it
        assert shelf.gaps(OLD - HOUR, OLD + HOUR) == []
        assert archive.verify().problems == []

    def test_a_gateway_that_is_away_stops_the_run_and_what_was_fetched_stays(self, simulator, gateway, archive, shelf):
        for n in range(6):
            simulator.put_in_outbox(f"svar{n}.xml", b"x" * 100, modified=OLD + n * HOUR)

        def each(work, entries):
            for entry in entries:
                yield work(gateway, entry)
                simulator.faults.refuse_data_connection(times=None)

        with pytest.raises(GatewayUnavailableError, match=r"/out/svar3\.xml"):
            reconcile(gateway, archive, each=each)
        assert names(shelf) == ["svar0.xml"]
        assert shelf.gaps(OLD, OLD + HOUR) != []
        simulator.faults.clear()
        assert reconcile(gateway, archive).fetched == [f"svar{n}.xml" for n in range(1, 6)]

    def test_a_login_that_is_refused_stops_the_run_after_one_attempt(self, simulator, gateway, archive):
        for n in range(3):
            simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>", modified=OLD)

        def each(work, entries):
            gateway.close()
            simulator.faults.refuse_login(times=None)
            for entry in entries:
                yield work(gateway, entry)

        before = commands(simulator, "PASS")
        with pytest.raises(LoginRefusedError):
            reconcile(gateway, archive, each=each)
        assert commands(simulator, "PASS") == before + 1

    def test_a_file_that_is_there_and_may_not_be_read_is_not_told_as_gone(self, simulator, archive, monkeypatch):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        forbid(monkeypatch, "r")
        with GatewayClient(simulator.settings()) as gateway:
            summary = reconcile(gateway, archive)
        assert (summary.gone, summary.fetched) == ([], [])
        assert "550" in summary.postponed["svar.xml"]

    @pytest.mark.parametrize("before", [False, True], ids=["a new time", "a time that was complete"])
    def test_a_file_that_was_left_and_goes_before_the_next_run_leaves_a_gap(self, before, simulator, archive, shelf):
        with GatewayClient(simulator.settings()) as gateway:
            if before:
                assert reconcile(gateway, archive).complete
            simulator.put_in_outbox("svar.xml", b"x" * 5000, modified=OLD)
            simulator.faults.drop_after_bytes(1000, times=3)
            assert list(reconcile(gateway, archive).postponed) == ["svar.xml"]
            assert shelf.gaps(OLD, OLD + timedelta(seconds=1)) != []
            remove(simulator, "svar.xml")
            assert reconcile(gateway, archive).complete
        assert shelf.gaps(OLD - HOUR, OLD + HOUR) == [Span(OLD, OLD + timedelta(seconds=1))]

    def test_a_file_that_goes_is_known_also_when_the_run_breaks_off(self, simulator, archive, shelf):
        def break_off():
            raise LoginRefusedError("refused")

        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        simulator.put_in_outbox("other.xml", b"<other/>", modified=OLD + HOUR)
        meddle = {"svar.xml": lambda: remove(simulator, "svar.xml"), "other.xml": break_off}
        with meddling(simulator, meddle) as gateway:
            with pytest.raises(LoginRefusedError):
                reconcile(gateway, archive)
            assert reconcile(gateway, archive).complete
        assert shelf.gaps(OLD - HOUR, OLD + HOUR) == [Span(OLD, OLD + timedelta(seconds=1))]

    def test_a_file_that_goes_is_known_also_when_it_alone_was_wanted(self, simulator, archive, shelf):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        with meddling(simulator, {"svar.xml": lambda: remove(simulator, "svar.xml")}) as gateway:
            assert reconcile(gateway, archive, chosen="svar.xml".__eq__).gone == ["svar.xml"]
            assert reconcile(gateway, archive).complete
        assert shelf.gaps(OLD - HOUR, OLD + HOUR) == [Span(OLD, OLD + timedelta(seconds=1))]

    def test_a_file_that_changes_each_time_is_left_for_the_next_run(self, simulator, archive):
        sizes = iter(range(10, 100))
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)

        class Changing(GatewayClient):
            """Before each download the file is another one."""

            def download(self, name, target, *, size=None):
                simulator.put_in_outbox(name, b"x" * next(sizes), modified=OLD)
                return super().download(name, target, size=size)

        with Changing(simulator.settings()) as gateway:
            summary = reconcile(gateway, archive)
            assert "changed each time that it was fetched" in summary.postponed["svar.xml"]
            assert names(archive.shelf(gateway.settings)) == []
        assert next(sizes) == 13  # three attempts

    def test_an_archive_that_breaks_while_a_file_comes_stops_the_run(self, simulator, archive):
        def breaks():
            incoming = archive.root / "incoming"
            incoming.rmdir()
            incoming.write_bytes(b"a file")

        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        with (
            meddling(simulator, {"svar.xml": breaks}) as gateway,
            pytest.raises(TransferError, match=r"incoming/.+cannot write it .+; nothing was kept") as caught,
        ):
            reconcile(gateway, archive)
        assert caught.value.local
        assert commands(simulator, "SIZE") == 0  # the gateway is not asked about a fault of this machine

    def test_an_archive_that_cannot_be_written_stops_the_run(self, simulator, gateway, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        archive.root.mkdir()
        (archive.root / "incoming").write_bytes(b"a file")
        with pytest.raises(TransferError, match=r"Archive: .+incoming cannot be written"):
            reconcile(gateway, archive)


class TestWhatARunHasShown:
    def test_a_file_left_behind_whose_time_nobody_tells_may_belong_anywhere(self, simulator, archive, monkeypatch):
        usual = GatewayClient.list_outbox
        monkeypatch.setattr(GatewayClient, "list_outbox", lambda client, **_: usual(client, times=False))
        simulator.faults.no_mlsd()
        simulator.put_in_outbox("svar.xml", b"x" * 5000, modified=OLD)
        with GatewayClient(simulator.settings()) as gateway:
            simulator.faults.drop_after_bytes(1000, times=3)
            assert reconcile(gateway, archive).covered is None
            assert reconcile(gateway, archive).covered is not None

    @pytest.mark.parametrize(
        "window",
        [
            Span(NOW - timedelta(days=60), NOW - timedelta(days=50)),
            Span(OLD + timedelta(milliseconds=100), OLD + timedelta(milliseconds=900)),
        ],
        ids=["longer ago than the outbox keeps", "less than a second"],
    )
    def test_nothing_is_told_where_nothing_is_shown(self, window, gateway, archive, shelf):
        assert reconcile(gateway, archive, window=window).covered is None
        assert shelf.gaps(window.since, window.until) == [window]


class TestOneFile:
    def test_what_is_not_there(self, gateway, archive):
        with pytest.raises(FileNotAvailableError, match=r"/out/svar\.xml"):
            fetch_one(gateway, OutboxEntry("svar.xml", 7, OLD), archive)
        assert list((archive.root / "incoming").iterdir()) == []

    def test_what_nothing_is_known_of_but_its_name(self, simulator, gateway, archive):
        simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
        record = fetch_one(gateway, OutboxEntry("svar.xml"), archive)
        assert (record.size, record.sha256) == (7, sha256(b"<svar/>").hexdigest())
        assert record.time_source == "fetched"
