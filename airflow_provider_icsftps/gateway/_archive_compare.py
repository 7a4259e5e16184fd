"""A listing of an outbox beside what an archive keeps of it; only names in the folders of days are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from airflow_provider_icsftps.gateway._archive_layout import (
    Sight,
    day_folder,
    days_between,
    name_digest,
    read_record_name,
    usable_time,
)
from airflow_provider_icsftps.gateway._archive_store import names_in
from airflow_provider_icsftps.gateway._listing import OutboxEntry

#: How far back is looked for a file of which the gateway tells no time, and for earlier contents of a name.
RECENT = timedelta(days=32)


@dataclass(frozen=True)
class Comparison:
    """
    A listing of an outbox beside what is kept of it.

    :param kept: each file that is kept, with its day's folder and the name of its record.
    :param missing: files that are not kept, in the order of the listing.
    :param known: of missing files, the digest of the exact name and what was kept under it before, in the last month
        and on the days that the listing speaks of.
    """

    kept: list[tuple[OutboxEntry, str, str]] = field(default_factory=list)
    missing: list[OutboxEntry] = field(default_factory=list)
    known: dict[str, set[str]] = field(default_factory=dict)


def compare(entries: list[OutboxEntry], out: Any, zone: tzinfo) -> Comparison:
    """
    Say which files of a listing are kept.

    :param entries: the listing.
    :param out: path object of the folder above the years.
    :param zone: where a day begins and ends.
    :raises TransferError: when the archive cannot be listed.
    """
    digests = [name_digest(entry.name) for entry in entries]
    times = [usable_time(entry.modified) for entry in entries]
    days = {time.astimezone(zone).date() for time in times if time}
    now = datetime.now(UTC)
    recent = set(days_between(now - RECENT, now + timedelta(days=1), zone))
    if None in times:
        days |= recent
    found = _found(set(digests), out, days)
    result = Comparison()
    for entry, digest, time in zip(entries, digests, times, strict=True):
        for folder, sight in found.get(digest, ()):
            if time in (None, sight.time) and entry.size in (None, sight.size):
                result.kept.append((entry, folder, sight.record))
                break
        else:
            result.missing.append(entry)
    names = {name_digest(entry.name) for entry in result.missing}
    for earlier in (found, _found(names, out, recent - days) if names else {}):
        for digest in names & earlier.keys():
            result.known.setdefault(digest, set()).update(sight.digest for _, sight in earlier[digest])
    return result


def sights_in(folder: Any) -> Iterator[Sight]:
    """
    Read the names of records in a day's folder.

    :param folder: path object.
    :raises TransferError: when it cannot be listed.
    """
    return (sight for sight in map(read_record_name, names_in(folder)) if sight is not None)


def _found(digests: set[str], out: Any, days: Iterable[date]) -> dict[str, list[tuple[str, Sight]]]:
    """Find names by their digests; what else lies in the folders is not remembered."""
    found: dict[str, list[tuple[str, Sight]]] = {}
    for folder in map(day_folder, sorted(days)):
        for sight in sights_in(out / folder):
            if sight.name_digest in digests:
                found.setdefault(sight.name_digest, []).append((folder, sight))
    return found
