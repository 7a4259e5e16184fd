"""Reading everything in an archive and comparing it with its records."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, tzinfo
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway._archive_coverage import is_coverage_name
from airflow_provider_icsftps.gateway._archive_layout import (
    FILED,
    LISTINGS,
    OUT,
    Sight,
    day_folder,
    read_record_name,
)
from airflow_provider_icsftps.gateway._archive_store import INCOMING, days_in, measured, names_in, read_each
from airflow_provider_icsftps.gateway.records import Record
from airflow_provider_icsftps.gateway.sources import Measure


@dataclass(frozen=True)
class Problem:
    """
    One thing that is not as it should be.

    :param kind: ``missing`` (the content), ``size``, ``hash``, ``record`` (it cannot be read, or does not belong where
        it lies), ``unreadable`` (the store does not give it out), or ``stray`` (no record speaks of it: what a crash
        or a writer at work leaves behind; it does no harm).
    :param path: from the archive's root.
    :param text: what was found.
    """

    kind: str
    path: str
    text: str

    @property
    def is_damage(self) -> bool:
        """Whether something that was kept is not whole any more."""
        return self.kind != "stray"


@dataclass
class Findings:
    """
    What a look through an archive found so far.

    :param days: folders of days in it.
    :param days_done: how many were looked at.
    :param records: records read.
    :param contents: contents read.
    :param bytes: bytes of them.
    :param problems: what is not as it should be.
    """

    days: int = 0
    days_done: int = 0
    records: int = 0
    contents: int = 0
    bytes: int = 0
    problems: list[Problem] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether everything that was kept is there, unchanged."""
        return not any(problem.is_damage for problem in self.problems)

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types."""
        return {"whole": self.whole} | asdict(self)


def check(
    root: Any, shelves: Iterable[Any], zone: tzinfo, progress: Callable[[Findings], object] | None = None
) -> Findings:
    """
    Read everything in some shelves.

    :param root: path object of the archive's root.
    :param shelves: path objects of their folders.
    :param zone: where a day begins and ends.
    :param progress: called after each day.
    :return: what was found.
    :raises TransferError: when a folder cannot be listed.
    """
    found = Findings()
    found.problems += [
        Problem("stray", f"{INCOMING}/{name}", "a file that was not finished") for name in names_in(root / INCOMING)
    ]
    todo: list[tuple[str, date, Any]] = []
    for shelf in shelves:
        todo += [
            (f"{shelf.name}/{kind}/{day_folder(day)}", day, folder)
            for kind in (OUT, FILED)
            for day, folder in days_in(shelf / kind)
        ]
        found.problems += [
            Problem("stray", f"{shelf.name}/{LISTINGS}/{name}", "not one of the archive's files")
            for name in names_in(shelf / LISTINGS)
            if not is_coverage_name(name)
        ]
    found.days = len(todo)
    for path, day, folder in todo:
        _Day(found, path, day, folder, zone).check()
        found.days_done += 1
        if progress is not None:
            progress(found)
    return found


class _Day:
    """One day's folder."""

    def __init__(self, found: Findings, path: str, day: date, folder: Any, zone: tzinfo) -> None:
        self._found = found
        self._path = path
        self._day = day
        self._folder = folder
        self._zone = zone

    def check(self) -> None:
        names = set(names_in(self._folder))
        sights = {name: sight for name in sorted(names) if (sight := read_record_name(name))}
        expected: dict[str, Measure] = {}
        for path, content in read_each([self._folder / name for name in sights]):
            record = self._record(sights[path.name], content)
            if record is not None and record.content is not None:
                expected[record.content] = Measure(record.size, record.sha256)
        for name, measure in sorted(expected.items()):
            self._content(name, measure)
        spoken_of = expected.keys() | sights.keys() | {sight.content for sight in sights.values()}
        for name in sorted(names - spoken_of):
            self._tell("stray", name, "no record speaks of it")

    def _record(self, sight: Sight, content: bytes | None) -> Record | None:
        self._found.records += 1
        if content is None:
            self._tell("record", sight.record, "the record is gone")
            return None
        try:
            record = Record.from_json(content, self._path, sight.record)
        except ConfigurationError as error:
            self._tell("record", sight.record, f"the record cannot be read: {error}")
            return None
        if record.moment.astimezone(self._zone).date() != self._day:
            self._tell("record", sight.record, "the record is of another day")
            return None
        return record

    def _content(self, name: str, expected: Measure) -> None:
        try:
            measure = measured(self._folder / name, expected.size)
        except TransferError as error:
            self._tell("unreadable", name, str(error))
            return
        if measure is None:
            self._tell("missing", name, "the content is not there")
            return
        self._found.contents += 1
        self._found.bytes += measure.size
        if measure.size != expected.size:
            self._tell("size", name, f"{measure.size} bytes, {expected.size} were kept")
        elif measure.sha256 != expected.sha256:
            self._tell("hash", name, f"SHA-256 {measure.sha256}, {expected.sha256} was kept")

    def _tell(self, kind: str, name: str, text: str) -> None:
        self._found.problems.append(Problem(kind, f"{self._path}/{name}", text))
