"""What a reconciliation of the outbox with an archive tells: how far it is, and what it has done."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway._archive_coverage import Span
from airflow_provider_icsftps.gateway._archive_layout import Sight, read_record_name


@dataclass(frozen=True)
class FetchProgress:
    """
    How far a reconciliation has come.

    :param files: files that were dealt with.
    :param of_files: files that are to be fetched.
    :param bytes: bytes that were fetched.
    :param of_bytes: bytes that are to be fetched, as far as the listing tells.
    :param seconds: since it began.
    """

    files: int
    of_files: int
    bytes: int
    of_bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        """Bytes a second."""
        return self.bytes / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Kept:
    """
    Where a file of the outbox lies in the archive.

    :param name: what the gateway calls it.
    :param folder: from the archive's root.
    :param record: the name of its record there.
    """

    name: str
    folder: str
    record: str

    @property
    def sight(self) -> Sight:
        """
        What the record's name tells.

        :raises ConfigurationError: when it is no name of a record.
        """
        sight = read_record_name(self.record)
        if sight is None:
            raise ConfigurationError(f"Archive: {self.folder}/{self.record} is no record")
        return sight

    @property
    def content(self) -> str:
        """
        The name of the content beside the record.

        :raises ConfigurationError: when the record's name is none.
        """
        return self.sight.content


@dataclass(frozen=True)
class FetchSummary:
    """
    What a reconciliation did.

    :param listed_at: when the outbox was listed, ISO 8601.
    :param listed: files in the outbox then that were to be dealt with.
    :param kept_before: how many of them were in the archive.
    :param fetched: names of those that were fetched now.
    :param gone: names of those that went before they were kept.
    :param postponed: names of those that are left for the next run, with the reason.
    :param left_out: names, the first 20, of those that no run can fetch: a path, or what cannot be printed, is in them.
    :param late: names of those that an earlier run went on without, because they came late, or had to be left, or were
        gone then: who asked for their time before did not get them.
    :param conflicts: names of those under which the archive has kept other content, too, in the last month or so.
    :param deleted: names of those that were deleted at the gateway.
    :param not_deleted: names of those that should have been deleted and were not, with the reason.
    :param bytes: bytes that were fetched.
    :param seconds: how long it took.
    :param covered: the span of time that this run has shown to be complete; ``None`` where it has not.
    :param reach: the span of time of which all that was looked for is kept; not part of :meth:`to_data`.
    :param kept: where each file lies that was listed and is kept, fetched now or before; not part of :meth:`to_data`.
    """

    listed_at: str
    listed: int = 0
    kept_before: int = 0
    fetched: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    postponed: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    not_deleted: dict[str, str] = field(default_factory=dict)
    bytes: int = 0
    seconds: float = 0.0
    covered: dict[str, str] | None = None
    reach: Span | None = field(default=None, repr=False)
    kept: list[Kept] = field(default_factory=list, repr=False)

    @property
    def complete(self) -> bool:
        """Whether every file that was listed is in the archive."""
        return not self.gone and not self.postponed and not self.left_out

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types."""
        return {name: value for name, value in asdict(self).items() if name not in {"reach", "kept"}}
