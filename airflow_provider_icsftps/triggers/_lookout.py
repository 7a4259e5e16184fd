"""
Looking into an outbox for ever, on behalf of watchers.

A watcher has no task that could fail: Airflow starts its trigger again some two seconds after it has ended or raised,
whatever the reason. A refused login would be repeated as often, and accounts lock. So nothing here ends and
nothing raises; what is wrong is told in the triggerer's log, and what follows depends on whose move it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_icsftps.exceptions import IcsFtpsError, LoginRefusedError
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames
from airflow_provider_icsftps.gateway.patience import growing_pause
from airflow_provider_icsftps.hooks._fields import ConnectionFields, aread_fields
from airflow_provider_icsftps.triggers._outbox import outbox_finds
from airflow_provider_icsftps.triggers._poll import forget_refusal

log = logging.getLogger(__name__)

_SHORTEST_PAUSE = 60.0
_LONGEST_PAUSE = 3600.0
#: Seconds between two looks at a connection whose login was refused, and between two lines in the log about it.
_LOOK_AT_CONNECTION = 60.0
_REMIND = 3600.0


async def listings(icsftps_conn_id: str, poke_interval: float) -> AsyncGenerator[OutboxNames]:
    """
    Yield the names in the outbox, at once and then once an interval, for ever.

    Errors that may pass are borne as in every wait. A refused login is not repeated: not until host, username,
    password or certificate of the connection are others than those that were refused. After any other error the
    next attempt comes after a minute, then after twice as long each time, at most an hour.

    :param icsftps_conn_id: id of the Airflow connection.
    :param poke_interval: seconds between two looks at the most.
    """
    failures = 0
    while True:
        tried = await _credentials(icsftps_conn_id)  # before the attempt: they may be changed in the middle of it
        traceback = False
        try:
            async with aclosing(
                outbox_finds(icsftps_conn_id, _everything, poke_interval=poke_interval, deadline=None, warn=log.warning)
            ) as looks:
                async for found in looks:
                    failures = 0
                    yield OutboxNames(found[1:])
            reason = "the looks ended"
        except LoginRefusedError as error:
            await _until_they_change(icsftps_conn_id, tried, error)
            continue
        except (IcsFtpsError, AirflowException) as error:
            reason = f"{type(error).__name__}: {error}"
        except Exception as error:  # a watcher that raised would be started again at once, for ever
            reason, traceback = f"{type(error).__name__}: {error}", True
        pause = growing_pause(failures, _SHORTEST_PAUSE, _LONGEST_PAUSE)
        failures += 1
        log.error(
            "Watching the outbox of connection %r failed, the next attempt in %.0f s: %s",
            icsftps_conn_id,
            pause,
            reason,
            exc_info=traceback,
        )
        await asyncio.sleep(pause)


def _everything(names: OutboxNames) -> list[str]:
    return ["", *names]  # one more than there are: an empty outbox is news, too


async def _until_they_change(icsftps_conn_id: str, refused: Any, error: LoginRefusedError) -> None:
    """Be quiet until the connection has other credentials than the ones that were refused."""
    told = float("-inf")
    while True:
        if time.monotonic() - told >= _REMIND:
            told = time.monotonic()
            log.error(
                "Nobody watches the outbox of connection %r: %s. No login is tried until the connection is changed "
                "in Airflow; to try the same once more, pause the DAG and unpause it after 5 minutes",
                icsftps_conn_id,
                error,
            )
        await asyncio.sleep(_LOOK_AT_CONNECTION)
        now = await _credentials(icsftps_conn_id)
        refused = refused or now
        if now is not None and now != refused:
            forget_refusal(await aread_fields(icsftps_conn_id))
            log.warning("Connection %r was changed; its outbox is watched again", icsftps_conn_id)
            return


async def _credentials(icsftps_conn_id: str) -> Any:
    """Return what a login depends on, to be compared; nothing when the connection cannot be read now."""
    try:
        fields = await aread_fields(icsftps_conn_id)
        return await asyncio.to_thread(_of, fields)  # seldom and short, so the loop's own threads will do
    except Exception as error:  # the attempt itself will say why; while quiet, what cannot be read is no change
        log.debug("Connection %r cannot be read: %s", icsftps_conn_id, error)
        return None


def _of(fields: ConnectionFields) -> tuple[Any, ...]:
    # imported here, in the thread: the import would hold the event loop up; the certificate may come from a file
    from airflow_provider_icsftps.hooks._connection import to_settings

    settings = to_settings(fields)
    certificate = settings.certificate
    return (
        settings.host,
        settings.port,
        settings.username,
        settings.password,
        certificate.fingerprint,
        certificate.chain,
    )
