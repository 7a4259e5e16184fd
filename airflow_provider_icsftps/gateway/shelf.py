"""One username's part of the archive at one gateway: keeping, finding, and from when to when it is complete."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, overload

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway._archive_compare import RECENT, Comparison, compare
from airflow_provider_icsftps.gateway._archive_coverage import Coverage, Hole, Span, without
from airflow_provider_icsftps.gateway._archive_days import Days, understood
from airflow_provider_icsftps.gateway._archive_description import Description
from airflow_provider_icsftps.gateway._archive_layout import (
    FILED,
    LISTINGS,
    OUT,
    content_name,
    name_digest,
    usable_time,
)
from airflow_provider_icsftps.gateway._archive_store import draft, read
from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway.fetch_summary import Kept
from airflow_provider_icsftps.gateway.landing import landing
from airflow_provider_icsftps.gateway.records import Record, fetched_record, filed_record
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.sources import Measure, copy, measure
from airflow_provider_icsftps.gateway.submission import Submission

#: How long ``/out`` is known to keep a file.
RETENTION = timedelta(days=30)
#: So long after it was left for the next run a file of its name counts as the same one, which was being written.
_WRITTEN_WITHIN = timedelta(hours=24)


class Shelf:
    """
    The part of an archive for one username at one gateway.

    :param description: the archive's root and what it says of itself.
    :param name: ``<username>@<gateway>``.
    """

    def __init__(self, description: Description, name: str) -> None:
        self._description = description
        self.name = name
        self.folder = description.root / name
        self._out = Days(description, f"{name}/{OUT}")
        self._filed = Days(description, f"{name}/{FILED}")
        self._coverage = Coverage(self.folder / LISTINGS)

    def __repr__(self) -> str:
        """Tell where it is."""
        return f"<Shelf {self.folder}>"

    # ------------------------------------------------------------ keeping

    def draft(self) -> AbstractContextManager[Path]:
        """
        Give the name of a local file to download to, for :meth:`keep`; removed at the end if it is still there.

        :raises TransferError: when there is no folder for it and none can be made.
        """
        return draft(self._description.root)

    def keep(
        self,
        entry: OutboxEntry,
        content: Path,
        settings: GatewaySettings,
        *,
        answers: dict[str, str] | None = None,
    ) -> Record:
        """
        Take a downloaded file into the archive. Keeping the same file again changes nothing.

        :param entry: what the listing told of it.
        :param content: what :meth:`draft` gave, whole and flushed to the disk; it is moved away.
        :param settings: as whom and from where it was fetched.
        :param answers: the submission that it answers, where that is known; a status file says it itself.
        :return: its record; the first one, if there was one already.
        :raises TransferError: when the archive cannot be written, or the content has another size than was listed.
        :raises ConfigurationError: when the archive was begun with another zone or by a later version, or a record of
            the file is there already and cannot be understood.
        """
        self._description.begin()
        size = measure(content)
        if entry.size not in {None, size.size}:
            raise TransferError(f"{entry.name} has {size.size} bytes, {entry.size} were listed; it was not kept")
        record = fetched_record(entry.name, usable_time(entry.modified), content, size, settings, answers)
        return self._out.write(record, content, size)

    def keep_filed(self, submission: Submission, source: Any = None, *, address: str = "") -> Record:
        """
        Record what was filed. Recording the same submission again changes nothing, if it says when it was sent.

        :param submission: what an upload returned.
        :param source: where the content is, to keep a copy: path, path object or bytes.
        :param address: ``host:port`` of the gateway.
        :return: its record; the first one, if there was one already.
        :raises ConfigurationError: when the submission has no SHA-256 or no usable time; else as :meth:`keep` does.
        :raises TransferError: when the archive cannot be written, or the source cannot be read or is another one.
        """
        self._description.begin()
        record = filed_record(submission, address, copy=source is not None)
        size = Measure(record.size, record.sha256)
        if not submission.sent_at:  # recorded without a time of its own: once a day is enough
            record = self._same_day(record) or record
        if source is None:
            return self._filed.write(record, None, size)
        with self.draft() as path:
            with landing(path) as file:
                copy(source, file, otherwise="no copy was kept")
            if measure(path) != size:
                raise TransferError(
                    f"File {source if hasattr(source, 'open') else record.name} is not what was filed as {record.name} "
                    "(other size or content); it was not kept",
                    local=True,
                )
            return self._filed.write(record, path, size)

    # ------------------------------------------------------------ finding

    def compare(self, entries: Iterable[OutboxEntry]) -> Comparison:
        """
        Say which files of a listing are kept; only the names in the folders of their days are read.

        A file is kept when its exact name, its size and its time are; what the listing does not tell is not compared.

        :param entries: a listing of the outbox.
        :return: folders in it are given from the archive's root.
        :raises TransferError: when the archive cannot be listed.
        """
        found = compare(list(entries), self._out.folder, self._description.zone)
        kept = [(entry, f"{self._out.path}/{folder}", record) for entry, folder, record in found.kept]
        return replace(found, kept=kept)

    def records(
        self, since: datetime | None = None, until: datetime | None = None, *, kind: str = OUT
    ) -> Iterator[Record]:
        """
        Read the records with a time in ``[since, until)``, in its order; no other day is read.

        :param since: aware; by default from the first day.
        :param until: aware; by default to the last day.
        :param kind: ``out`` or ``filed``.
        :raises TransferError: when the archive cannot be read.
        :raises ConfigurationError: when a limit has no zone, or a record cannot be understood.
        """
        days = Days(self._description, f"{self.name}/{kind}")
        yield from days.records(_aware(since, "since"), _aware(until, "until"))

    def find(self, names: Iterable[str]) -> list[Kept]:
        """
        Look for files by their names alone: first among those of the last weeks, then everywhere.

        :param names: what the gateway called them.
        :return: in the order of the names; of several contents under one name the latest; nothing for what is not kept.
        :raises TransferError: when the archive cannot be listed.
        """
        wanted = {name_digest(name): name for name in names}
        found: dict[str, tuple[datetime, Kept]] = {}
        recently = datetime.now(UTC) - RECENT
        for since, until in ((recently, None), (None, recently)):
            for day in self._out.between(since, until) if len(found) < len(wanted) else ():
                for sight in self._out.sights(day):
                    digest = sight.name_digest
                    if digest in wanted and (digest not in found or found[digest][0] <= sight.time):
                        found[digest] = sight.time, Kept(wanted[digest], f"{self._out.path}/{day}", sight.record)
        return [found[digest][1] for digest in wanted if digest in found]

    def record_at(self, folder: str, record: str) -> Record:
        """
        Read one record.

        :param folder: from the archive's root, as :class:`Comparison` has it.
        :param record: its name.
        :raises TransferError: when it is not there or cannot be read.
        :raises ConfigurationError: when it cannot be understood.
        """
        path = self._description.root.joinpath(*folder.split("/")) / record
        content = read(path)
        if content is None:
            raise TransferError(f"Archive: {path} is not there", local=True)
        return understood(content, self._description.root, folder, record)

    # ------------------------------------------------------------ completeness

    def cover(self, span: Span, facts: dict[str, Any]) -> Span | None:
        """
        Note that every file with a time in a span is kept.

        :param span: the span; parts of a second at its ends do not count.
        :param facts: JSON-able, for a person to read.
        :return: the span in whole seconds, as it was noted; ``None`` when nothing is left of it.
        :raises TransferError: when it cannot be written.
        :raises ConfigurationError: when the archive was begun with another zone or by a later version.
        """
        self._description.begin()
        return self._coverage.add(span, facts)

    def note_missing(self, entry: OutboxEntry, facts: dict[str, Any], *, left: bool = False) -> None:
        """
        Note that a file was in the outbox and is not kept; without a time there is nothing to note.

        :param entry: what the listing told of it.
        :param facts: JSON-able, for a person to read.
        :param left: whether it was left for the next run; else it went, or no run can fetch it.
        :raises TransferError: when it cannot be written.
        :raises ConfigurationError: when the archive was begun with another zone or by a later version.
        """
        if time := usable_time(entry.modified):
            self._description.begin()
            self._coverage.add_hole(entry.name, time, facts, left=left)

    def gaps(self, since: datetime, until: datetime, *, shown: Iterable[Span] = ()) -> list[Span]:
        """
        Say for which parts of ``[since, until)`` it is not known that every file is kept.

        :param since: aware.
        :param until: aware.
        :param shown: further spans that are taken for complete but for the files that are known to be missing.
        :return: in order; empty when the archive can answer for all of it.
        :raises ConfigurationError: when a limit has no zone.
        :raises TransferError: when the archive cannot be listed.
        """
        window = Span(_aware(since, "since"), _aware(until, "until"))
        spans, holes = self._coverage.read()
        left = without(window, [*spans, *shown])
        inside = [hole for hole in holes if window.since <= hole.time < window.until]
        left += [hole.span for hole in self._open(inside)]
        return without(window, without(window, left))

    def passed_over(self, entries: Iterable[OutboxEntry]) -> set[str]:
        """
        Say which files an earlier look went on without: who asked for their time after it did not get them.

        :param entries: what a listing tells of files that are not kept.
        :return: names of those whose time was noted as complete, or that are known to be missing.
        :raises TransferError: when the archive cannot be listed.
        """
        spans, holes = self._coverage.read()
        known = {(hole.name_digest, hole.time) for hole in holes}
        return {
            entry.name
            for entry in entries
            if (time := usable_time(entry.modified))
            and ((name_digest(entry.name), time) in known or any(span.since <= time < span.until for span in spans))
        }

    def _open(self, holes: Iterable[Hole]) -> Iterator[Hole]:
        """Go through the holes whose files are not kept yet."""
        kept: dict[str, dict[str, list[datetime]]] = {}  # of each day, by the digests of names
        for hole in holes:
            # a file that was being written has a later time when it is kept
            later = hole.time + _WRITTEN_WITHIN if hole.left else hole.time
            times: list[datetime] = []
            for day in {self._out.day(hole.time), self._out.day(later)}:
                if day not in kept:
                    kept[day] = {}
                    for sight in self._out.sights(day):
                        kept[day].setdefault(sight.name_digest, []).append(sight.time)
                times += kept[day].get(hole.name_digest, ())
            if not any(hole.time <= time <= later for time in times):
                yield hole

    # ------------------------------------------------------------ inside

    def _same_day(self, record: Record) -> Record | None:
        day = self._filed.day(record.moment)
        same = content_name(record.name, record.sha256), name_digest(record.name)
        for sight in self._filed.sights(day):
            if (sight.content, sight.name_digest) == same:
                first = self.record_at(f"{self._filed.path}/{day}", sight.record)
                return first if first.content or not record.content else replace(first, content=record.content)
        return None


@overload
def _aware(moment: datetime, what: str) -> datetime: ...
@overload
def _aware(moment: datetime | None, what: str) -> datetime | None: ...
def _aware(moment: datetime | None, what: str) -> datetime | None:
    if moment is None:
        return None
    if moment.utcoffset() is None:
        raise ConfigurationError(f"{what} is {moment.isoformat()}, without a time zone; give one")
    # two moments of one zone are compared by the clock on the wall, which shows one hour a year twice
    return datetime.fromisoformat(moment.isoformat())
