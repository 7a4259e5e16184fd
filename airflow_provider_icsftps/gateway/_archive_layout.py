"""
How an archive is laid out: names of folders and files. Pure functions.

::

    <root>/icsftps-archive.json                                  format and zone, fixed by whoever comes first
    <root>/<username>@<gateway>/out/2026/11/25/<content>         a file that was fetched
                                              <content>.<sight>.json   its record
                               /filed/2026/11/25/…               the same for what was filed
                               /listings/                        which time is covered
    <root>/incoming/                                             files that are not whole yet

* ``<content>`` is ``<readable name>~<digest><suffix>``: the name with only ASCII letters, digits and ``_.-``, and the
  first 16 digits of the content's SHA-256. Other content has another name, so nothing is ever written over, and two
  names that differ only in case, in a blank or in a letter's Unicode form do not meet. The exact name is in the record.
* ``<sight>`` is ``<time>-<size>-<digest of the exact name>``: what a listing tells of a file. So the names in a day's
  folder say what is kept, without a record being read, and there is no index that could be wrong.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import PurePosixPath

from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX, FileNameRule
from airflow_provider_icsftps.gateway.settings import DEFAULT_PORT, ENVIRONMENTS, GatewaySettings

#: Folder of a shelf with what was fetched, as the gateway calls it.
OUT = "out"
#: Folder of a shelf with what was filed.
FILED = "filed"
#: Folder of a shelf with what is known about completeness.
LISTINGS = "listings"
#: The archive's own description.
DESCRIPTION = "icsftps-archive.json"

_LONGEST_NAME = 100
_RULE = FileNameRule()
_RECORD = re.compile(
    r"(?P<content>[A-Za-z0-9_.-]+~(?P<digest>[0-9a-f]{16})(?:\.[A-Za-z0-9_-]{1,11})?)"
    r"\.(?P<time>\d{8}T\d{6}Z)-(?P<size>\d{1,19})-(?P<name_digest>[0-9a-f]{12})\.json",
    re.ASCII,
)


def shelf_name(settings: GatewaySettings) -> str:
    """
    Return the folder of one certificate's files at one gateway: ``<username>@<gateway>``.

    The old and the new gateway have different outboxes, so each has a folder of its own, also where the username is
    the same. A renewed certificate keeps its username, hence its folder.

    :param settings: how that outbox is reached.
    """
    known = {(e.host, e.port): e.name for e in ENVIRONMENTS.values()}
    address = settings.host if settings.port == DEFAULT_PORT else f"{settings.host}-{settings.port}"
    gateway = settings.environment or known.get((settings.host, settings.port)) or address
    if settings.outbox != DEFAULT_OUTBOX:
        gateway += settings.outbox.replace("/", "-")
    return f"{_folder(settings.username)}@{_folder(gateway)}"


def _folder(text: str) -> str:
    legal = _RULE.legalise(text)
    return legal if legal == text else f"{legal}~{name_digest(text)}"


def name_digest(name: str) -> str:
    """
    Return 12 hexadecimal digits that stand for an exact name.

    :param name: as the gateway calls it; bytes that are no text are lone surrogates.
    """
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def day_folder(day: date) -> str:
    """
    Return the folder of a day: ``2026/11/25``.

    :param day: in the archive's zone.
    """
    return f"{day:%Y/%m/%d}"


def days_between(since: datetime, until: datetime, zone: tzinfo) -> list[date]:
    """
    List the days that a span of time touches.

    :param since: its beginning, aware.
    :param until: its end, which does not belong to it.
    :param zone: where a day begins and ends.
    """
    if since >= until:
        return []
    first = since.astimezone(zone).date()
    last = (until - timedelta(microseconds=1)).astimezone(zone).date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def usable_time(moment: datetime | None) -> datetime | None:
    """
    Return a time that can be a file's, in whole seconds; a server may tell the year 1.

    :param moment: what was told, aware.
    """
    return moment.replace(microsecond=0) if moment and 1970 <= moment.year < 9000 else None


def content_name(name: str, sha256: str) -> str:
    """
    Return under which name a content is kept.

    :param name: what the gateway calls it.
    :param sha256: of the content, 64 hexadecimal digits.
    """
    legal = _RULE.legalise(name)
    suffix = PurePosixPath(legal).suffix
    if not 1 < len(suffix) <= 12:
        suffix = ""
    stem = legal.removesuffix(suffix)[:_LONGEST_NAME].strip("._-") or "file"
    return f"{stem}~{sha256[:16]}{suffix}"


@dataclass(frozen=True)
class Sight:
    """
    What the name of a record tells.

    :param record: the record's name.
    :param content: the name of the content beside it.
    :param digest: first 16 digits of the content's SHA-256.
    :param time: the file's time, aware (UTC).
    :param size: bytes.
    :param name_digest: stands for the exact name.
    """

    record: str
    content: str
    digest: str
    time: datetime
    size: int
    name_digest: str


def record_name(content: str, time: datetime, size: int, name: str) -> str:
    """
    Return the name of a record; :func:`read_record_name` reads it back.

    :param content: what :func:`content_name` returned.
    :param time: the file's time, aware.
    :param size: bytes.
    :param name: what the gateway calls it.
    """
    return f"{content}.{stamp(time)}-{size}-{name_digest(name)}.json"


def read_record_name(text: str) -> Sight | None:
    """
    Read the name of a record.

    :param text: a name in a day's folder; ``None`` comes back for what is no record's.
    """
    match = _RECORD.fullmatch(text)
    time = read_stamp(match["time"]) if match else None
    if match is None or time is None:
        return None
    return Sight(text, match["content"], match["digest"], time, int(match["size"]), match["name_digest"])


def stamp(moment: datetime) -> str:
    """
    Write a moment for a name: ``20261125T101112Z``.

    :param moment: aware.
    """
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def read_stamp(text: str) -> datetime | None:
    """
    Read what :func:`stamp` wrote.

    :param text: ``None`` comes back for anything else.
    """
    if re.fullmatch(r"\d{8}T\d{6}Z", text, re.ASCII) is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
