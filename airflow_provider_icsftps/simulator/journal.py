"""Uploads and filings as lines of the record, and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.simulator.backoffice import Filing, Rejection
from airflow_provider_icsftps.simulator.uploads import UploadRecord


def upload_to_data(upload: UploadRecord) -> dict[str, Any]:
    """
    Write an upload; its content stands beside the record.

    :param upload: the upload.
    """
    return asdict(upload) | {"received_at": upload.received_at.isoformat(), "path": upload.path is not None}


def upload_from_data(data: dict[str, Any], path: Path) -> UploadRecord:
    """
    Read what :func:`upload_to_data` wrote.

    :param data: the line.
    :param path: where the content is if it was kept.
    """
    values = {name: value for name, value in data.items() if name != "kind"}
    received_at = datetime.fromisoformat(values["received_at"])
    accepted = values.get("accepted", values["filed"])  # older records do not tell
    changes = {"received_at": received_at, "accepted": accepted, "path": path if values["path"] else None}
    return UploadRecord(**values | changes)


def filing_to_data(filing: Filing) -> dict[str, Any]:
    """
    Write a filing.

    :param filing: the filing.
    """
    return asdict(filing) | {"received_at": filing.received_at.isoformat()}


def filing_from_data(data: dict[str, Any]) -> Filing:
    """
    Read what :func:`filing_to_data` wrote.

    :param data: the line.
    """
    values = {name: value for name, value in data.items() if name != "kind"}
    for reason in ("rejection", "later_rejection"):
        values[reason] = Rejection(**values[reason]) if values.get(reason) else None
    delays = {int(digit): seconds for digit, seconds in values.get("delays", {}).items()}
    return Filing(**values | {"received_at": datetime.fromisoformat(values["received_at"]), "delays": delays})
