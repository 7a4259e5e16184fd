"""
From when to when an archive is complete, and where it is not.

``/out`` holds a file for some days (the retention). So when all files that lay in ``/out`` at one moment are kept,
every file of the days before it is. Each such span of time is one small file, ``<from>_<until>.json``; the name is
what counts.

* Spans that meet are written as one, and those inside another one are removed: the number of files stays small. A span
  is removed only when a longer one that holds it has been written. So of two processes that tidy up at once neither can
  remove what the other one relies on: whatever is removed lies inside something that stays.
* A file that went from ``/out`` before anybody kept it is a hole in the span: ``gone_<time>_<digest of name>.json``.
* One that was left for the next run is another: ``left_<time>_<digest of name>.json``. It may be gone by then.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway._archive_layout import name_digest, read_stamp, stamp
from airflow_provider_icsftps.gateway._archive_store import names_in, put, remove

log = logging.getLogger(__name__)

_SECOND = timedelta(seconds=1)
_SPAN = re.compile(r"(\d{8}T\d{6}Z)_(\d{8}T\d{6}Z)\.json", re.ASCII)
_HOLE = re.compile(r"(gone|left)_(\d{8}T\d{6}Z)_([0-9a-f]{12})\.json", re.ASCII)


@dataclass(frozen=True, order=True)
class Span:
    """
    A span of time.

    :param since: its beginning, aware.
    :param until: its end, which does not belong to it.
    """

    since: datetime
    until: datetime

    def holds(self, other: Span) -> bool:
        """
        Say whether another span lies inside this one.

        :param other: that span.
        """
        return self.since <= other.since and other.until <= self.until

    def to_data(self) -> dict[str, str]:
        """Return it as builtin JSON types, in UTC."""
        return {"since": self.since.astimezone(UTC).isoformat(), "until": self.until.astimezone(UTC).isoformat()}


def union(spans: Iterable[Span]) -> list[Span]:
    """
    Put spans that meet together.

    :param spans: in any order.
    :return: the fewest spans that hold the same time, in order.
    """
    merged: list[Span] = []
    for span in sorted(spans):
        if span.since >= span.until:
            continue
        if merged and span.since <= merged[-1].until:
            merged[-1] = Span(merged[-1].since, max(merged[-1].until, span.until))
        else:
            merged.append(span)
    return merged


def without(span: Span, covered: Iterable[Span]) -> list[Span]:
    """
    Return what is left of a span.

    :param span: the whole.
    :param covered: what is taken away, in any order.
    """
    left = []
    since = span.since
    for part in union(covered):
        if part.since > since:
            left.append(Span(since, min(part.since, span.until)))
        since = max(since, part.until)
        if since >= span.until:
            break
    if since < span.until:
        left.append(Span(since, span.until))
    return [part for part in left if part.since < part.until]


@dataclass(frozen=True)
class Hole:
    """
    A file that was seen in the outbox and was not kept then.

    :param time: the gateway's time of it, aware.
    :param name_digest: stands for its exact name.
    :param left: whether it was left for the next run; else it went.
    """

    time: datetime
    name_digest: str
    left: bool = False

    @property
    def span(self) -> Span:
        """The second that is not covered."""
        return Span(self.time, self.time + _SECOND)


class Coverage:
    """
    The covered time of one outbox.

    :param folder: path object of the folder with its files.
    """

    def __init__(self, folder: Any) -> None:
        self._folder = folder

    def read(self) -> tuple[list[Span], list[Hole]]:
        """
        Read what is covered, and the holes in it, from the names alone.

        :raises TransferError: when the folder cannot be listed.
        """
        spans, holes = [], []
        for name in names_in(self._folder):
            if found := _SPAN.fullmatch(name):
                since, until = map(read_stamp, found.groups())
                if since and until and since < until:
                    spans.append(Span(since, until))
            elif (found := _HOLE.fullmatch(name)) and (time := read_stamp(found[2])):
                holes.append(Hole(time, found[3], left=found[1] == "left"))
        return spans, holes

    def add(self, span: Span, facts: dict[str, Any]) -> Span | None:
        """
        Cover a span of time, and tidy up.

        :param span: parts of a second at its ends do not count.
        :param facts: JSON-able, kept in the file for a person to read.
        :return: the span in whole seconds; ``None`` when nothing is left of it, and nothing was noted.
        :raises TransferError: when it cannot be written.
        """
        since = span.since.astimezone(UTC)
        since = since.replace(microsecond=0) + (_SECOND if since.microsecond else timedelta())
        span = Span(since, span.until.astimezone(UTC).replace(microsecond=0))
        if span.since >= span.until:
            return None
        spans, _ = self.read()
        (whole,) = [merged for merged in union([*spans, span]) if merged.holds(span)]
        if whole not in spans:
            put(self._folder / _span_name(whole), json.dumps(whole.to_data() | facts, indent=2).encode() + b"\n")
        for old in spans:
            if whole != old and whole.holds(old):
                try:
                    remove(self._folder / _span_name(old))
                except TransferError as error:  # a store from which nothing can be removed
                    log.info("A span of time that lies inside another one stays: %s", error)
        return span

    def add_hole(self, name: str, time: datetime, facts: dict[str, Any], *, left: bool = False) -> None:
        """
        Note that a file was seen and is not kept.

        :param name: what the gateway called it.
        :param time: the gateway's time of it, aware.
        :param facts: JSON-able.
        :param left: whether it was left for the next run; else it went.
        :raises TransferError: when it cannot be written.
        """
        content = json.dumps({"name": name, "time": time.isoformat()} | facts, indent=2).encode() + b"\n"
        put(self._folder / f"{'left' if left else 'gone'}_{stamp(time)}_{name_digest(name)}.json", content)


def is_coverage_name(name: str) -> bool:
    """
    Say whether a file is one of those here.

    :param name: its name.
    """
    return bool(_SPAN.fullmatch(name) or _HOLE.fullmatch(name))


def _span_name(span: Span) -> str:
    return f"{stamp(span.since)}_{stamp(span.until)}.json"
