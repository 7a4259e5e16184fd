"""
The archive: what was fetched and what was filed, kept for good. ``/out`` forgets after 30 days; the archive does not.

What it relies on (docs/archive.md tells the whole of it):

* A file counts when its record is there. The content is written first, whole, and the record last, whole: a crash in
  between leaves nothing that counts.
* Contents are named by their digest, so nothing is ever written over and writers need no lock.
* What is kept is read from the names in the folders of days (:mod:`~airflow_provider_icsftps.gateway._archive_layout`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError
from airflow_provider_icsftps.gateway._archive_check import Findings, check
from airflow_provider_icsftps.gateway._archive_description import Description
from airflow_provider_icsftps.gateway._archive_layout import DESCRIPTION, shelf_name
from airflow_provider_icsftps.gateway._archive_store import measured, names_in, read
from airflow_provider_icsftps.gateway.fetch_summary import Kept
from airflow_provider_icsftps.gateway.records import Record
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.shelf import Shelf
from airflow_provider_icsftps.gateway.sources import Measure


class Archive:
    """
    A folder, local or in an object store, for all certificates and gateways of a company.

    Making one touches nothing. Safe to use from many threads and processes at once.

    :param root: text of a local path, or a path object: local, or of an object store (``ObjectStoragePath``).
    :param zone: the time zone in which a day begins and ends. It is written down when the archive is begun; by default
        what is written down there, else Europe/Copenhagen.
    :raises ConfigurationError: when the root is no path object, or there is no such zone.
    """

    def __init__(self, root: Any, *, zone: str | None = None) -> None:
        self._description = Description(root, zone)
        self.root = self._description.root

    def __repr__(self) -> str:
        """Tell where it is."""
        return f"<Archive {self.root}>"

    @property
    def zone(self) -> ZoneInfo:
        """
        The time zone in which a day begins and ends.

        :raises ConfigurationError: when the archive was begun with another zone or by a later version.
        :raises TransferError: when the archive cannot be read.
        """
        return self._description.zone

    def shelf(self, settings: GatewaySettings) -> Shelf:
        """
        Return the part of the archive for one username at one gateway.

        :param settings: how its outbox is reached.
        """
        return Shelf(self._description, shelf_name(settings))

    def shelves(self) -> list[Shelf]:
        """
        Return all parts that are there, in the order of their names.

        :raises ConfigurationError: when there is no archive.
        :raises TransferError: when the archive cannot be listed.
        """
        if not self._description.exists():
            raise ConfigurationError(f"There is no archive in {self.root} ({DESCRIPTION} is not there)")
        return [Shelf(self._description, name) for name in sorted(names_in(self.root)) if "@" in name]

    def path(self, record: Record | Kept) -> Any:
        """
        Return the path of a record's content.

        :param record: of this archive: a record, or where one lies.
        :raises ConfigurationError: when it has no content, or does not say where it lies.
        """
        if record.content is None:
            raise ConfigurationError(f"Of {record.name} only the record was kept, no content")
        return self._folder(record) / record.content

    def confirm(self, record: Record) -> None:
        """
        Read a record and its content back: only then may the gateway's copy be deleted.

        :param record: what :meth:`Shelf.keep` or :meth:`Shelf.records` returned.
        :raises TransferError: when anything is not as it should be, or cannot be read.
        :raises ConfigurationError: when the record does not say where it lies.
        """
        path = self._folder(record) / record.record
        again = read(path)
        if again is None or again != record.to_json():
            raise TransferError(f"Archive: {path} is {'not there' if again is None else 'another one'}", local=True)
        if record.content is not None:
            found = measured(self.path(record), record.size)
            if found != Measure(record.size, record.sha256):
                said = f"has {found.size} bytes or other content" if found else "is not there"
                raise TransferError(
                    f"Archive: {self.path(record)} {said}; {record.size} bytes of SHA-256 {record.sha256} were kept",
                    local=True,
                )

    def verify(self, progress: Callable[[Findings], object] | None = None) -> Findings:
        """
        Read everything and compare it with its records.

        :param progress: called after each day with what was found so far.
        :return: counts, and what is wrong.
        :raises ConfigurationError: when there is no archive, or it was begun by a later version.
        :raises TransferError: when a folder cannot be listed.
        """
        folders = [shelf.folder for shelf in self.shelves()]
        return check(self.root, folders, self.zone, progress)

    def _folder(self, record: Record | Kept) -> Any:
        parts = record.folder.split("/")
        names = (record.content or "x", record.record, *parts)
        if any(part in {"", ".", ".."} or "/" in part or "\\" in part for part in names):
            raise ConfigurationError(f"The record of {record.name!r} does not say where it lies")
        return self.root.joinpath(*parts)
