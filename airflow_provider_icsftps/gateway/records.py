"""The record beside each file of an archive: a small JSON file that says what it is."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError, StatusFileError
from airflow_provider_icsftps.gateway._archive_layout import (
    FILED,
    OUT,
    content_name,
    name_digest,
    read_record_name,
    usable_time,
)
from airflow_provider_icsftps.gateway.outbox_names import digit_of
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.sources import Measure
from airflow_provider_icsftps.gateway.status import MAX_STATUS_BYTES, StatusFile
from airflow_provider_icsftps.gateway.submission import Submission

_FORMAT = 1


class TimeSource(StrEnum):
    """Where a record's time comes from."""

    #: The gateway's listing said it (MLSD or MDTM, in UTC).
    LISTING = "listing"
    #: The listing said nothing; the status file says it inside.
    STATUS_FILE = "status file"
    #: Nothing said it: this is when the file was fetched.
    FETCHED = "fetched"
    #: When the file was sent.
    SENT = "sent"
    #: When it was recorded that the file is filed; it was sent by an earlier try.
    RECORDED = "recorded"


@dataclass(frozen=True, kw_only=True)
class Record:
    """
    What is known of one kept file. JSON-able by :meth:`to_data`.

    :param kind: ``out`` for what was fetched, ``filed`` for what was filed.
    :param name: what the gateway calls it; bytes that are no text are lone surrogates.
    :param size: bytes.
    :param sha256: SHA-256 of the content, 64 hexadecimal digits.
    :param time: the gateway's time of the file, ISO 8601 in UTC: it decides the day.
    :param time_source: where that time comes from, a :class:`TimeSource`.
    :param recorded_at: when it was fetched or recorded, ISO 8601.
    :param username: whose outbox it lay in, or who filed it.
    :param fingerprint: SHA-256 of the certificate used.
    :param address: ``host:port`` of the gateway.
    :param content: name of the content beside the record; ``None`` where no copy was kept.
    :param digit: of a status file, by its name.
    :param answers: the submission that it answers: ``service`` and ``file_name``.
    :param status: what a status file says, as
        :meth:`~airflow_provider_icsftps.gateway.status.StatusFile.to_data` returns it.
    :param submission: of what was filed, what the upload returned.
    :param folder: where the record lies, from the archive's root.
    :param record: the record's own name there.
    """

    kind: str
    name: str
    size: int
    sha256: str
    time: str
    time_source: str
    recorded_at: str
    username: str = ""
    fingerprint: str = ""
    address: str = ""
    content: str | None = None
    digit: int | None = None
    answers: dict[str, str] | None = None
    status: dict[str, Any] | None = None
    submission: dict[str, Any] | None = None
    folder: str = ""
    record: str = ""

    @property
    def moment(self) -> datetime:
        """The file's time, aware."""
        return datetime.fromisoformat(self.time)

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Any) -> Record:
        """
        Read what :meth:`to_data` wrote; further keys are ignored.

        :param data: perhaps through JSON.
        :raises ConfigurationError: when it is none.
        """
        try:
            record = cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})
            whole = len(bytes.fromhex(record.sha256)) == 32 and record.moment.utcoffset() is not None
            whole = whole and (type(record.name), type(record.size)) == (str, int)
            whole = whole and all(isinstance(place, str) for place in (record.folder, record.record))
            whole = whole and isinstance(record.content, str | None)
            told = (record.answers, record.status, record.submission)
            whole = whole and all(isinstance(data, dict | None) for data in told)
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError(f"A record of an archive is expected, this is none: {error}") from error
        if not whole:
            raise ConfigurationError("A record of an archive is expected, this is none: a value is not of its kind")
        return record

    def to_json(self) -> bytes:
        """Write the record file's content; where it lies follows from where it is, so that an archive can be moved."""
        data = {"format": _FORMAT} | self.to_data()
        del data["folder"], data["record"]
        return json.dumps(data, indent=2).encode("ascii") + b"\n"

    @classmethod
    def from_json(cls, content: bytes, folder: str, record: str) -> Record:
        """
        Read a record file's content.

        :param content: of the file.
        :param folder: where it lies, from the archive's root.
        :param record: its name.
        :raises ConfigurationError: when it is none, of a later format, or of another file than its name says.
        """
        try:
            data = json.loads(content)
        except ValueError as error:
            raise ConfigurationError(f"it is no JSON ({error})") from error
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ConfigurationError(f"its format is not {_FORMAT}, which this version writes and reads")
        found = cls.from_data(data | {"folder": folder, "record": record})
        # what is kept is read from the names, so a record that does not bear its name out keeps nothing
        sight = read_record_name(record)
        told = (found.sha256[:16], found.moment, found.size, name_digest(found.name))
        has_none = found.kind == FILED and found.content is None  # what was filed may be recorded without its content
        if (
            sight is None
            or told != (sight.digest, sight.time, sight.size, sight.name_digest)
            or not (has_none or found.content == sight.content)
        ):
            raise ConfigurationError("it is of another file than its name says")
        return found


def fetched_record(
    name: str,
    listed: datetime | None,
    content: Path,
    size: Measure,
    settings: GatewaySettings,
    answers: dict[str, str] | None = None,
) -> Record:
    """
    Describe a file that was fetched.

    :param name: what the gateway calls it.
    :param listed: the time that the listing told.
    :param content: where it is now.
    :param size: what it holds.
    :param settings: as whom and from where it was fetched.
    :param answers: the submission that it answers, where that is known; a status file says it itself.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    status = _status_in(name, content)
    told = usable_time(status.timestamp) if status else None
    source = TimeSource.LISTING if listed else TimeSource.STATUS_FILE if told else TimeSource.FETCHED
    return Record(
        kind=OUT,
        name=name,
        size=size.size,
        sha256=size.sha256,
        time=(listed or told or now).astimezone(UTC).replace(microsecond=0).isoformat(),
        time_source=source.value,
        recorded_at=now.isoformat(),
        username=settings.username,
        fingerprint=settings.certificate.fingerprint,
        address=settings.address,
        content=content_name(name, size.sha256),
        digit=int(status.code) if status else None,
        answers=(_answered_by(status) if status else None) or answers,
        status=status.to_data() if status else None,
    )


def filed_record(submission: Submission, address: str, *, copy: bool) -> Record:
    """
    Describe a file that was filed.

    :param submission: what an upload returned.
    :param address: ``host:port`` of the gateway.
    :param copy: whether a copy of the content is kept.
    :raises ConfigurationError: when the submission has no SHA-256 or no usable time.
    """
    if re.fullmatch(r"[0-9a-f]{64}", submission.sha256) is None:
        raise ConfigurationError(f"The submission {submission.file_name} has no SHA-256; give what an upload returned")
    now = datetime.now(UTC).replace(microsecond=0)
    sent = _sent_at(submission)
    return Record(
        kind=FILED,
        name=submission.file_name,
        size=submission.size,
        sha256=submission.sha256,
        time=(sent or now).isoformat(),
        time_source=(TimeSource.SENT if sent else TimeSource.RECORDED).value,
        recorded_at=now.isoformat(),
        username=submission.username,
        fingerprint=submission.fingerprint,
        address=address,
        content=content_name(submission.file_name, submission.sha256) if copy else None,
        submission=submission.to_data(),
    )


def _sent_at(submission: Submission) -> datetime | None:
    if not submission.sent_at:
        return None
    try:
        sent = usable_time(datetime.fromisoformat(submission.sent_at))
    except ValueError:
        sent = None
    if sent is None:
        raise ConfigurationError(
            f"The submission {submission.file_name} was sent at {submission.sent_at!r}, which is no time"
        )
    return sent.astimezone(UTC)


def _status_in(name: str, content: Path) -> StatusFile | None:
    """Read a status file; one that cannot be read is kept like any other file."""
    digit = digit_of(name)
    if digit is None or content.stat().st_size > MAX_STATUS_BYTES:
        return None
    try:
        return StatusFile.from_xml(content.read_bytes(), digit)
    except StatusFileError:
        return None


def _answered_by(status: StatusFile) -> dict[str, str] | None:
    file_name = status.path.rpartition("/")[2] or status.transaction_id
    service = status.service or status.path.rpartition("/")[0].rpartition("/")[2]
    return {"service": service, "file_name": file_name} if service and file_name else None
