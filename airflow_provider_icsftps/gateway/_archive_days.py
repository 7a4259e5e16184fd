"""The folders of days of one shelf, for what was fetched or for what was filed: records written there, and read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway._archive_compare import sights_in
from airflow_provider_icsftps.gateway._archive_description import Description
from airflow_provider_icsftps.gateway._archive_layout import Sight, content_name, day_folder, days_between, record_name
from airflow_provider_icsftps.gateway._archive_store import days_in, put, put_file, read, read_each
from airflow_provider_icsftps.gateway.records import Record
from airflow_provider_icsftps.gateway.sources import Measure

#: Of a longer window the days that are there are listed; in a shorter one each day is looked for by its name.
_LONG = timedelta(days=400)


class Days:
    """
    Some folders of days.

    :param description: the archive's root and what it says of itself.
    :param path: where they lie, from the root: ``<shelf>/out`` or ``<shelf>/filed``.
    """

    def __init__(self, description: Description, path: str) -> None:
        self._description = description
        self.path = path
        self.folder = description.root.joinpath(*path.split("/"))

    def write(self, record: Record, content: Path | None, size: Measure) -> Record:
        """
        Write a content, and then its record: what has no record does not count.

        :param record: without a place.
        :param content: a draft, whole and flushed to the disk; ``None`` to write the record alone.
        :param size: what the draft holds.
        :return: the record with its place; the first one, if there was one already.
        :raises TransferError: when the archive cannot be written.
        :raises ConfigurationError: when a record that is there already cannot be understood.
        """
        day = self.day(record.moment)
        name = record_name(content_name(record.name, record.sha256), record.moment, record.size, record.name)
        record = replace(record, folder=f"{self.path}/{day}", record=name)
        if content is not None:
            put_file(content, self.folder / day / str(record.content), size)
        before = read(self.folder / day / name)
        if before is not None:
            first = understood(before, self._description.root, record.folder, name)
            if first.content is not None or record.content is None:
                return first
        put(self.folder / day / name, record.to_json())
        return record

    def records(self, since: datetime | None, until: datetime | None) -> Iterator[Record]:
        """
        Read the records with a time in ``[since, until)``, in its order; no other day is read.

        :param since: aware.
        :param until: aware.
        :raises TransferError: when the archive cannot be read.
        :raises ConfigurationError: when a record cannot be understood.
        """
        for day in self.between(since, until):
            sights = [
                sight
                for sight in self.sights(day)
                if (since is None or sight.time >= since) and (until is None or sight.time < until)
            ]
            sights.sort(key=lambda sight: (sight.time, sight.record))
            for path, content in read_each([self.folder / day / sight.record for sight in sights]):
                if content is not None:  # removed since it was listed
                    yield understood(content, self._description.root, f"{self.path}/{day}", path.name)

    def between(self, since: datetime | None, until: datetime | None) -> list[str]:
        """
        Name the folders of the days that a span of time touches, in order; some may not be there.

        :param since: aware.
        :param until: aware.
        :raises TransferError: when the archive cannot be listed.
        """
        zone = self._description.zone
        if since is not None and until is not None and until - since < _LONG:
            return [day_folder(day) for day in days_between(since, until, zone)]
        first = since and since.astimezone(zone).date()
        last = until and until.astimezone(zone).date()
        return [
            day_folder(day)
            for day, _ in days_in(self.folder)
            if (first is None or day >= first) and (last is None or day <= last)
        ]

    def sights(self, day: str) -> Iterator[Sight]:
        """
        Read the names of the records of one day.

        :param day: its folder.
        :raises TransferError: when it cannot be listed.
        """
        return sights_in(self.folder / day)

    def day(self, moment: datetime) -> str:
        """
        Name the folder of a moment's day.

        :param moment: aware.
        """
        return day_folder(moment.astimezone(self._description.zone).date())


def understood(content: bytes, root: Any, folder: str, record: str) -> Record:
    """
    Read a record file's content; the error says where it lies.

    :param content: of the file.
    :param root: path object of the archive's root.
    :param folder: where it lies, from there.
    :param record: its name.
    :raises ConfigurationError: when it cannot be understood.
    """
    try:
        return Record.from_json(content, folder, record)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"Archive: {root}/{folder}/{record} is no record: {error}. See icsftps archive verify"
        ) from error
