"""
The usual pattern of a trigger, to compare with: each wait connects, logs in, lists and closes at every look.

It is what the SFTP trigger of Airflow's own provider does (and it speaks no FTPS, so it cannot be measured itself),
written over this package's client, in a pool of 32 threads. It is made cheaper than it would be in real life: the
Airflow connection and the certificate are read once for all waits, not for each look.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from airflow.triggers.base import TriggerEvent

from airflow_provider_icsftps.gateway import GatewayClient, GatewaySettings
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import read_fields
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsResponseTrigger

_THREADS = ThreadPoolExecutor(max_workers=32)


class ConnectingTrigger(IcsFtpsResponseTrigger):
    """A wait that is alone in the world."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        while True:
            names = await asyncio.get_running_loop().run_in_executor(_THREADS, _look, self.icsftps_conn_id)
            if found := self._found(names):
                yield self._event("ready", found)
                return
            await asyncio.sleep(self.poke_interval)


def _look(conn_id: str) -> OutboxNames:
    with GatewayClient(_settings(conn_id)) as gateway:
        return gateway.outbox_names()


@cache
def _settings(conn_id: str) -> GatewaySettings:
    return to_settings(read_fields(conn_id))
