"""Many files over a few sessions: order, limits, slow and broken sessions, cancelling, memory."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from moments import within

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    GatewayUnavailableError,
    LoginRefusedError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway import (
    Done,
    Filing,
    Fleet,
    FleetCancelledError,
    Journal,
    OutboxNames,
    Patience,
    file_all,
    file_each,
)
from airflow_provider_icsftps.gateway._door import Door, Member
from airflow_provider_icsftps.gateway.evidence import Listing
from airflow_provider_icsftps.simulator import GatewaySimulator

SCOPE = "dag/task/run"


def filings(count, size=0):
    return [
        Filing(source=(b"<m>%d</m>" % n).ljust(size), service="Manifest", scope=SCOPE, source_name=f"{n}.xml")
        for n in range(count)
    ]


def filed(simulator):
    return sorted(upload.file_name for upload in simulator.uploads if upload.filed)


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def passwords(simulator):
    return sum(entry.line.startswith("PASS") for entry in simulator.transcript)


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    before = threading.active_count()
    yield
    assert threading.active_count() <= before  # one of another test may have ended meanwhile


@pytest.fixture
def _heeds_ctrl_c():
    """A shell that starts the tests in the background lets them ignore it."""
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, usual)


def size_in_service(gateway, name):
    """Some work that asks the gateway."""
    return gateway.stored_size("Manifest", name)


class TestOrderAndBounds:
    @pytest.mark.parametrize("sessions", [1, 2, 4])
    def test_results_come_in_the_order_of_the_items(self, simulator, sessions):
        def work(gateway, number):
            gateway.stored_size("Manifest", f"{number}.xml")
            time.sleep(0.01 * (number % 3))
            return number

        with Fleet(simulator.settings(), sessions) as fleet:
            done = list(fleet.run(work, range(30)))
        assert done == [Done(number, number) for number in range(30)]
        assert simulator.connections.logins <= sessions

    def test_there_are_no_more_sessions_than_work(self, simulator):
        with Fleet(simulator.settings(), 8) as fleet:
            assert [done.get() for done in fleet.run(size_in_service, ["a.xml"])] == [None]
            assert simulator.connections.logins == 1
            assert list(fleet.run(size_in_service, [])) == []
            assert simulator.connections.logins == 1

    def test_a_session_is_kept_for_the_next_run(self, simulator):
        with Fleet(simulator.settings(), 2) as fleet:
            for _ in range(3):
                list(fleet.run(size_in_service, ["a.xml"]))
            list(fleet.run(size_in_service, [f"{n}.xml" for n in range(20)]))
        assert simulator.connections.logins == 2

    @pytest.mark.timeout(60)
    def test_one_run_may_be_inside_another(self, simulator):
        """The end of the inner one waits for its own threads alone; those of the outer one still wait for work."""
        names = [f"{n}.xml" for n in range(6)]
        with Fleet(simulator.settings(), 2) as fleet:
            for outer in fleet.run(size_in_service, names, look_ahead=1):
                assert [inner.item for inner in fleet.run(size_in_service, names)] == names
                assert outer.error is None

    def test_an_error_is_a_value(self, simulator):
        def work(gateway, name):
            gateway.delete(name)

        with Fleet(simulator.settings(), 2) as fleet:
            done = list(fleet.run(work, ["a", "b", "c"]))
        assert [type(one.error) for one in done] == [FileNotAvailableError] * 3
        with pytest.raises(FileNotAvailableError):
            done[0].get()

    @pytest.mark.parametrize("sessions", [1, 3])
    def test_a_mistake_in_the_work_is_raised_and_ends_everything(self, simulator, sessions):
        def work(gateway, number):
            gateway.stored_size("Manifest", "a.xml")
            return 1 // (number - 5)

        with pytest.raises(ZeroDivisionError), Fleet(simulator.settings(), sessions) as fleet:
            list(fleet.run(work, range(1000)))

    def test_ten_thousand_items_are_not_held(self, simulator):
        taken, most = [0], [0]
        open_before = open_files()

        def items():
            for number in range(10_000):
                taken[0] += 1
                yield number

        def work(gateway, number):
            if number % 1000 == 0:
                gateway.stored_size("Manifest", "a.xml")
            return number

        with Fleet(simulator.settings(), 4) as fleet:
            for given, done in enumerate(fleet.run(work, items(), look_ahead=16)):
                assert done.get() == given
                most[0] = max(most[0], taken[0] - given)
                if given % 1000 == 0:
                    assert open_files() - open_before <= 20  # both ends of 4 sessions
        assert most[0] <= 17


class TestLimits:
    @pytest.mark.parametrize("reply", ["530 Too many sessions.", "421 Too many connections."])
    @pytest.mark.parametrize("limit", [1, 2])
    def test_fewer_sessions_do_the_work_and_one_line_says_so(self, simulator, caplog, reply, limit):
        simulator.faults.limit_sessions(limit, reply)
        with caplog.at_level(logging.WARNING), Fleet(simulator.settings(), 4) as fleet:
            submissions = file_all(fleet, filings(20))
        assert len(filed(simulator)) == len(submissions) == 20
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith(f"Going on with {limit} session{'s' * (limit > 1)}: ")
        assert reply[4:] in line
        assert simulator.connections.accepted == limit + 1  # one was refused, and none tried after it

    @pytest.mark.parametrize("reply", ["530 Too many sessions.", "421 Too many connections."])
    def test_a_lost_session_that_is_not_let_in_again_leaves_its_work_to_the_others(self, simulator, reply):
        in_the_middle = threading.Event()

        def work(gateway, number):
            gateway.stored_size("Manifest", "a.xml")
            if number == 20 and not in_the_middle.is_set():
                simulator.faults.limit_sessions(1, reply)
                gateway.close()  # it is lost, and must come in again
                in_the_middle.set()
            elif number > 20:
                in_the_middle.wait(10)  # so that there is another session, at work
            gateway.stored_size("Manifest", "a.xml")
            return number

        with Fleet(simulator.settings(), 2) as fleet:
            done = [one.get() for one in fleet.run(work, range(40))]
        assert done == list(range(40))
        assert simulator.connections.accepted == 3

    def test_a_wrong_password_is_tried_once(self, simulator):
        with Fleet(simulator.settings(password="wrong"), 4) as fleet:
            outcomes = file_each(fleet, filings(20))
        assert passwords(simulator) == 1
        assert [outcome.state for outcome in outcomes] == ["failed"] + ["not tried"] * 19
        assert isinstance(outcomes[0].error, LoginRefusedError)

    def test_a_password_that_was_changed_meanwhile_is_tried_at_most_twice(self, simulator):
        """One session cannot tell a limit from a wrong password; the last one can."""
        changed = threading.Event()

        def work(gateway, number):
            gateway.stored_size("Manifest", "a.xml")
            if number >= 8 and not changed.is_set():
                changed.set()
                simulator.faults.refuse_login(times=None)
            if number >= 8:
                gateway.close()
            return gateway.stored_size("Manifest", "a.xml")

        with Fleet(simulator.settings(), 4) as fleet:
            done = list(fleet.run(work, range(40)))
        refused = [entry for entry in simulator.transcript if entry.line.startswith("530")]
        assert 1 <= len(refused) <= 2
        assert isinstance(done[-1].error, LoginRefusedError)

    def test_a_password_that_was_refused_is_not_sent_again_by_the_next_run(self, simulator):
        with Fleet(simulator.settings(password="wrong"), 4) as fleet:
            for _ in range(2):
                done = list(fleet.run(size_in_service, ["a.xml", "b.xml", "c.xml"]))
                assert {type(one.error) for one in done} == {LoginRefusedError}
        assert passwords(simulator) == 1

    @pytest.mark.timeout(60)
    def test_a_refusal_after_all_sessions_were_closed_is_about_the_password(self, simulator):
        """Sessions that are closed are not in: the next one that is refused is not one too many."""
        with Fleet(simulator.settings(), 3) as fleet:
            assert [one.error for one in fleet.run(size_in_service, ["a.xml", "b.xml", "c.xml"])] == [None] * 3
            fleet.close()
            simulator.faults.refuse_login(times=None)
            done = list(fleet.run(size_in_service, ["a.xml", "b.xml", "c.xml"]))
        assert {type(one.error) for one in done} == {LoginRefusedError}
        assert len([entry for entry in simulator.transcript if entry.line.startswith("530")]) == 1

    def test_a_gateway_that_cannot_prove_who_it_is_is_no_limit(self, simulator):
        settings = simulator.settings()
        with (
            GatewaySimulator() as stranger,
            Fleet(dataclasses.replace(settings, port=stranger.settings().port), 3) as fleet,
        ):
            done = list(fleet.run(size_in_service, ["a.xml", "b.xml", "c.xml"]))
            assert stranger.connections.logins == 0
        assert {type(one.error) for one in done} == {UntrustedGatewayError}

    def test_the_first_is_in_before_another_knocks(self, simulator):
        simulator.faults.slow_replies(0.05, connection=1)
        with Fleet(simulator.settings(), 4) as fleet:
            file_all(fleet, filings(12))
        lines = [(entry.connection, entry.line) for entry in simulator.transcript]
        first_in = lines.index((1, "230 Login successful."))
        assert all(connection == 1 for connection, _ in lines[:first_in])


class TestSlowAndBroken:
    def test_a_slow_session_does_not_hold_the_others_up(self, simulator):
        simulator.faults.slow_replies(0.25, connection=2)
        with Fleet(simulator.settings(), 3) as fleet:
            file_all(fleet, filings(60))
        assert len(filed(simulator)) == 60
        stored = [entry.connection for entry in simulator.transcript if entry.line.startswith("STOR")]
        assert stored.count(2) < 15 < stored.count(1)  # a third of all is 20

    def test_a_session_that_is_dropped_comes_again(self, simulator):
        simulator.faults.drop_control_before_226(times=3, skip=10)
        with Fleet(simulator.settings(), 4) as fleet:
            bearing = Patience(30, sleep=lambda _: None)
            file_all(fleet, filings(40), Journal(), bearing)
        assert len(filed(simulator)) == len(set(filed(simulator))) == 40

    def test_who_waits_at_the_door_takes_the_outage_that_another_found(self, simulator, monkeypatch):
        """The name server fails while one session logs in anew and a further one waits for its turn."""
        queue, outage, at_the_door, lookups = threading.Lock(), threading.Event(), threading.Event(), []
        look_up = socket.getaddrinfo

        class Turns:
            """The door's lock; it tells when somebody has to wait for it."""

            def __enter__(self):
                if not queue.acquire(blocking=False):
                    at_the_door.set()
                    queue.acquire()

            def __exit__(self, *_):
                queue.release()

        def name_server(*question, **more):
            if not outage.is_set():
                return look_up(*question, **more)
            lookups.append(threading.current_thread().name)
            assert at_the_door.wait(15)
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

        def work(gateway, number):
            if number == 0:
                gateway.stored_size("Manifest", "a.xml")
                gateway.close()
                outage.set()
            return gateway.stored_size("Manifest", "a.xml")

        def numbers():
            yield from range(2)
            assert outage.wait(15)
            yield 2  # when it is handed out, a further session is started

        monkeypatch.setattr(socket, "getaddrinfo", name_server)
        with Fleet(simulator.settings(), 2) as fleet:
            fleet.door._lock = Turns()
            results = fleet.run(work, numbers())
            with pytest.raises(GatewayUnavailableError, match="the host name is not known"):
                next(results).get()
            assert {type(one.error) for one in results} == {GatewayUnavailableError}
        assert lookups[0] == "icsftps-session-1"
        assert "icsftps-session-2" not in lookups

    def test_an_outage_is_waited_for_once(self, simulator):
        now, pauses, lock = [0.0], [], threading.Lock()

        def sleep(seconds):
            with lock:
                pauses.append(seconds)
            if seconds:
                now[0] += seconds

        with Fleet(simulator.settings(), 4) as fleet:
            list(fleet.run(size_in_service, [f"{n}.xml" for n in range(12)]))
            simulator.close_window("421")
            simulator.faults.drop_control_after_stor(times=4)
            bearing = Patience(100, sleep=sleep, clock=lambda: now[0])
            outcomes = file_each(fleet, filings(40), Journal(), bearing)
        assert isinstance(next(o.error for o in outcomes if o.error), GatewayUnavailableError)
        assert now[0] <= 100
        assert "not tried" in {outcome.state for outcome in outcomes}


class TestOneFilingOfOneContent:
    def test_equal_files_are_filed_once(self, simulator):
        equal = [dataclasses.replace(filing, source=b"<same/>") for filing in filings(20)]
        with Fleet(simulator.settings(), 4) as fleet:
            submissions = file_all(fleet, [*equal, *filings(10)])
        assert len(set(submissions[:20])) == 1
        assert len(filed(simulator)) == 11

    def test_the_outbox_is_listed_once_for_all(self, simulator):
        with Fleet(simulator.settings(), 4) as fleet:
            file_all(fleet, filings(40))
        assert simulator.connections.listings == 1

    def test_a_retry_over_other_sessions_sends_nothing(self, simulator):
        for sessions in (4, 1, 3):
            with Fleet(simulator.settings(), sessions) as fleet:
                file_all(fleet, filings(30), Journal(complete=False))
        assert len(simulator.uploads) == 30


class TestListing:
    class Slow:
        """Lists when it is let; stands for a session whose listing takes its time."""

        def __init__(self, *names):
            self.names = names
            self.asked, self.may = threading.Event(), threading.Event()

        def outbox_names(self):
            self.asked.set()
            assert self.may.wait(10)
            return OutboxNames(self.names)

    def test_a_listing_that_began_before_a_failure_is_never_taken_after_it(self):
        """Whichever ends first: the older one neither goes out after the failure nor displaces the newer one."""
        listing = Listing()
        old, new = self.Slow("old"), self.Slow("new")
        new.may.set()
        thread = threading.Thread(target=listing.names, args=(old, 0))
        thread.start()
        assert old.asked.wait(10)
        since = listing.now()  # a transfer fails
        old.may.set()
        thread.join()
        assert set(listing.names(new, since)) == {"new"}
        late = self.Slow("late")
        thread = threading.Thread(target=listing.names, args=(late, listing.now()))
        thread.start()
        assert late.asked.wait(10)
        newest = self.Slow("newest")
        newest.may.set()
        assert set(listing.names(newest, listing.now())) == {"newest"}
        late.may.set()
        thread.join()
        assert set(listing.names(late, 0)) == {"newest"}


def test_a_fleet_of_no_sessions_is_refused(simulator):
    with pytest.raises(ConfigurationError, match="sessions is 0"):
        Fleet(simulator.settings(), 0)


class TestCancelling:
    @pytest.mark.parametrize("sessions", [1, 4])
    def test_what_is_under_way_is_broken_off(self, simulator, sessions):
        simulator.faults.slow_completion(30, times=None)
        fleet = Fleet(simulator.settings(), sessions)
        timer = threading.Timer(0.7, fleet.cancel)
        timer.start()
        began = time.monotonic()
        with pytest.raises(FleetCancelledError), fleet:
            file_all(fleet, filings(8), Journal(), Patience(900, sleep=fleet.pause))
        timer.join()
        assert time.monotonic() - began < 15  # half of what one file would have taken

    def test_a_pause_is_broken_off(self, simulator):
        simulator.close_window("421")
        fleet = Fleet(simulator.settings(), 4)
        timer = threading.Timer(0.5, fleet.cancel)
        timer.start()
        with pytest.raises(FleetCancelledError), fleet:
            file_all(fleet, filings(8), Journal(), Patience(900, sleep=fleet.pause))
        timer.join()

    @pytest.mark.usefixtures("_heeds_ctrl_c")
    def test_ctrl_c_ends_every_session(self, simulator):
        simulator.faults.slow_completion(30, times=None)
        timer = threading.Timer(0.7, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt), Fleet(simulator.settings(), 4) as fleet:
            file_all(fleet, filings(8), Journal(), Patience(900, sleep=fleet.pause))
        timer.join()
        assert time.monotonic() - began < 15  # half of what one file would have taken

    def test_a_cut_upload_is_not_ended_like_a_whole_one(self):
        """A gateway that takes a bare FIN for the end of a file gets none."""
        with GatewaySimulator(cut_uploads="accept") as simulator:
            fleet = Fleet(simulator.settings(), 2)

            class Endless:
                """Gives blocks until the fleet is cancelled, and after that for as long as it is asked."""

                blocks = 0

                def readinto(self, block):
                    self.blocks += 1
                    if self.blocks == 3:
                        fleet.cancel()
                    return len(block)

            def work(gateway, name):
                gateway.upload(Endless(), service="Manifest", file_name=name)

            with pytest.raises(FleetCancelledError), fleet:
                list(fleet.run(work, ["a.xml", "b.xml"]))
            within(20, lambda: simulator.uploads)
            assert not any(upload.whole for upload in simulator.uploads)

    def test_who_has_no_session_yet_has_nothing_to_lose(self, simulator):
        with Member(simulator.settings(), Door()) as member:
            member.sever()
            assert list(member.outbox_names()) == []

    def test_a_pause_that_nobody_breaks_off_is_a_pause(self, simulator):
        began = time.monotonic()
        Fleet(simulator.settings()).pause(0.05)
        assert time.monotonic() - began >= 0.05

    @pytest.mark.parametrize("sessions", [1, 3])
    @pytest.mark.timeout(60)
    def test_a_run_that_is_not_taken_to_its_end_does_not_hold_the_fleet(self, simulator, sessions):
        """The iterator is kept, so nothing but the fleet itself ends the run: its threads would wait for ever."""
        with Fleet(simulator.settings(), sessions) as fleet:
            results = fleet.run(size_in_service, (f"{n}.xml" for n in range(100)), look_ahead=4)
            assert next(results).get() is None
        with pytest.raises(FleetCancelledError):
            list(results)
        simulator.check()

    def test_leaving_the_iteration_early_ends_it(self, simulator):
        with Fleet(simulator.settings(), 4) as fleet:
            for done in fleet.run(size_in_service, (f"{n}.xml" for n in range(1000))):
                assert done.error is None
                break
