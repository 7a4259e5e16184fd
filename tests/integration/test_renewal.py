"""A certificate is renewed while waits are open: they go over to the new one, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_icsftps.gateway import _kept_session
from airflow_provider_icsftps.simulator.issued import pkcs12_file
from airflow_provider_icsftps.triggers import _outbox, _poll
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsOutboxTrigger


def test_an_open_wait_goes_over_to_the_renewed_certificate_when_its_session_is_old(simulator, monkeypatch):
    old = simulator.client_certificate()
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMS", json.dumps(simulator.connection(old)))
    trigger = IcsFtpsOutboxTrigger(
        icsftps_conn_id="customs",
        pattern="*.xml",
        poke_interval=0.05,
        deadline=(datetime.now(UTC) + timedelta(seconds=60)).isoformat(),
    )

    async def renew_in_the_middle() -> None:
        while simulator.connections.listings < 2:
            await asyncio.sleep(0.01)
        # with another password, so that the old values would be refused from now on
        renewed = simulator.client_certificate(identifier=old.username.rpartition("_")[2], password="another one")
        assert renewed.username == old.username
        assert renewed.certificate.fingerprint != old.certificate.fingerprint
        monkeypatch.setenv("AIRFLOW_CONN_CUSTOMS", json.dumps(simulator.connection(renewed)))
        assert simulator.connections.logins == 1  # the session that is open goes on
        monkeypatch.setattr(_kept_session, "SESSION_LIFETIME", 1.0)
        while simulator.connections.logins < 2:
            await asyncio.sleep(0.01)
        simulator.put_in_outbox("answer.xml", b"<answer/>", username=old.username)

    async def wait() -> dict[str, object]:
        async with aclosing(trigger.run()) as events, asyncio.TaskGroup() as beside:
            beside.create_task(renew_in_the_middle())
            async for event in events:
                return event.payload
        return {}

    event = asyncio.run(asyncio.wait_for(wait(), 60))
    assert (event["status"], event["names"]) == ("ready", ["answer.xml"])


@pytest.fixture(autouse=True)
def nobody_was_refused():
    _poll._REFUSALS.clear()
    yield
    _poll._REFUSALS.clear()


def trigger(seconds=60):
    return IcsFtpsOutboxTrigger(
        icsftps_conn_id="customs",
        pattern="*.xml",
        poke_interval=1.0,
        deadline=(datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(),
    )


def cut_the_session():
    """As a firewall does: the next command finds out."""
    (poll,) = _outbox._POLLS.values()
    socket.socket.shutdown(poll._client._session.control, socket.SHUT_RDWR)


async def ends_of(waits, beside):
    async def first(wait):
        async with aclosing(wait.run()) as events:
            return (await anext(events)).payload

    async with asyncio.timeout(40), asyncio.TaskGroup() as group:
        ends = [group.create_task(first(wait)) for wait in waits]
        group.create_task(beside())
    return {(end.result()["status"], *end.result()["names"]) for end in ends}


def test_a_session_that_is_cut_is_opened_with_the_new_values(simulator, monkeypatch):
    """The look that finds it cut opens it by the old ones; that these are refused must end nobody's wait."""
    old = simulator.client_certificate()
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMS", json.dumps(simulator.connection(old)))

    async def edit_and_cut():
        while simulator.connections.listings < 1:
            await asyncio.sleep(0.01)
        renewed = simulator.client_certificate(identifier=old.username.rpartition("_")[2], password="another one")
        monkeypatch.setenv("AIRFLOW_CONN_CUSTOMS", json.dumps(simulator.connection(renewed)))
        cut_the_session()
        while simulator.connections.logins < 2:
            await asyncio.sleep(0.01)
        simulator.put_in_outbox("answer.xml", b"<answer/>", username=old.username)

    assert asyncio.run(ends_of([trigger(), trigger()], edit_and_cut)) == {("ready", "answer.xml")}


@pytest.mark.parametrize("cut", [False, True], ids=["aged", "cut"])
def test_a_certificate_in_a_file_is_read_anew_with_the_session(cut, simulator, monkeypatch, tmp_path):
    old = simulator.client_certificate(validity=timedelta(seconds=8))
    file = tmp_path / "client.p12"
    file.write_bytes(old.p12)
    connection = simulator.connection(old)
    extra = {key: value for key, value in connection["extra"].items() if not key.startswith("private_key")}
    extra |= {"client_p12_file": str(file), "private_key_passphrase": old.passphrase}
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMS", json.dumps(connection | {"extra": extra}))

    async def renew():
        while simulator.connections.listings < 1:
            await asyncio.sleep(0.01)
        renewed = simulator.client_certificate(identifier=old.username.rpartition("_")[2], password=old.password)
        file.write_bytes(pkcs12_file(renewed.certificate, old.passphrase))
        while datetime.now(UTC) <= old.certificate.not_after:
            await asyncio.sleep(0.1)
        if cut:
            cut_the_session()
        else:
            monkeypatch.setattr(_kept_session, "SESSION_LIFETIME", 0.5)
        while simulator.connections.logins < 2:
            await asyncio.sleep(0.01)
        simulator.put_in_outbox("answer.xml", b"<answer/>", username=old.username)

    assert asyncio.run(ends_of([trigger(), trigger()], renew)) == {("ready", "answer.xml")}
