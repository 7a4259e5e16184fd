"""One username's part of the archive at one gateway: keeping, finding, and from when to when it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway._archive_compare import RECENT, Comparison, compare, sights_in
from airflow_provider_icsftps.gateway._archive_coverage import Coverage, Hole, Span, without
from airflow_provider_icsftps.gateway._archive_description import Description
from airflow_provider_icsftps.gateway._archive_layout import (
    LISTINGS,
    OUT,
    Sight,
    content_name,
    day_folder,
    days_between,
    name_digest,
    record_name,
    usable_time,
)
from airflow_provider_icsftps.gateway._archive_store import (
    days_in,
    draft,
    put,
    put_file,
    read,
    read_each,
)
from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway.fetch_summary import Kept
from airflow_provider_icsftps.gateway.landing import landing
from airflow_provider_icsftps.gateway.records import Record, fetched_record, filed_record
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.sources import Measure, measure, opened
from airflow_provider_icsftps.gateway.submission import Submission

#: How long ``/out`` is known to keep a file.
RETENTION = timedelta(days=30)


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
        self._coverage = Coverage(self.folder / LISTINGS)

    def __repr__(self) -> str:
        """Tell where it is."""
        return f"<Shelf {self.folder}>"

    # ------------------------------------------------------------ keeping

    def draft(self) -> AbstractContextManager[Path]:
        """Give the name of a local file to download to, for :meth:`keep`; removed at the end if it is still there."""
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
        """
        self._description.begin()
        size = measure(content)
        if entry.size not in {None, size.size}:
            raise TransferError(f"{entry.name} has {size.size} bytes, {entry.size} were listed; it was not kept")
        record = fetched_record(entry.name, usable_time(entry.modified), content, size, settings, answers)
        return self._write(record, content, size)

    def keep_filed(self, submission: Submission, source: Any = None, *, address: str = "") -> Record:
        """
        Record what was filed. Recording the same submission again changes nothing, if it says when it was sent.

        :param submission: what an upload returned.
        :param source: where the content is, to keep a copy: path, path object or bytes.
        :param address: ``host:port`` of the gateway.
        :return: its record; the first one, if there was one already.
        :raises ConfigurationError: when the submission has no SHA-256 or no usable time.
        :raises TransferError: when the archive cannot be written, or the source is not what was filed.
        """
        self._description.begin()
        record = filed_record(submission, address, copy=source is not None)
        size = Measure(record.size, record.sha256)
        if not submission.sent_at:  # recorded without a time of its own: once a day is enough
            record = self._same_day(record) or record
        if source is None:
            return self._write(record, None, size)
        with self.draft() as path:
            with landing(path) as file, opened(source) as given:
                shutil.copyfileobj(given, file)
            if measure(path) != size:
                raise TransferError(
                    f"File {source if hasattr(source, 'open') else record.name} is not what was filed as {record.name} "
                    "(other size or content); it was not kept",
                    local=True,
                )
            return self._write(record, path, size)

    # ------------------------------------------------------------ finding

    def compare(self, entries: Iterable[OutboxEntry]) -> Comparison:
        """
        Say which files of a listing are kept; only the names in the folders of their days are read.

        A file is kept when its exact name, its size and its time are; what the listing does not tell is not compared.

        :param entries: a listing of the outbox.
        :return: folders in it are given from the archive's root.
        :raises TransferError: when the archive cannot be listed.
        """
        found = compare(list(entries), self.folder / OUT, self._description.zone)
        kept = [(entry, f"{self.name}/{OUT}/{folder}", record) for entry, folder, record in found.kept]
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
        since, until = _aware(since, "since"), _aware(until, "until")
        for folder in self._days(kind, since, until):
            sights = [
                sight
                for sight in sights_in(self.folder / kind / folder)
                if (since is None or sight.time >= since) and (until is None or sight.time < until)
            ]
            sights.sort(key=lambda sight: (sight.time, sight.record))
            paths = [self.folder / kind / folder / sight.record for sight in sights]
            for path, content in read_each(paths):
                if content is not None:  # removed since it was listed
                    yield self._read(content, f"{self.name}/{kind}/{folder}", path.name)

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
            for folder in self._days(OUT, since, until) if len(found) < len(wanted) else ():
                for sight in sights_in(self.folder / OUT / folder):
                    digest = sight.name_digest
                    if digest in wanted and (digest not in found or found[digest][0] <= sight.time):
                        kept = Kept(wanted[digest], f"{self.name}/{OUT}/{folder}", sight.record)
                        found[digest] = sight.time, kept
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
        return self._read(content, folder, record)

    # ------------------------------------------------------------ completeness

    def cover(self, span: Span, facts: dict[str, Any]) -> Span:
        """
        Note that every file with a time in a span is kept.

        :param span: the span; parts of a second at its ends do not count.
        :param facts: JSON-able, for a person to read.
        :return: the span in whole seconds, as it was noted.
        :raises TransferError: when it cannot be written.
        """
        self._description.begin()
        since = span.since.astimezone(UTC)
        since = since.replace(microsecond=0) + timedelta(seconds=1 if since.microsecond else 0)
        noted = Span(since, span.until.astimezone(UTC).replace(microsecond=0))
        self._coverage.add(noted, facts)
        return noted

    def note_gone(self, entry: OutboxEntry, facts: dict[str, Any]) -> None:
        """
        Note that a file went from the outbox before it was kept; without a time there is nothing to note.

        :param entry: what the listing told of it.
        :param facts: JSON-able, for a person to read.
        :raises TransferError: when it cannot be written.
        """
        if time := usable_time(entry.modified):
            self._description.begin()
            self._coverage.add_hole(entry.name, time, facts)

    def gaps(self, since: datetime, until: datetime) -> list[Span]:
        """
        Say for which parts of ``[since, until)`` it is not known that every file is kept.

        :param since: aware.
        :param until: aware.
        :return: in order; empty when the archive can answer for all of it.
        :raises ConfigurationError: when a limit has no zone.
        :raises TransferError: when the archive cannot be listed.
        """
        _aware(since, "since"), _aware(until, "until")
        spans, holes = self._coverage.read()
        window = Span(since, until)
        left = without(window, spans)
        left += [hole.span for hole in holes if window.since <= hole.time < window.until and not self._filled(hole)]
        return without(window, without(window, left))

    def _filled(self, hole: Hole) -> bool:
        return any(
            (sight.name_digest, sight.time) == (hole.name_digest, hole.time) for sight in self._sights(OUT, hole.time)
        )

    # ------------------------------------------------------------ inside

    def _write(self, record: Record, content: Path | None, size: Measure) -> Record:
        day = self._day(record.moment)
        name = record_name(content_name(record.name, record.sha256), record.moment, record.size, record.name)
        record = replace(record, folder=f"{self.name}/{record.kind}/{day}", record=name)
        folder = self.folder / record.kind / day
        if content is not None:
            put_file(content, folder / str(record.content), size)
        before = read(folder / name)
        if before is not None:
            first = self._read(before, record.folder, name)
            if first.content is not None or record.content is None:
                return first
        put(folder / name, record.to_json())
        return record

    def _same_day(self, record: Record) -> Record | None:
        day = self._day(record.moment)
        content = content_name(record.name, record.sha256)
        for sight in self._sights(record.kind, record.moment):
            if (sight.content, sight.name_digest) == (content, name_digest(record.name)):
                first = self.record_at(f"{self.name}/{record.kind}/{day}", sight.record)
                return first if first.content or not record.content else replace(first, content=record.content)
        return None

    def _day(self, moment: datetime) -> str:
        return day_folder(moment.astimezone(self._description.zone).date())

    def _sights(self, kind: str, time: datetime) -> Iterator[Sight]:
        return sights_in(self.folder / kind / self._day(time))

    def _days(self, kind: str, since: datetime | None, until: datetime | None) -> list[str]:
        zone = self._description.zone
        if since is not None and until is not None and until - since < timedelta(days=400):
            return [day_folder(day) for day in days_between(since, until, zone)]
        first = since and since.astimezone(zone).date()
        last = until and until.astimezone(zone).date()
        return [
            day_folder(day)
            for day, _ in days_in(self.folder / kind)
            if (first is None or day >= first) and (last is None or day <= last)
        ]

    def _read(self, content: bytes, folder: str, record: str) -> Record:
        try:
            return Record.from_json(content, folder, record)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"Archive: {self._description.root}/{folder}/{record} is no record: {error}. See icsftps archive verify"
            ) from error


def _aware(moment: datetime | None, what: str) -> datetime | None:
    if moment is not None and moment.utcoffset() is None:
        raise ConfigurationError(f"{what} is {moment.isoformat()}, without a time zone; give one")
    return moment
