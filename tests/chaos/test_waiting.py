"""Waits over a line that breaks, falls silent, and an outbox that grows."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from relay import Control, Cut, Stall
from relayed import LIMITS

from airflow_provider_icsftps.triggers._outbox import outbox_finds

MANY = 50_000
#: Seconds of silence after which a session is given up: of a stalled one, and where nothing stalls.
SHORT, LONG = 3.0, 60.0


async def names_found(pattern, told, seconds=90.0):
    finds = outbox_finds(
        "icsftps_default",
        lambda names: names.matching(pattern),
        poke_interval=0.2,
        deadline=datetime.now(UTC) + timedelta(seconds=seconds),
        warn=told.append,
    )
    async with aclosing(finds):
        async for names in finds:
            return names
    return None


@pytest.fixture
def way(relayed_gateway, monkeypatch):
    relayed = relayed_gateway()
    limits = dict.fromkeys(LIMITS, SHORT)
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection(**limits)))
    return relayed


FAULTS = [Stall(), Stall(everywhere=True), Cut("rst"), Cut("fin"), Cut("rst", everywhere=True)]


@pytest.mark.parametrize("what", FAULTS, ids=str)
@pytest.mark.parametrize("sender", ["client", "gateway"])
def test_waits_outlive_a_control_connection_that_dies_or_falls_silent(way, what, sender):
    """As after 30 minutes of silence, when NAT has forgotten the connection and nothing comes back."""
    told = []

    async def run():
        waits = [asyncio.create_task(names_found(f"{number}.xml", told)) for number in range(20)]
        async with asyncio.timeout(40):
            while way.simulator.connections.listings < 2:
                await asyncio.sleep(0.02)
        passed = max(e.index for e in way.relay.events if (e.channel, e.sender) == ("control", sender))
        fault = way.relay.plan(Control(sender, passed + 4), what)
        assert await asyncio.to_thread(fault.wait, 40)
        for number in range(20):
            way.simulator.put_in_outbox(f"{number}.xml", b"1")
        return await asyncio.gather(*waits)

    assert asyncio.run(run()) == [[f"{number}.xml"] for number in range(20)]
    assert way.simulator.connections.logins == 2


@pytest.mark.timeout(240)
def test_an_outbox_that_grows_to_fifty_thousand_files_blocks_nobody(way, monkeypatch):
    """The event loop keeps its pulse while a thread reads the listing and looks for a hundred patterns in it."""
    limits = dict.fromkeys(LIMITS, LONG)
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(way.connection(**limits)))
    folder = way.simulator._gateway.storage.outbox(way.simulator.default_client.username)
    gaps = []

    async def heartbeat():
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.02)
            gaps.append(time.monotonic() - begun)

    def grow():
        for number in range(MANY):
            os.close(os.open(folder / f"Manifest_answer_{number:05d}.xml", os.O_CREAT | os.O_WRONLY))

    async def run():
        patterns = [f"*_answer_{number:05d}.xml" for number in range(MANY - 100, MANY)]
        waits = [asyncio.create_task(names_found(pattern, [], 150)) for pattern in patterns]
        beating = asyncio.create_task(heartbeat())
        await asyncio.to_thread(grow)
        found = await asyncio.gather(*waits)
        beating.cancel()
        return found

    found = asyncio.run(run())
    assert [names for (names,) in found] == [f"Manifest_answer_{number:05d}.xml" for number in range(MANY - 100, MANY)]
    assert way.simulator.connections.accepted == 1
    assert sorted(gaps)[-3] < 1  # reading that listing on the loop would hold it for seconds
