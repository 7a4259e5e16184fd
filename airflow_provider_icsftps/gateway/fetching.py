"""
Fetching one file of the outbox into an archive.

What can happen to a file between the listing and the end of its download, and what is done:

* It is gone: another client of the same certificate took it, or the gateway deleted it. If the archive has it by now, a
  run at the same time was faster; else it is told, and the archive's completeness has a hole there.
* It has changed: what is there now is fetched. If it still grows, or its download is cut again and again, it is left
  for the next run, and that is told.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
    TransferError,
    one_line,
)
from airflow_provider_icsftps.gateway._archive_layout import usable_time
from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway.archive import Archive
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.records import Record

log = logging.getLogger(__name__)

#: A file that is younger may still be being written: it is looked at twice, and not deleted.
SETTLED = timedelta(minutes=1)
_ATTEMPTS = 3
#: Seconds from one look at a young file to the next.
_LOOK_AGAIN = 1.0


def fetch_one(
    gateway: GatewayClient,
    entry: OutboxEntry,
    archive: Archive,
    *,
    listed_at: datetime | None = None,
    settled: timedelta = SETTLED,
    answers: dict[str, str] | None = None,
) -> Record:
    """
    Fetch one file of the outbox into the archive, whole.

    :param gateway: a client.
    :param entry: what a listing told of it.
    :param archive: where it is kept.
    :param listed_at: when that listing was taken, aware; by default now.
    :param settled: a file that was younger then is looked at again after its download.
    :param answers: the submission that it answers, where that is known.
    :return: its record.
    :raises FileNotAvailableError: when it is not there any more.
    :raises TransferError: when it is still being written, its download was cut each time, or (``local``) the archive
        cannot be written.
    :raises GatewayUnavailableError: when the gateway cannot give it out now.
    """
    shelf = archive.shelf(gateway.settings)
    seen_at = listed_at or datetime.now(UTC)
    with shelf.draft() as path:
        for attempt in range(_ATTEMPTS):
            try:
                gateway.download(entry.name, path, size=entry.size)
            except (TransferError, GatewayUnavailableError) as error:
                if isinstance(error, GatewayTimeoutError) or (isinstance(error, TransferError) and error.local):
                    raise
                now = gateway.look_at(entry.name)
                if now.size in {None, entry.size}:  # it has not changed: the transfer was cut
                    if attempt + 1 == _ATTEMPTS:
                        raise
                    log.info("%s is fetched again: %s", one_line(entry.name), error)
                    continue
                log.info(
                    "%s has changed since it was listed: %s bytes, now %s", one_line(entry.name), entry.size, now.size
                )
                entry, seen_at = now, datetime.now(UTC)
                continue
            if _is_young(entry, seen_at, settled):
                _check_settled(gateway, entry, path, seen_at)
            return shelf.keep(entry, path, gateway.settings, answers=answers)
    raise TransferError(
        f"{entry.name} at {gateway.settings.address} changed each time that it was fetched; it is left for the next run"
    )


def _is_young(entry: OutboxEntry, seen_at: datetime, settled: timedelta) -> bool:
    modified = usable_time(entry.modified)
    return modified is None or modified > seen_at - settled


def _check_settled(gateway: GatewayClient, entry: OutboxEntry, path: Path, seen_at: datetime) -> None:
    """Look at a young file again, some time after the first look; one that is being written has grown."""
    waited = (datetime.now(UTC) - seen_at).total_seconds()
    if waited < _LOOK_AGAIN:
        time.sleep(_LOOK_AGAIN - max(waited, 0.0))
    size, fetched = gateway.look_at(entry.name).size, path.stat().st_size
    if size not in {None, fetched}:
        raise TransferError(
            f"{entry.name} at {gateway.settings.address} is still being written ({fetched} bytes were fetched, it has "
            f"{size} now); it is left for the next run"
        )


@dataclass(frozen=True)
class FetchOutcome:
    """
    What became of one file of the outbox.

    :param entry: what the listing told of it.
    :param record: when it is kept.
    :param by_other: whether another run kept it meanwhile.
    :param gone: whether it went before it was kept.
    :param error: why it is not kept.
    """

    entry: OutboxEntry
    record: Record | None = None
    by_other: bool = False
    gone: bool = False
    error: IcsFtpsError | None = None


def fetch_or_tell(
    gateway: GatewayClient,
    entry: OutboxEntry,
    archive: Archive,
    *,
    listed_at: datetime | None = None,
    settled: timedelta = SETTLED,
    answers: dict[str, str] | None = None,
) -> FetchOutcome:
    """
    Fetch one file as :func:`fetch_one` does; trouble with this file alone is an outcome, not an error.

    :param gateway: a client.
    :param entry: what a listing told of it.
    :param archive: where it is kept.
    :param listed_at: when that listing was taken, aware; by default now.
    :param settled: a file that was younger then is looked at again after its download.
    :param answers: the submission that it answers, where that is known.
    :raises IcsFtpsError: what stops the whole run: the archive cannot be written, the login is refused.
    """
    try:
        record = fetch_one(gateway, entry, archive, listed_at=listed_at, settled=settled, answers=answers)
        return FetchOutcome(entry, record)
    except FileNotAvailableError as error:
        kept = archive.shelf(gateway.settings).compare([entry]).kept
        if kept:  # a run at the same time has kept and deleted it
            _, folder, name = kept[0]
            return FetchOutcome(entry, archive.shelf(gateway.settings).record_at(folder, name), by_other=True)
        if gateway.look_at(entry.name).size is not None:
            return FetchOutcome(entry, error=error)  # it is there, and may not be read
        return FetchOutcome(entry, gone=True, error=error)
    except LoginRefusedError:
        raise
    except TransferError as error:
        if error.local:
            raise
        return FetchOutcome(entry, error=error)
    except (GatewayRefusedError, GatewayUnavailableError) as error:
        return FetchOutcome(entry, error=error)
