"""The doorbell: what rings it, what does not, and that nothing ends it."""

import asyncio
import contextlib
import itertools
import json
import logging
from importlib.metadata import version
from types import SimpleNamespace

import pytest
from airflow.sdk import serde
from airflow.sdk.module_loading import import_string
from airflow_task import carried
from packaging.version import Version

import airflow_provider_icsftps.triggers.icsftps as module
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames
from airflow_provider_icsftps.simulator.transfers import TransferringConnection
from airflow_provider_icsftps.triggers import _lookout
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsOutboxEventTrigger


@pytest.fixture(autouse=True)
def impatience(monkeypatch):
    for name in ("_SHORTEST_PAUSE", "_LOOK_AT_CONNECTION"):
        monkeypatch.setattr(_lookout, name, 0.1)


def doorbell(**arguments):
    """A trigger as the triggerer has it: made again from its serialised form."""
    given = {"pattern": "*.xml", "poke_interval": 0.05} | arguments
    path, kwargs = IcsFtpsOutboxEventTrigger(**given).serialize()
    return import_string(path)(**serde.deserialize(serde.serialize(kwargs)))


@contextlib.asynccontextmanager
async def running(trigger):
    """Run a trigger; give the events so far and a way to wait for the next one."""
    events: asyncio.Queue = asyncio.Queue()

    async def run():
        async for event in trigger.run():
            events.put_nowait(carried(event.payload))
        raise AssertionError("a watcher never ends")

    task = asyncio.create_task(run())

    async def following(seconds=30.0):
        getting = asyncio.create_task(events.get())
        await asyncio.wait([getting, task], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        return getting.result() if getting.done() else getting.cancel() and None

    try:
        yield following
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def logins(simulator):
    return sum(entry.line.startswith("PASS") for entry in simulator.transcript)


async def until(condition):
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.02)


class TestRinging:
    def test_a_burst_is_one_event_and_silence_after_it(self, connection, simulator):
        for number in range(300):
            simulator.put_in_outbox(f"{number:03}.xml", b"1")
        simulator.put_in_outbox("other.txt", b"1")

        async def listen():
            async with running(doorbell()) as following:
                event = await following()
                assert (event["new"], event["waiting"], len(event["names"])) == (300, 300, 20)
                assert await following(0.5) is None
                simulator.put_in_outbox("late.xml", b"1")
                assert await following() == {"names": ["late.xml"], "new": 1, "waiting": 301}

        asyncio.run(listen())

    def test_a_name_that_is_no_text_rings_and_can_be_told(self, connection, simulator, monkeypatch):
        """Airflow's processes speak UTF-8: an event with the name as it is would end the whole triggerer."""
        monkeypatch.setattr(TransferringConnection, "unicode_errors", "surrogateescape")  # bytes as they are
        outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
        (outbox / "sv\udce6r.xml").write_bytes(b"<svar/>")

        async def listen():
            async with running(doorbell()) as following:
                assert await following() == {"names": ["sv\\udce6r.xml"], "new": 1, "waiting": 1}

        asyncio.run(listen())

    def test_a_name_that_comes_back_rings(self, connection, simulator, gateway):
        simulator.put_in_outbox("a.xml", b"1")

        async def listen():
            async with running(doorbell()) as following:
                assert (await following())["new"] == 1
                gateway.delete("a.xml")
                looks = simulator.connections.listings
                await until(lambda: simulator.connections.listings >= looks + 2)  # one that did not show it is over
                assert await following(0.1) is None
                simulator.put_in_outbox("a.xml", b"1")
                assert (await following())["new"] == 1

        asyncio.run(listen())

    def test_it_rings_for_everything_after_a_restart(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")

        async def listen():
            for _ in range(2):
                async with running(doorbell()) as following:
                    assert (await following())["names"] == ["a.xml"]

        asyncio.run(listen())

    def test_it_rings_again_and_again_more_and_more_seldom_while_files_wait(self, monkeypatch):
        now = 1000
        rung = {}
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))

        async def listings():
            nonlocal now
            for second in range(100_000):
                now = 1000 + second
                yield OutboxNames([] if second == 90_000 else ["a.xml", "b.txt"])

        async def listen():
            trigger = doorbell(ring_again=300, poke_interval=1)
            async for event in trigger.filter_shared_stream(listings()):
                rung[now - 1000] = event.payload["new"]

        asyncio.run(listen())
        gaps = [later - earlier for earlier, later in itertools.pairwise(rung)]
        growing = [300 * 2**n for n in range(7)]
        assert gaps[:9] == [*growing, 6 * 3600, 6 * 3600]
        gone_and_back = 90_001
        assert [second for second, new in rung.items() if new] == [0, gone_and_back]
        assert [second for second in rung if second > gone_and_back][:3] == [90_301, 90_901, 92_101]


class TestTrouble:
    def test_a_refused_login_is_one_attempt_until_the_connection_changes(self, simulator, monkeypatch, caplog):
        simulator.put_in_outbox("a.xml", b"1")
        right = simulator.connection()
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(right | {"password": "planted-secret-7"}))

        async def listen():
            async with running(doorbell()) as following:
                await until(lambda: logins(simulator) == 1)
                assert await following(1.0) is None
                assert logins(simulator) == 1
                monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", "{")  # somebody is just changing it
                assert await following(0.5) is None
                assert logins(simulator) == 1
                monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(right))
                assert (await following())["new"] == 1

        asyncio.run(listen())
        (told,) = [record for record in caplog.records if "Nobody watches" in record.message]
        assert told.levelno == logging.ERROR
        assert "'icsftps_default'" in told.message
        assert "planted-secret-7" not in caplog.text

    def test_a_refused_login_is_told_again_now_and_then(self, simulator, monkeypatch, caplog):
        monkeypatch.setattr(_lookout, "_REMIND", 0.2)
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection() | {"password": "wrong"}))

        async def listen():
            async with running(doorbell()):
                await until(lambda: sum("Nobody watches" in record.message for record in caplog.records) >= 3)

        asyncio.run(listen())
        assert logins(simulator) == 1

    def test_a_certificate_in_a_file_that_is_renewed_is_a_change(self, simulator, monkeypatch, tmp_path):
        simulator.put_in_outbox("a.xml", b"1")
        stranger = simulator.client_certificate(cvr="87654321", register=False)
        file = tmp_path / "client.p12"
        file.write_bytes(stranger.p12)
        connection = simulator.connection()
        extra = {"client_p12_file": str(file), "ca_pem": simulator.ca_pem, "environment": "custom"}
        extra["private_key_passphrase"] = stranger.passphrase
        connection |= {"extra": extra, "login": simulator.default_client.username}
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(connection))

        async def listen():
            async with running(doorbell()) as following:
                await until(lambda: logins(simulator) == 1)
                assert await following(1.0) is None
                extra["private_key_passphrase"] = simulator.default_client.passphrase
                monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(connection))
                assert await following(0.5) is None  # the passphrase does not open the old file
                file.write_bytes(simulator.default_client.p12)
                assert (await following())["new"] == 1

        asyncio.run(listen())

    def test_a_gateway_that_is_not_trusted_is_tried_again_and_told_in_one_line(self, simulator, monkeypatch, caplog):
        simulator.put_in_outbox("a.xml", b"1")
        right = simulator.connection()
        wrong = right | {"extra": {key: value for key, value in right["extra"].items() if key != "ca_pem"}}
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(wrong))

        async def listen():
            async with running(doorbell()) as following:
                await until(lambda: "UntrustedGatewayError" in caplog.text)
                assert await following(0.5) is None
                monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(right))
                assert (await following())["new"] == 1

        asyncio.run(listen())
        told = [record for record in caplog.records if "UntrustedGatewayError" in record.message]
        assert told
        assert not any(record.exc_info for record in told)
        pauses = [float(record.message.split(" in ")[1].split(" s:")[0]) for record in told]
        assert pauses == sorted(pauses)

    def test_a_connection_that_does_not_exist_yet_ends_nothing(self, simulator, monkeypatch, caplog):
        simulator.put_in_outbox("a.xml", b"1")
        monkeypatch.delenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", raising=False)

        async def listen():
            async with running(doorbell()) as following:
                await until(lambda: "isn't defined" in caplog.text)
                assert await following(0.5) is None
                monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
                assert (await following())["new"] == 1

        asyncio.run(listen())
        told = [record for record in caplog.records if "isn't defined" in record.message]
        assert told
        assert not any(record.exc_info for record in told)

    def test_what_nobody_expected_ends_nothing_and_is_told_with_its_traceback(
        self, connection, simulator, monkeypatch, caplog
    ):
        simulator.put_in_outbox("a.xml", b"1")
        finds, broken = _lookout.outbox_finds, iter([True, True])

        async def sometimes(*arguments, **more):
            if next(broken, False):
                raise RuntimeError("no idea")
            async for found in finds(*arguments, **more):
                yield found

        monkeypatch.setattr(_lookout, "outbox_finds", sometimes)

        async def listen():
            async with running(doorbell()) as following:
                assert (await following())["new"] == 1

        asyncio.run(listen())
        told = [record for record in caplog.records if "RuntimeError: no idea" in record.message]
        assert [bool(record.exc_info) for record in told] == [True, True]

    def test_a_gateway_that_is_away_for_a_while_ends_nothing(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        simulator.faults.busy_421(times=2)

        async def listen():
            async with running(doorbell()) as following:
                assert (await following(20))["new"] == 1

        asyncio.run(listen())

    def test_cancelling_it_closes_its_session(self, connection, simulator):
        async def listen():
            async with running(doorbell(poke_interval=30)):
                await until(lambda: simulator.connections.listings)
            await until(lambda: any(entry.line == "QUIT" for entry in simulator.transcript))

        asyncio.run(listen())


@pytest.mark.skipif(Version(version("apache-airflow-core")) < Version("3.3"), reason="Airflow 3.2 shares no streams")
def test_watchers_with_one_connection_and_interval_share_one_session(connection, simulator):
    import structlog
    from airflow.triggers.shared_stream import SharedStreamManager

    manager = SharedStreamManager(log=structlog.get_logger())
    heard = {"*.xml": [], "*.txt": [], "*": []}

    async def listen(number, pattern):
        trigger = doorbell(pattern=pattern)
        key = trigger.shared_stream_key()
        stream = manager.subscribe(trigger_id=number, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                heard[pattern].append(event.payload["names"])
        finally:
            await manager.unsubscribe(number, key)

    async def both():
        tasks = [asyncio.create_task(listen(number, pattern)) for number, pattern in enumerate(heard)]
        await until(lambda: simulator.connections.listings >= 3)
        simulator.put_in_outbox("a.xml", b"1")
        simulator.put_in_outbox("b.txt", b"1")
        await until(lambda: sum(len(names) for rung in heard.values() for names in rung) == 4)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(both())
    assert (heard["*.xml"], heard["*.txt"]) == ([["a.xml"]], [["b.txt"]])
    assert simulator.connections.accepted == 1


def test_watchers_with_other_connections_or_intervals_share_nothing():
    keys = {
        doorbell(**arguments).shared_stream_key()
        for arguments in ({}, {"icsftps_conn_id": "other"}, {"poke_interval": 1.0}, {"pattern": "*"})
    }
    assert len(keys) == 3
