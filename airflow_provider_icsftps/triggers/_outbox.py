"""Looking into an outbox from a triggerer: off the event loop, in a bounded pool of threads of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.hooks._fields import ConnectionFields, aread_fields

if TYPE_CHECKING:
    from airflow_provider_icsftps.gateway import GatewayClient

# the loop's default pool has cores + 4 threads and serves everybody else, too
_THREADS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="icsftps-outbox")
_LONGEST_PAUSE = 300.0


async def outbox_names(
    icsftps_conn_id: str, poke_interval: float, deadline: datetime, warn: Callable[..., object]
) -> AsyncGenerator[list[str]]:
    """
    Yield the names in the outbox, at once and then once an interval, until the deadline.

    One session is kept over the looks and opened again when it dies. Errors that may pass are logged, counted, and
    followed by longer and longer pauses.

    :param icsftps_conn_id: id of the Airflow connection.
    :param poke_interval: seconds between two looks.
    :param deadline: an aware datetime; no look begins after it, but one is always taken.
    :param warn: a logger's method; gets a line for each failure.
    :raises IcsFtpsError: what is not retryable, or, at the deadline, what was the last failure.
    """
    fields = await aread_fields(icsftps_conn_id)
    loop = asyncio.get_running_loop()
    gateway: GatewayClient | None = None
    look: asyncio.Future[list[str]] | None = None
    failures = 0
    try:
        while True:
            pause = poke_interval
            failure: IcsFtpsError | None = None
            try:
                if gateway is None:
                    gateway = await loop.run_in_executor(_THREADS, _client, fields)
                look = loop.run_in_executor(_THREADS, _look, gateway)
                names = await asyncio.shield(look)
            except IcsFtpsError as error:
                if not error.retryable:
                    raise
                failures += 1
                failure = error
                pause = min(max(poke_interval, 1.0) * 2 ** min(failures, 10), max(_LONGEST_PAUSE, poke_interval))
                warn("Look %d in a row that failed, the next in %.0f s: %s", failures, pause, error)
            else:
                failures = 0
                yield names
            left = (deadline - datetime.now(UTC)).total_seconds()
            if left <= 0:
                if failure is not None:
                    raise failure
                return
            await asyncio.sleep(min(pause, left))
    finally:
        if look is not None and not look.done():
            await asyncio.wait([look])  # a cancelled wait does not end the look in its thread
        if gateway is not None:
            await asyncio.shield(loop.run_in_executor(_THREADS, gateway.close))


def _client(fields: ConnectionFields) -> GatewayClient:
    # here, in the thread: the import would hold the event loop up, and so would reading the certificate
    from airflow_provider_icsftps.gateway import GatewayClient
    from airflow_provider_icsftps.hooks._connection import to_settings

    return GatewayClient(to_settings(fields))


def _look(gateway: GatewayClient) -> list[str]:
    return [entry.name for entry in gateway.list_outbox(times=False)]
