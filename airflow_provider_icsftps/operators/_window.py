"""Which span of time a run is about."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import Context

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import Span

#: Partition keys that say which day, month or hour a run is about, and how long that lasts.
_KEYS = {
    r"\d{4}-\d\d-\d\d(?:[T ]00:00(?::00)?)?": "days",
    r"\d{4}-\d\d": "months",
    r"\d{4}-\d\d-\d\d[T ]\d\d(?::00(?::00)?)?": "hours",
}


def window_of(context: Context, since: Any, until: Any, zone: Any) -> Span | None:
    """
    Say which span of time a run is about.

    The first of these that is there: ``since`` and ``until`` as given; the same in the run's configuration; the
    partition key, if it is a day (``2026-11-25``), a month or an hour; the data interval.

    :param context: Airflow's.
    :param since: text or datetime; what has no zone is in ``zone``. A date is its midnight.
    :param until: the same; the moment does not belong to the span.
    :param zone: the archive's time zone.
    :return: ``None`` for a run that is about no time, such as one that was started by hand or by an asset.
    :raises ConfigurationError: when it cannot be understood.
    """
    run = context.get("dag_run")
    conf = getattr(run, "conf", None) or {}
    for given in ((since, until), (conf.get("since"), conf.get("until"))):
        if any(value not in (None, "") for value in given):
            return _span(*given, zone)
    key = getattr(run, "partition_key", None)
    if key:
        return _partition(key, zone)
    begin, end = context.get("data_interval_start"), context.get("data_interval_end")
    if begin is None or end is None:
        return None
    if begin == end:
        raise ConfigurationError(
            f"The run's data interval is empty ({begin.isoformat()}): in Airflow 3 a schedule that is plain cron text "
            "makes such runs. Use CronDataIntervalTimetable, or give since and until"
        )
    return _plain(begin, end)


def _plain(begin: datetime, end: datetime) -> Span:
    """Return a span of the standard library's datetimes: pendulum's cannot be subtracted from some of those."""
    return Span(datetime.fromisoformat(begin.isoformat()), datetime.fromisoformat(end.isoformat()))


def _span(since: Any, until: Any, zone: Any) -> Span:
    if since in (None, "") or until in (None, ""):
        raise ConfigurationError(f"since={since!r} and until={until!r}: both are needed; until is not included")
    span = _plain(_moment("since", since, zone), _moment("until", until, zone))
    if span.since >= span.until:
        raise ConfigurationError(f"since={since} is not before until={until}; until is not included")
    return span


def _moment(name: str, value: Any, zone: Any) -> pendulum.DateTime:
    try:
        if isinstance(value, datetime):
            return pendulum.instance(value, zone)
        parsed = pendulum.parse(str(value), tz=zone)
    except (ValueError, TypeError):
        parsed = None
    if not isinstance(parsed, pendulum.DateTime):
        raise ConfigurationError(f"{name}={value!r} is no moment; write it like 2026-11-25T03:00 or 2026-11-25")
    return parsed


def _partition(key: str, zone: Any) -> Span:
    for pattern, unit in _KEYS.items():
        if re.fullmatch(pattern, key, re.ASCII):
            # by the clock on the wall: the hour that it shows twice is both of them, and one that it skips has no time
            begin = _moment("partition key", key, "UTC").naive()
            shown = (begin, begin.add(**{unit: 1}))
            return _plain(*(datetime.fromisoformat(moment.isoformat()).replace(tzinfo=zone) for moment in shown))
    raise ConfigurationError(
        f"Partition key {key!r} is no day, month or hour; write it like 2026-11-25, or give since and until, or names "
        "of files in responses"
    )
