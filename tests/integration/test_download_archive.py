"""The download operator and the archive: windows, backfills, gaps."""

from __future__ import annotations

import contextlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_task import context
from moments import keep_off_midnight

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway import Archive
from airflow_provider_icsftps.operators import _download
from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator, IcsFtpsUploadOperator
from airflow_provider_icsftps.simulator import GatewaySimulator, SimulatedClock, answering

DANISH = pendulum.timezone("Europe/Copenhagen")


def moment(text):
    return pendulum.parse(text, tz=DANISH)


def run(since=None, until=None, *, conf=None, key=None, kind="scheduled"):
    """A run's context; its data interval is Danish time."""
    dag_run = SimpleNamespace(conf=conf, partition_key=key, run_type=kind)
    interval = {"data_interval_start": since and moment(since), "data_interval_end": until and moment(until)}
    return context() | {"dag_run": dag_run} | (interval if since else {})


@pytest.fixture
def fetch(connection, tmp_path):
    def fetch(given=None, **arguments):
        operator = IcsFtpsDownloadOperator(task_id="fetch", **{"archive": str(tmp_path / "archive")} | arguments)
        given = given or run()
        paths = operator.execute(given)
        assert all(Path(path).is_file() for path in paths)
        return [Path(path).name.split("~")[0] for path in paths]

    return fetch


@pytest.fixture
def at(monkeypatch):
    """A gateway on another day, in the place of the one of today."""
    with contextlib.ExitStack() as running:

        def make(moment):
            simulator = GatewaySimulator(clock=SimulatedClock(moment))
            running.enter_context(simulator)
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
            return simulator

        yield make


def days_ago(days):
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)


@pytest.fixture
def november(simulator, monkeypatch):
    """Four files and a status file around two midnights, which the gateway keeps however long ago that was."""
    monkeypatch.setattr(answering, "_KEPT_IN_OUTBOX", timedelta(days=36500))
    for name, when in (
        ("a.xml", "2026-11-10T23:59:59"),
        ("b.xml", "2026-11-11T00:00:00"),
        ("status_Manifest_m.xml_1.xml", "2026-11-11T12:00:00"),
        ("c.xml", "2026-11-11T23:59:59"),
        ("d.xml", "2026-11-12T00:00:00"),
    ):
        simulator.put_in_outbox(name, name.encode(), modified=moment(when))
    return simulator


class TestWindow:
    DAY = ("2026-11-11", "2026-11-12")

    @pytest.mark.parametrize(
        ("given", "arguments"),
        [
            (run(*DAY), {}),
            (run(), {"since": "2026-11-11", "until": "2026-11-12"}),
            (run(), {"since": "2026-11-10T23:00:00Z", "until": moment("2026-11-12")}),
            (run("2026-01-01", "2026-01-02"), {"since": "2026-11-11", "until": "2026-11-12"}),
            (run("2026-01-01", "2026-01-02", conf={"since": "2026-11-11", "until": "2026-11-12"}), {}),
            (run(key="2026-11-11"), {}),
            (run(key="2026-11-11T00:00:00"), {}),
        ],
        ids=["interval", "arguments", "other zones", "arguments first", "conf before interval", "day", "midnight"],
    )
    def test_the_files_of_a_danish_day_are_returned_in_order(self, given, arguments, fetch, november):
        assert fetch(given, **arguments) == ["b", "c"]

    @pytest.mark.parametrize(
        ("key", "names"), [("2026-11", ["a", "b", "c", "d"]), ("2026-11-11T00", ["b"]), ("2026-11-11T23:00", ["c"])]
    )
    def test_a_partition_may_be_a_month_or_an_hour(self, key, names, fetch, november):
        assert fetch(run(key=key)) == names

    def test_status_files_come_along_when_asked_for(self, fetch, november):
        assert fetch(run(*self.DAY), status_files=True) == ["b", "status_Manifest_m.xml_1", "c"]

    def test_a_pattern_chooses(self, fetch, november):
        assert fetch(run(*self.DAY), pattern="status_*") == ["status_Manifest_m.xml_1"]

    def test_a_run_about_no_time_returns_what_the_outbox_holds(self, fetch, november):
        assert fetch() == ["a", "b", "c", "d"]

    @pytest.mark.parametrize(
        ("given", "arguments", "words"),
        [
            (run("2026-11-11", "2026-11-11"), {}, "Use CronDataIntervalTimetable"),
            (run(key="response.xml"), {}, "no day, month or hour"),
            (run(key="2026-13-45"), {}, "is no moment"),
            (run(), {"since": "2026-11-11"}, "both are needed"),
            (run(), {"since": "yesterday", "until": "2026-11-11"}, "since='yesterday' is no moment"),
            (run(), {"since": "2026-11-12", "until": "2026-11-11"}, "is not before"),
            (run(), {"on_gap": "stop"}, "none of warn, fail"),
            (run(), {"target": "x"}, "either archive"),
            (run(), {"archive": None}, "either archive"),
            (run(), {"archive": None, "target": "x", "pattern": "*", "delete_archived": True}, "need an archive"),
        ],
    )
    def test_what_makes_no_sense_is_told_in_one_line(self, given, arguments, words, fetch):
        with pytest.raises(AirflowFailException, match=words):
            fetch(given, **arguments)

    @pytest.mark.parametrize(
        ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)], ids=["the missing hour", "the doubled hour"]
    )
    def test_each_file_belongs_to_one_day_when_the_clocks_change(self, day, hours, fetch, at):
        begin = moment(day)
        simulator = at(datetime.fromisoformat(begin.add(days=3).isoformat()))
        for hour in range(-1, hours + 1):
            simulator.put_in_outbox(f"h{hour:02d}.xml", b"1", modified=begin.add(hours=hour))
        days = [begin.add(days=n) for n in (-1, 0, 1)]
        found = [fetch(run(str(d), str(d.add(days=1)))) for d in days]
        assert [["h-1"], [f"h{hour:02d}" for hour in range(hours)], [f"h{hours:02d}"]] == found

    def test_the_hour_that_is_shown_twice_is_one_partition(self, fetch, at):
        """Both have the same key, so a run about one of them would leave the other to nobody."""
        begin = moment("2026-10-25T01:00")
        simulator = at(datetime.fromisoformat(begin.add(days=3).isoformat()))
        for hour in range(4):
            simulator.put_in_outbox(f"h{hour}.xml", b"1", modified=begin.add(hours=hour))
        found = [fetch(run(key=f"2026-10-25T0{hour}")) for hour in (1, 2, 3)]
        assert found == [["h0"], ["h1", "h2"], ["h3"]]

    def test_the_hour_that_is_not_shown_is_a_partition_without_files(self, fetch, at):
        """A timetable in UTC has a key for it; its files would come twice, with the next hour's."""
        begin = moment("2026-03-29T01:00")
        simulator = at(datetime.fromisoformat(begin.add(days=3).isoformat()))
        for hour in range(3):
            simulator.put_in_outbox(f"h{hour}.xml", b"1", modified=begin.add(hours=hour))
        found = [fetch(run(key=f"2026-03-29T0{hour}")) for hour in (1, 2, 3, 4)]
        assert found == [["h0"], [], ["h1"], ["h2"]]


class TestOnce:
    def test_a_second_run_fetches_nothing_and_returns_the_same(self, fetch, november, simulator):
        first = fetch(run("2026-11-11", "2026-11-12"))
        before = simulator.connections
        assert fetch(run("2026-11-11", "2026-11-12")) == first
        now = simulator.connections
        assert (now.listings - before.listings, now.data - before.data) == (1, 1)

    def test_the_archive_answers_when_the_outbox_has_forgotten(self, fetch, november, gateway):
        first = fetch(run("2026-11-11", "2026-11-12"))
        for entry in gateway.list_outbox():
            gateway.delete(entry.name)
        assert fetch(run("2026-11-11", "2026-11-12")) == first

    def test_every_run_but_a_backfills_fetches_everything(self, fetch, november, tmp_path):
        fetch(run("2026-11-11", "2026-11-12", kind="backfill"))
        kept = sorted(path.name.split("~")[0] for path in tmp_path.glob("archive/*/out/*/*/*/*.xml"))
        assert kept == ["b", "c", "status_Manifest_m.xml_1"]
        fetch(run("2026-11-11", "2026-11-12"))
        assert len(list(tmp_path.glob("archive/*/out/*/*/*/*.xml"))) == 5

    def test_named_files_alone_are_fetched_and_come_in_their_order(self, fetch, november, tmp_path, gateway):
        assert fetch(responses=["c.xml", "a.xml"]) == ["c", "a"]
        assert len(list(tmp_path.glob("archive/*/out/*/*/*/*.xml"))) == 2
        for entry in gateway.list_outbox():
            gateway.delete(entry.name)
        assert fetch(responses=["c.xml", "a.xml"]) == ["c", "a"]

    def test_a_named_file_is_found_in_the_archive_after_years(self, fetch, at):
        simulator = at(days_ago(1000))
        simulator.put_in_outbox("old.xml", b"1")
        assert fetch(responses="old.xml") == ["old"]
        simulator.clock.advance(days=1000)
        assert fetch() == []
        assert fetch(responses="old.xml") == ["old"]

    def test_a_named_file_that_is_nowhere_is_an_error(self, fetch):
        with pytest.raises(AirflowFailException, match=r"gone\.xml lies neither in the outbox nor in the archive"):
            fetch(responses=["gone.xml"])

    def test_what_is_kept_is_deleted_only_when_asked_for(self, fetch, november, simulator):
        fetch()
        assert len(simulator.outbox()) == 5
        fetch(delete_archived=True)
        assert simulator.outbox() == []


class TestParallel:
    def test_many_files_come_over_several_sessions_and_one_at_a_time(self, fetch, simulator):
        for number in range(60):
            simulator.put_in_outbox(f"{number:02d}.xml", b"1" * 5000, modified=days_ago(1))
        assert fetch() == [f"{number:02d}" for number in range(60)]
        assert 2 <= simulator.connections.accepted <= 5  # the one that listed, then at most four
        assert sum(entry.line.startswith("RETR ") for entry in simulator.transcript) == 60

    def test_a_gateway_that_takes_one_session_gets_one(self, fetch, simulator):
        simulator.faults.limit_sessions(1, times=None)
        for number in range(20):
            simulator.put_in_outbox(f"{number:02d}.xml", b"1", modified=days_ago(1))
        assert fetch(delete_archived=True) == [f"{number:02d}" for number in range(20)]
        assert simulator.outbox() == []


class TestFiled:
    def test_what_is_filed_is_kept_with_its_content(self, connection, tmp_path, simulator):
        source = tmp_path / "manifest.xml"
        source.write_bytes(b"<manifest/>")
        operator = IcsFtpsUploadOperator(
            task_id="file", source=str(source), service="Manifest", archive=str(tmp_path / "archive")
        )
        for _ in range(2):
            submission = operator.execute(context())
        archive = Archive(str(tmp_path / "archive"))
        (record,) = archive.shelf(simulator.settings()).records(kind="filed")
        assert record.name == submission["file_name"]
        assert archive.path(record).read_bytes() == b"<manifest/>"
        assert archive.verify().whole

    @pytest.fixture
    def filing(self, connection, tmp_path):
        (tmp_path / "manifest.xml").write_bytes(b"<manifest/>")
        (tmp_path / "archive").mkdir()
        arguments = {"source": str(tmp_path / "manifest.xml"), "archive": str(tmp_path / "archive")}
        return IcsFtpsUploadOperator(task_id="file", service="Manifest", **arguments)

    def test_an_archive_that_makes_no_sense_is_told_before_anything_is_sent(self, filing, tmp_path, simulator):
        (tmp_path / "archive" / "icsftps-archive.json").write_text('{"format": 2, "zone": "UTC"}')
        with pytest.raises(AirflowFailException, match="was begun by a later version"):
            filing.execute(context())
        assert simulator.uploads == []

    def test_an_archive_that_cannot_be_written_does_not_look_as_if_nothing_was_filed(self, filing, tmp_path, simulator):
        shelf = Archive(str(tmp_path / "archive")).shelf(simulator.settings())
        shelf.folder.write_text("in the way")
        words = r"^Filed, but not kept in the archive: .*cannot be read.* Trying again files nothing twice$"
        with pytest.raises(TransferError, match=words):
            filing.execute(context())
        shelf.folder.unlink()
        filing.execute(context(try_number=2))
        assert len(simulator.uploads) == 1


class TestTheOldGateway:
    """Both gateways stand side by side during a change-over; the old one only gives out files."""

    @pytest.fixture
    def old(self, identities, tmp_path, monkeypatch):
        directory = shutil.copytree(identities, tmp_path / "old")
        with GatewaySimulator(legacy=True, directory=directory) as old:
            connection = old.connection()
            connection["extra"] = connection["extra"] | {"read_only": True}
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_LEGACY", json.dumps(connection))
            yield old

    def test_both_fill_one_archive_and_each_returns_its_own(self, fetch, simulator, old, tmp_path):
        simulator.put_in_outbox("same.xml", b"new", modified=days_ago(1))
        for number in range(10):
            old.put_in_outbox(f"left_{number}.xml", b"old", modified=days_ago(20))
        old.put_in_outbox("same.xml", b"old", modified=days_ago(20))
        assert fetch() == ["same"]
        left = sorted([*(f"left_{number}" for number in range(10)), "same"])
        assert sorted(fetch(icsftps_conn_id="icsftps_legacy")) == left
        archive = Archive(str(tmp_path / "archive"))
        assert len(archive.shelves()) == 2
        assert archive.verify().whole

    def test_what_breaks_off_goes_on_where_it_was(self, fetch, old, simulator):
        for number in range(10):
            old.put_in_outbox(f"left_{number}.xml", b"old" * 1000, modified=days_ago(20))
        old.faults.drop_after_bytes(100, times=9)
        fetch(icsftps_conn_id="icsftps_legacy")
        before = sum(entry.line.startswith("RETR ") for entry in old.transcript)
        assert len(fetch(icsftps_conn_id="icsftps_legacy")) == 10
        again = sum(entry.line.startswith("RETR ") for entry in old.transcript) - before
        assert again < 10

    def test_an_upload_is_refused_before_connecting(self, old, tmp_path):
        source = tmp_path / "manifest.xml"
        source.write_bytes(b"<manifest/>")
        operator = IcsFtpsUploadOperator(
            task_id="file", source=str(source), service="Manifest", icsftps_conn_id="icsftps_legacy"
        )
        with pytest.raises(AirflowFailException, match="ReadOnlyGatewayError"):
            operator.execute(context())
        assert old.connections.accepted == 0


class TestGaps:
    def summary(self, tmp_path, given, **arguments):
        operator = IcsFtpsDownloadOperator(task_id="fetch", archive=str(tmp_path / "archive"), **arguments)
        operator.execute(given)
        return given["ti"].pushed["summary"]

    def day(self, ago):
        begin = pendulum.instance(days_ago(ago)).in_timezone(DANISH).start_of("day")
        return run(str(begin), str(begin.add(days=1)))

    def test_a_day_that_the_outbox_still_holds_has_none(self, connection, tmp_path):
        assert self.summary(tmp_path, self.day(5))["gaps"] == []

    def test_a_day_older_than_the_outbox_is_told(self, connection, tmp_path, capsys):
        summary = self.summary(tmp_path, self.day(45))
        assert summary["gaps"] == [summary["window"]]
        assert "no complete look into the outbox covers that time" in capsys.readouterr().out

    def test_the_day_on_which_the_archive_begins_is_told_in_part(self, connection, tmp_path):
        keep_off_midnight(DANISH)
        summary = self.summary(tmp_path, self.day(30))
        ((gap),) = summary["gaps"]
        assert gap["since"] == summary["window"]["since"]
        assert gap["until"] < summary["window"]["until"]

    def test_a_gap_fails_the_task_if_asked_to(self, connection, tmp_path):
        with pytest.raises(AirflowFailException, match="IncompleteArchiveError: It is not known whether"):
            self.summary(tmp_path, self.day(45), on_gap="fail")

    def test_a_file_that_comes_late_for_its_day_is_named_and_the_day_returns_it(
        self, simulator, connection, tmp_path, capsys
    ):
        day = self.day(5)
        assert self.summary(tmp_path, day)["names"] == []
        simulator.put_in_outbox("late.xml", b"<svar/>", modified=day["data_interval_start"].add(hours=3))
        assert self.summary(tmp_path, self.day(4))["late"] == ["late.xml"]
        assert "late.xml is of a time that an earlier run has looked through without it" in capsys.readouterr().out
        assert self.summary(tmp_path, day)["names"] == ["late.xml"]

    def test_a_file_that_was_left_for_the_next_run_is_named_there_and_its_day_returns_it(
        self, simulator, connection, tmp_path, capsys
    ):
        """The next run is about another day: without a word nobody would ever get the file."""
        day = self.day(5)
        simulator.put_in_outbox("a.xml", b"1" * 100_000, modified=day["data_interval_start"].add(hours=3))
        simulator.faults.drop_after_bytes(50_000, times=3)
        first = self.summary(tmp_path, day)
        assert (list(first["postponed"]), first["names"]) == (["a.xml"], [])
        assert first["gaps"] != []
        following = self.summary(tmp_path, self.day(4))
        assert (following["fetched"], following["names"], following["late"]) == (["a.xml"], [], ["a.xml"])
        assert "a.xml is of a time that an earlier run has looked through without it" in capsys.readouterr().out
        again = self.summary(tmp_path, day)
        assert (again["names"], again["gaps"]) == (["a.xml"], [])

    def test_a_retry_returns_what_was_left_and_does_not_tell_to_clear_itself(
        self, simulator, connection, tmp_path, capsys
    ):
        simulator.put_in_outbox("a.xml", b"1" * 100_000, modified=self.day(5)["data_interval_start"].add(hours=3))
        simulator.faults.drop_after_bytes(50_000, times=3)
        self.summary(tmp_path, self.day(5))
        assert self.summary(tmp_path, self.day(5))["names"] == ["a.xml"]
        assert "looked through without it" not in capsys.readouterr().out

    def test_a_backfilled_day_is_complete_by_itself(self, connection, tmp_path):
        given = self.day(5)
        given["dag_run"].run_type = "backfill"
        assert self.summary(tmp_path, given)["gaps"] == []
        given = self.day(6)
        given["dag_run"].run_type = "backfill"
        assert self.summary(tmp_path, given)["gaps"] == []

    def test_a_pattern_has_the_gaps_of_what_nobody_has_looked_through(self, simulator, connection, tmp_path):
        """It looks through less than the outbox, but as far back; nothing of that is noted for others."""
        assert self.summary(tmp_path, self.day(5), pattern="*.xml", on_gap="fail")["gaps"] == []
        long_ago = self.summary(tmp_path, self.day(45), pattern="*.xml")
        assert long_ago["gaps"] == [long_ago["window"]]
        with pytest.raises(AirflowFailException, match="IncompleteArchiveError"):
            self.summary(tmp_path, self.day(45), pattern="*.xml", on_gap="fail")
        shelf = Archive(str(tmp_path / "archive")).shelf(simulator.settings())
        assert shelf.gaps(days_ago(5), days_ago(4)) != []

    def test_a_file_that_matches_a_pattern_and_was_left_is_a_gap(self, simulator, connection, tmp_path):
        simulator.put_in_outbox("a.xml", b"1" * 100_000, modified=self.day(5)["data_interval_start"].add(hours=3))
        simulator.faults.drop_after_bytes(50_000, times=3)
        (gap,) = self.summary(tmp_path, self.day(5), pattern="*.xml")["gaps"]
        assert (datetime.fromisoformat(gap["until"]) - datetime.fromisoformat(gap["since"])) > timedelta(seconds=0)
        assert self.summary(tmp_path, self.day(5), pattern="*.xml")["gaps"] == []

    def test_a_window_that_has_just_ended_is_given_time_to_settle(self, connection, tmp_path, monkeypatch):
        monkeypatch.setattr(_download, "SETTLED", timedelta(seconds=1))
        now = pendulum.now("UTC").start_of("second")
        begun = datetime.now(UTC)
        self.summary(tmp_path, run(str(now.subtract(days=1)), str(now)))
        assert datetime.now(UTC) - begun > timedelta(seconds=0.9)


class TestTrouble:
    def test_what_is_postponed_is_told_and_a_named_file_fails_the_try(self, fetch, simulator, capsys):
        simulator.put_in_outbox("a.xml", b"1" * 100_000, modified=days_ago(1))
        simulator.faults.drop_after_bytes(50_000, times=None)
        assert fetch() == []
        assert "a.xml: left for the next run" in capsys.readouterr().out
        with pytest.raises(TransferError, match=r"a\.xml could not be fetched yet"):
            fetch(responses="a.xml")
        simulator.faults.clear()
        assert fetch() == ["a"]

    def test_an_earlier_content_is_not_taken_for_one_that_could_not_be_fetched(self, fetch, simulator):
        simulator.put_in_outbox("a.xml", b"<old/>", modified=days_ago(20))
        assert fetch() == ["a"]
        simulator.put_in_outbox("a.xml", b"<new/>" * 20_000, modified=days_ago(1))
        simulator.faults.drop_after_bytes(50_000, times=None)
        with pytest.raises(TransferError, match=r"a\.xml could not be fetched yet"):
            fetch(responses="a.xml")
