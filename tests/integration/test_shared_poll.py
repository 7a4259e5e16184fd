"""Many waits, one poll: what they share, and what each keeps to itself."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import AirflowException
from processes import free_port

from airflow_provider_icsftps.exceptions import GatewayUnavailableError, LoginRefusedError
from airflow_provider_icsftps.gateway import _kept_session
from airflow_provider_icsftps.hooks._fields import aread_fields
from airflow_provider_icsftps.simulator import GatewaySimulator
from airflow_provider_icsftps.triggers import _outbox, _poll
from airflow_provider_icsftps.triggers._outbox import outbox_finds

LONG = 600.0


def waiting(pattern="*.xml", *, interval=0.1, seconds=40.0, conn_id="icsftps_default", warn=print, found=None):
    """A wait for the first names that match a pattern; ``None`` when its time is up."""

    async def wait():
        finds = outbox_finds(
            conn_id,
            found or (lambda names: names.matching(pattern)),
            poke_interval=interval,
            deadline=datetime.now(UTC) + timedelta(seconds=seconds),
            warn=warn,
        )
        async with aclosing(finds):
            async for names in finds:
                return names
        return None

    return asyncio.create_task(wait())


async def reached(what, seconds=30.0):
    ends = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def nothing_is_left():
    _poll._REFUSALS.clear()
    yield
    assert _outbox._POLLS == {}
    ends = time.monotonic() + 30
    while threads := [thread.name for thread in threading.enumerate() if thread.name.startswith("icsftps-outbox")]:
        assert time.monotonic() < ends, threads
        time.sleep(0.01)


def again(simulator, directory):
    """The same gateway after a restart: the same port, certificates and files."""
    return GatewaySimulator(services=["Manifest"], port=simulator.port, directory=directory)


@pytest.fixture
def restartable(tmp_path, identities, monkeypatch):
    """A gateway that can be stopped and started again, on a port that nobody is given meanwhile; with a connection."""
    directory = shutil.copytree(identities, tmp_path / "state")
    with GatewaySimulator(services=["Manifest"], port=free_port(), directory=directory) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
        yield simulator, directory


class TestSharing:
    def test_hundreds_of_waits_are_one_session_and_one_listing_an_interval(self, connection, simulator):
        async def run():
            waits = [waiting(f"{number}.xml", interval=0.5) for number in range(400)]
            await reached(lambda: simulator.connections.listings >= 2)
            before, begun = simulator.connections.listings, time.monotonic()
            await asyncio.sleep(2)
            listings, intervals = simulator.connections.listings - before, (time.monotonic() - begun) / 0.5
            for number in range(400):
                simulator.put_in_outbox(f"{number}.xml", b"1")
            return listings, intervals, await asyncio.gather(*waits)

        listings, intervals, found = asyncio.run(run())
        assert found == [[f"{number}.xml"] for number in range(400)]
        assert 1 <= listings <= intervals + 1
        assert simulator.connections.accepted == simulator.connections.logins == 1

    def test_the_connection_is_read_once_for_those_that_begin_together(self, connection, simulator, monkeypatch):
        readings = []

        async def counted(conn_id):
            readings.append(conn_id)
            return await aread_fields(conn_id)

        monkeypatch.setattr(_outbox, "aread_fields", counted)

        async def run():
            waits = [waiting(f"{number}.xml") for number in range(100)]
            for number in range(100):
                simulator.put_in_outbox(f"{number}.xml", b"1")
            await asyncio.gather(*waits)

        asyncio.run(run())
        assert readings == ["icsftps_default"]

    def test_a_reading_that_fails_is_an_error_for_each_alone(self, connection, monkeypatch):
        monkeypatch.delenv("AIRFLOW_CONN_ICSFTPS_DEFAULT")

        async def run():
            return await asyncio.gather(waiting(), waiting(), return_exceptions=True)

        one, other = asyncio.run(run())
        assert isinstance(one, AirflowException)
        assert isinstance(other, AirflowException)
        assert one is not other

    def test_other_connections_do_not_share(self, connection, simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(simulator.connection()))

        async def run():
            waits = [waiting(conn_id=conn_id) for conn_id in ("icsftps_default", "other") * 3]
            await reached(lambda: simulator.connections.listings >= 4)
            simulator.put_in_outbox("a.xml", b"1")
            return await asyncio.gather(*waits)

        assert asyncio.run(run()) == [["a.xml"]] * 6
        assert simulator.connections.accepted == 2

    def test_another_certificate_sees_its_own_outbox(self, connection, simulator, monkeypatch):
        other = simulator.client_certificate()
        monkeypatch.setenv("AIRFLOW_CONN_OTHER", json.dumps(simulator.connection(other)))
        simulator.put_in_outbox("ours.xml", b"1")
        simulator.put_in_outbox("theirs.xml", b"1", username=other.username)

        async def run():
            return await asyncio.gather(waiting(), waiting(conn_id="other"))

        assert asyncio.run(run()) == [["ours.xml"], ["theirs.xml"]]

    def test_what_is_wrong_with_one_wait_ends_no_other(self, connection, simulator):
        def wrong(names):
            raise ZeroDivisionError("planted")

        async def run():
            bad, good = waiting(found=wrong), waiting()
            with pytest.raises(RuntimeError, match="not foreseen") as error:
                await bad
            simulator.put_in_outbox("a.xml", b"1")
            return error.value, await good

        error, found = asyncio.run(run())
        assert isinstance(error.__cause__, ZeroDivisionError)
        assert found == ["a.xml"]


class TestTime:
    def test_an_answer_comes_within_the_own_interval_beside_a_shorter_and_a_longer_one(self, connection, simulator):
        async def run():
            waits = [waiting(f"{name}.xml", interval=interval) for name, interval in (("a", LONG), ("b", 0.3))]
            await reached(lambda: simulator.connections.listings >= 2)
            begun = time.monotonic()
            simulator.put_in_outbox("a.xml", b"1")
            simulator.put_in_outbox("b.xml", b"1")
            found = await asyncio.gather(*waits)
            return time.monotonic() - begun, found

        took, found = asyncio.run(run())
        assert found == [["a.xml"], ["b.xml"]]
        assert took < 15

    def test_when_the_hasty_one_has_left_the_others_keep_their_interval(self, connection, simulator):
        async def run():
            hasty, patient = waiting("a.xml", interval=0.05), waiting("b.xml", interval=1.0)
            await reached(lambda: simulator.connections.listings >= 3)
            hasty.cancel()
            await asyncio.sleep(0.3)
            before, begun = simulator.connections.listings, time.monotonic()
            await reached(lambda: simulator.connections.listings >= before + 2)
            intervals = time.monotonic() - begun
            simulator.put_in_outbox("b.xml", b"1")
            return intervals, await patient

        intervals, found = asyncio.run(run())
        assert intervals > 0.6  # from one look to the next; the hasty one's would be a tenth
        assert found == ["b.xml"]

    def test_a_new_wait_gets_its_first_answer_at_once_from_a_fresh_listing(self, connection, simulator):
        async def run():
            first = waiting("b.xml", interval=LONG, seconds=LONG)
            await reached(lambda: simulator.connections.listings == 1)
            simulator.put_in_outbox("a.xml", b"1")  # after the listing that the first one saw
            begun = time.monotonic()
            found = await waiting("a.xml", interval=LONG, seconds=LONG)
            took = time.monotonic() - begun
            first.cancel()
            return took, found

        took, found = asyncio.run(run())
        assert found == ["a.xml"]
        assert took < 20
        assert simulator.connections.listings == 2

    def test_waits_that_begin_during_a_look_share_the_next_one(self, connection, simulator):
        simulator.faults.slow_replies(0.6, times=5)

        async def run():
            waits = [waiting("x.xml", interval=LONG, seconds=LONG)]
            await reached(lambda: simulator.connections.accepted == 1)
            for _ in range(50):
                waits.append(waiting("x.xml", interval=LONG, seconds=LONG))
                await asyncio.sleep(0.002)
            await reached(lambda: simulator.connections.listings >= 2)
            await asyncio.sleep(1.5)  # a third one would have come by now
            listings = simulator.connections.listings
            for wait in waits:
                wait.cancel()
            return listings

        assert asyncio.run(run()) == 2

    def test_time_limits_of_single_waits_hold(self, connection):
        async def run():
            begun = time.monotonic()
            ends = {}

            async def one(seconds):
                assert await waiting(interval=LONG, seconds=seconds) is None
                ends[seconds] = time.monotonic() - begun

            await asyncio.gather(one(0.5), one(4.0), one(8.0))
            return ends

        for limit, ended in asyncio.run(run()).items():
            assert limit <= ended < limit + 3.5

    def test_a_last_look_is_taken_when_the_time_is_up(self, connection, simulator):
        async def run():
            wait = waiting(interval=LONG, seconds=4)
            await reached(lambda: simulator.connections.listings == 1)
            simulator.put_in_outbox("a.xml", b"1")
            return await wait

        assert asyncio.run(run()) == ["a.xml"]


class TestLeaving:
    def test_cancelling_one_leaves_the_others_alone(self, connection, simulator):
        async def run():
            waits = [waiting(f"{number}.xml") for number in range(20)]
            await reached(lambda: simulator.connections.listings >= 2)
            for wait in waits[:10]:
                wait.cancel()
            for number in range(20):
                simulator.put_in_outbox(f"{number}.xml", b"1")
            return await asyncio.gather(*waits, return_exceptions=True)

        ends = asyncio.run(run())
        assert all(isinstance(end, asyncio.CancelledError) for end in ends[:10])
        assert ends[10:] == [[f"{number}.xml"] for number in range(10, 20)]
        assert simulator.connections.accepted == 1

    def test_the_last_one_closes_the_session_and_leaves_nothing(self, connection, simulator):
        async def run():
            waits = [waiting(interval=LONG, seconds=LONG) for _ in range(3)]
            await reached(lambda: simulator.connections.listings)
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)
            await reached(lambda: len(asyncio.all_tasks()) == 1)
            return [entry.line for entry in simulator.transcript if entry.sender == "client"][-1]

        assert asyncio.run(run()) == "QUIT"

    def test_leaving_in_the_middle_of_a_look_ends_at_once_and_closes_afterwards(self, connection, simulator):
        simulator.faults.slow_replies(3.0, times=2)

        async def run():
            wait = waiting()
            await reached(lambda: simulator.connections.accepted)
            begun = time.monotonic()
            wait.cancel()
            await asyncio.wait([wait])
            return time.monotonic() - begun

        assert asyncio.run(run()) < 2
        assert [entry.line for entry in simulator.transcript if entry.sender == "client"][-1] == "QUIT"

    def test_one_that_comes_when_the_last_one_goes_is_served(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")

        async def run():
            return [await waiting() for _ in range(5)]

        assert asyncio.run(run()) == [["a.xml"]] * 5

    def test_a_wait_that_is_cancelled_before_it_begins_leaves_nothing(self, connection):
        async def run():
            await aread_fields("icsftps_default")
            wait = waiting()
            while not _outbox._POLLS:
                await asyncio.sleep(0)
            wait.cancel()

        asyncio.run(run())


def test_after_days_of_failures_the_next_is_borne_like_the_first(connection, simulator):
    """The pause has long been the longest; 2 to the power of so many failures is no float any more."""
    simulator.stop()
    told = []

    async def run():
        wait = waiting(seconds=8, warn=told.append)
        await reached(lambda: told)
        (poll,) = _outbox._POLLS.values()
        poll._failures = 2000
        return await wait

    with pytest.raises(GatewayUnavailableError):
        asyncio.run(run())


class TestRefusal:
    def test_a_refused_login_ends_all_waits_alike_after_one_attempt(self, simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection() | {"password": "wrong"}))

        async def run():
            first = await asyncio.gather(*(waiting() for _ in range(100)), return_exceptions=True)
            return first + await asyncio.gather(*(waiting() for _ in range(20)), return_exceptions=True)

        errors = asyncio.run(run())
        assert {type(error) for error in errors} == {LoginRefusedError}
        assert len({str(error) for error in errors}) == 1
        assert len({id(error) for error in errors}) == 120  # each may be raised and logged by itself
        assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1

    def test_another_password_is_tried_at_once(self, simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection() | {"password": "wrong"}))
        simulator.put_in_outbox("a.xml", b"1")

        async def run():
            with pytest.raises(LoginRefusedError):
                await waiting()
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
            return await waiting()

        assert asyncio.run(run()) == ["a.xml"]

    def test_the_same_one_is_tried_again_after_a_while(self, connection, simulator, monkeypatch):
        monkeypatch.setattr(_poll, "_REFUSAL_LASTS", 0.0)
        simulator.faults.refuse_login(times=1)
        simulator.put_in_outbox("a.xml", b"1")

        async def run():
            with pytest.raises(LoginRefusedError):
                await waiting()
            return await waiting()

        assert asyncio.run(run()) == ["a.xml"]


class TestOutage:
    def test_waits_outlive_a_restart_of_the_gateway(self, restartable):
        simulator, directory = restartable
        told = []

        async def run():
            waits = [waiting(f"{number}.xml", interval=0.1, warn=told.append) for number in range(10)]
            await reached(lambda: simulator.connections.listings >= 2)
            await asyncio.to_thread(simulator.stop)
            await reached(lambda: len(told) >= 20)  # the first and the second failure
            with again(simulator, directory) as restarted:
                for number in range(10):
                    restarted.put_in_outbox(f"{number}.xml", b"1")
                found = await asyncio.gather(*waits)
                return found, restarted.connections.logins

        found, logins = asyncio.run(run())
        assert found == [[f"{number}.xml"] for number in range(10)]
        assert logins == 1
        assert all("that failed, the next in" in line for line in told)

    def test_failures_are_told_rarely_and_their_end_is_told(self, restartable, monkeypatch):
        monkeypatch.setattr(_poll, "_LONGEST_PAUSE", 0.02)
        simulator, directory = restartable
        told = []

        async def run():
            wait = waiting(warn=told.append)
            await reached(lambda: simulator.connections.listings >= 2)
            await asyncio.to_thread(simulator.stop)
            await reached(lambda: any("Look 16 " in line for line in told))
            with again(simulator, directory) as restarted:
                await reached(lambda: any("was listed" in line for line in told))
                restarted.put_in_outbox("a.xml", b"1")
                return await wait

        assert asyncio.run(run()) == ["a.xml"]
        counts = [int(line.split()[1]) for line in told if line.startswith("Look ")]
        assert counts == [1, 2, 4, 8, 16, 32, 64, 128, 256][: len(counts)]

    def test_a_wait_whose_time_is_up_meanwhile_ends_with_the_failure(self, restartable):
        simulator, _ = restartable

        async def run():
            wait = waiting(seconds=3.5)
            begun = time.monotonic()
            await reached(lambda: simulator.connections.listings)
            await asyncio.to_thread(simulator.stop)
            with pytest.raises(GatewayUnavailableError):
                await wait
            return time.monotonic() - begun

        assert 3.4 < asyncio.run(run()) < 15

    def test_a_421_is_borne(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        simulator.faults.busy_421(times=2)

        async def run():
            return await waiting()

        assert asyncio.run(run()) == ["a.xml"]
        assert simulator.connections.accepted == 3

    def test_a_listing_that_breaks_off_is_taken_again(self, connection, simulator):
        simulator.faults.half_written_listing()
        for number in range(50):
            simulator.put_in_outbox(f"{number}.xml", b"1")

        async def run():
            return await waiting()

        assert len(asyncio.run(run())) == 50

    def test_a_session_is_renewed_before_servers_forget_its_tls_session(self, connection, simulator, monkeypatch):
        monkeypatch.setattr(_kept_session, "SESSION_LIFETIME", 1.0)

        async def run():
            wait = waiting(interval=0.1)
            await reached(lambda: simulator.connections.accepted >= 3)
            simulator.put_in_outbox("a.xml", b"1")
            return await wait

        assert asyncio.run(run()) == ["a.xml"]
        assert simulator.connections.listings > simulator.connections.accepted

    def test_no_session_idles_through_a_long_interval(self, connection, simulator, monkeypatch):
        monkeypatch.setattr(_poll, "_LONGEST_IDLE", 0.1)

        async def run():
            wait = waiting(interval=0.2)
            await reached(lambda: simulator.connections.listings >= 3)
            simulator.put_in_outbox("a.xml", b"1")
            return await wait

        assert asyncio.run(run()) == ["a.xml"]
        assert simulator.connections.accepted == simulator.connections.listings


class TestAnEditedConnection:
    def test_waits_go_on_by_its_new_values_when_a_session_has_to_be_opened(self, restartable, simulator, monkeypatch):
        old, _ = restartable
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(old.connection()))

        async def run():
            waits = [waiting(f"{number}.xml", interval=0.1) for number in range(5)]
            await reached(lambda: old.connections.listings >= 2)
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
            await asyncio.sleep(0.3)
            assert simulator.connections.accepted == 0  # the session that is open goes on
            await asyncio.to_thread(old.stop)
            for number in range(5):
                simulator.put_in_outbox(f"{number}.xml", b"1")
            return await asyncio.gather(*waits)

        assert asyncio.run(run()) == [[f"{number}.xml"] for number in range(5)]
        assert simulator.connections.accepted == 1

    def test_one_that_cannot_be_read_is_used_as_it_was(self, restartable, monkeypatch):
        simulator, directory = restartable

        async def run():
            wait = waiting(interval=0.1)
            await reached(lambda: simulator.connections.listings >= 2)
            monkeypatch.delenv("AIRFLOW_CONN_ICSFTPS_DEFAULT")
            await asyncio.to_thread(simulator.stop)
            with again(simulator, directory) as restarted:
                restarted.put_in_outbox("a.xml", b"1")
                return await wait

        assert asyncio.run(run()) == ["a.xml"]
