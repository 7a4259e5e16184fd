"""
Waiting for what comes into an outbox, on an event loop. All waits on one connection share one poll.

They share it when everything in their connections is the same, the certificate included. The first wait begins the
poll (:mod:`~airflow_provider_icsftps.triggers._poll`), the last one ends it.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames
from airflow_provider_icsftps.hooks._fields import ConnectionFields, aread_fields
from airflow_provider_icsftps.triggers._poll import OutboxPoll
from airflow_provider_icsftps.triggers._wait import Found, Moved, Remark, Wait

#: Seconds for which a reading of a connection serves those who begin to wait.
_FRESH = 1.0

_POLLS: dict[tuple[asyncio.AbstractEventLoop, str], OutboxPoll] = {}
_READINGS: dict[tuple[asyncio.AbstractEventLoop, str], tuple[float, asyncio.Task[ConnectionFields]]] = {}


async def outbox_finds(
    icsftps_conn_id: str,
    found: Callable[[OutboxNames], list[str]],
    *,
    poke_interval: float,
    deadline: datetime | None,
    warn: Callable[[str], object],
) -> AsyncGenerator[list[str]]:
    """
    Yield what is found in the outbox, after each look that finds something, until the deadline.

    The first look is at once. Errors that may pass are counted, logged now and then, and followed by longer and longer
    pauses. A connection that was edited meanwhile is read anew when a session has to be opened.

    :param icsftps_conn_id: id of the Airflow connection.
    :param found: what of the names is looked for; called in a thread, so it must only compute.
    :param poke_interval: seconds between two looks at the most; others who wait may cause more of them.
    :param deadline: an aware datetime; one look is always taken. ``None`` to go on for ever.
    :param warn: gets a line now and then while the gateway is away.
    :raises IcsFtpsError: what is not retryable, or, at the deadline, what was the last failure.
    """
    wait = Wait(found, max(poke_interval, 0.01), float("inf") if deadline is None else _monotonic(deadline))
    while True:
        poll = await _poll(icsftps_conn_id)
        poll.join(wait)
        try:
            while not isinstance(message := await wait.message(), Moved):
                if isinstance(message, Found):
                    yield message.names
                elif isinstance(message, Remark):
                    warn(message.text)
                elif message.error is not None:
                    raise _own(message.error)
                else:
                    return
        finally:
            poll.leave(wait)


async def _poll(icsftps_conn_id: str) -> OutboxPoll:
    """Return the poll for a connection as it is now."""
    # the fields are not kept here: a certificate for each of ten thousand waits would be much
    fields = await _fields(icsftps_conn_id)
    loop = asyncio.get_running_loop()
    key = loop, fields.digest

    def ended() -> None:
        del _POLLS[key]
        _READINGS.pop((loop, icsftps_conn_id), None)  # the connection may have been edited

    if key not in _POLLS:
        _POLLS[key] = OutboxPoll(fields, ended)
    return _POLLS[key]


async def _fields(icsftps_conn_id: str) -> ConnectionFields:
    """Read a connection. Airflow takes a while for it, so waits that begin within a second share one reading."""
    loop, now = asyncio.get_running_loop(), time.monotonic()
    for known in [known for known, (begun, _) in _READINGS.items() if now - begun > _FRESH]:
        del _READINGS[known]
    key = loop, icsftps_conn_id
    if key not in _READINGS:
        # in a context of its own, as it is not the first wait's alone
        _READINGS[key] = now, loop.create_task(aread_fields(icsftps_conn_id), context=contextvars.Context())
    try:
        return await asyncio.shield(_READINGS[key][1])
    except Exception:
        return await aread_fields(icsftps_conn_id)  # an error for this wait alone


def _monotonic(moment: datetime) -> float:
    return time.monotonic() + (moment - datetime.now(UTC)).total_seconds()


def _own(error: BaseException) -> BaseException:
    """Return an error for one wait alone: one object, raised by thousands, would gather all their tracebacks."""
    if isinstance(error, IcsFtpsError):
        return IcsFtpsError.from_data(error.to_data())
    own = RuntimeError("A look into the outbox failed in a way that was not foreseen")
    own.__cause__ = error
    return own
