"""A certificate is renewed while waits are open: they go over to the new one, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from airflow_provider_icsftps.gateway import _kept_session
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
