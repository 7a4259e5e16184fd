"""The triggers: found by themselves, serialisable, and ending in one event."""

import asyncio
import inspect
import json
import threading
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import serde
from airflow.triggers.base import BaseTrigger
from airflow_task import run_trigger
from moments import within

import airflow_provider_icsftps.triggers.icsftps as module
from airflow_provider_icsftps.triggers.icsftps import (
    IcsFtpsOutboxEventTrigger,
    IcsFtpsOutboxTrigger,
    IcsFtpsResponseTrigger,
)

SAMPLES = {
    "icsftps_conn_id": "icsftps_default",
    "deadline": "2026-11-23T12:00:00+00:00",
    "poke_interval": 12.5,
    "submissions": [{"service": "Manifest", "file_name": "a.xml"}],
    "until": "accepted",
    "read": ["status_Manifest_a.xml_0.xml"],
    "pattern": "*.xml",
    "ring_again": 90.0,
}
TRIGGERS = [
    cls
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, BaseTrigger) and cls.__module__ == module.__name__ and not inspect.isabstract(cls)
]


def soon(seconds=10.0):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def parameters(cls):
    return {
        name
        for base in cls.__mro__
        if issubclass(base, BaseTrigger) and base.__module__ == module.__name__
        for name, p in inspect.signature(base.__init__).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }


def test_there_are_triggers():
    assert {IcsFtpsOutboxEventTrigger, IcsFtpsOutboxTrigger, IcsFtpsResponseTrigger} == set(TRIGGERS)


@pytest.mark.parametrize("cls", TRIGGERS)
def test_it_survives_serialisation_twice(cls):
    given = {name: SAMPLES[name] for name in parameters(cls)}
    path, arguments = cls(**given).serialize()
    assert given == arguments
    assert path == f"{cls.__module__}.{cls.__name__}"
    carried = serde.deserialize(serde.serialize(arguments))
    assert cls(**carried).serialize() == (path, arguments)
    for name in arguments:
        assert hasattr(cls(**given), name)


@pytest.mark.parametrize("cls", TRIGGERS)
def test_no_secret_is_among_its_arguments(cls):
    assert "icsftps_conn_id" in parameters(cls)
    assert not any(word in name for name in parameters(cls) for word in ("password", "key", "certificate"))


KEYS = {"status", "names", "deadline", "read", "submissions", "until", "error", "message", "details"}


class TestEvents:
    def wait(self, **arguments):
        given = {"icsftps_conn_id": "icsftps_default", "poke_interval": 0.05, "deadline": soon(), "pattern": "*.xml"}
        event = run_trigger(IcsFtpsOutboxTrigger(**given | arguments))
        assert set(event) == KEYS
        return event

    def test_ready(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        assert self.wait()["names"] == ["a.xml"]

    def test_timeout(self, connection):
        assert self.wait(deadline=soon(0.3))["status"] == "timeout"

    def test_one_look_is_taken_even_when_the_time_is_up(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        assert self.wait(deadline=soon(-5))["status"] == "ready"

    def test_a_refused_login_ends_the_wait_after_one_attempt(self, simulator, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection() | {"password": "wrong"}))
        event = self.wait()
        assert (event["status"], event["error"]) == ("error", "LoginRefusedError")
        assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1

    def test_a_wrong_connection_ends_the_wait(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps({"conn_type": "icsftps", "host": "localhost"}))
        assert self.wait()["error"] == "ConfigurationError"

    def test_a_gateway_that_is_away_for_a_while_does_not(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        simulator.faults.busy_421(times=1)
        assert self.wait()["status"] == "ready"

    def test_a_gateway_that_stays_away_is_named_at_the_deadline(self, connection, simulator):
        simulator.stop()
        event = self.wait(deadline=soon(0.5))
        assert (event["status"], event["error"]) == ("error", "GatewayUnavailableError")

    def test_one_session_serves_all_looks(self, connection, simulator):
        def answer():
            within(20, lambda: simulator.connections.listings >= 3)
            simulator.put_in_outbox("a.xml", b"1")

        answering = threading.Thread(target=answer)
        answering.start()
        assert self.wait(deadline=soon(25))["status"] == "ready"
        answering.join()
        assert simulator.connections.listings >= 4
        assert simulator.connections.accepted == 1


def test_looking_does_not_block_the_event_loop(connection, simulator):
    """A gateway that takes four seconds for a reply holds nobody else up."""
    simulator.faults.slow_replies(4.0, times=1)
    gaps = []

    async def heartbeat():
        while True:
            begun = asyncio.get_running_loop().time()
            await asyncio.sleep(0.01)
            gaps.append(asyncio.get_running_loop().time() - begun)

    async def both():
        beating = asyncio.create_task(heartbeat())
        trigger = IcsFtpsOutboxTrigger(
            icsftps_conn_id="icsftps_default", deadline=soon(5), poke_interval=0.05, pattern="*.xml"
        )
        async for _ in trigger.run():
            pass
        beating.cancel()

    asyncio.run(both())
    assert max(gaps) < 3.5


def test_cancelling_a_wait_closes_its_session(connection, simulator):
    async def begin_and_cancel():
        trigger = IcsFtpsOutboxTrigger(
            icsftps_conn_id="icsftps_default", deadline=soon(60), poke_interval=30, pattern="*.xml"
        )
        task = asyncio.create_task(anext(aiter(trigger.run())))
        while not simulator.connections.listings:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_cancel())
    assert [entry.line for entry in simulator.transcript if entry.sender == "client"][-1] == "QUIT"
