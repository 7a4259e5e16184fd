"""
What the simulated gateway keeps on disk.

::

    record.jsonl     one line for each thing that must survive a restart, only ever appended to
    homes/<user>/    what a login sees: one folder per service, and out
    received/        the content of every upload that was kept
    tls/             what OpenSSL reads from files
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX


class Storage:
    """
    The simulator's directory.

    :param directory: where; by default a temporary directory that :meth:`close` removes.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._temporary = None if directory else tempfile.TemporaryDirectory(prefix="icsftps-simulator-")
        self.directory = Path(directory or self._temporary.name).resolve()  # type: ignore[union-attr]  # one of the two is set
        for folder in ("homes", "received", "tls"):
            (self.directory / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.directory / "record.jsonl", os.O_APPEND | os.O_CREAT | os.O_RDWR, 0o600)
        self._record: BinaryIO = os.fdopen(descriptor, "ab+")
        self._record.seek(0)
        # a crash may have left half a line
        self._record.truncate(self._record.read().rfind(b"\n") + 1)

    def close(self) -> None:
        """Close the record and remove a temporary directory."""
        self._record.close()
        if self._temporary:
            self._temporary.cleanup()

    def records(self) -> Iterator[dict[str, Any]]:
        """Read what was recorded, in order."""
        for line in (self.directory / "record.jsonl").read_bytes().splitlines():
            yield json.loads(line)

    def append(self, kind: str, **values: Any) -> None:
        """
        Record something.

        :param kind: what it is.
        :param values: JSON-able.
        """
        self._record.write(json.dumps({"kind": kind, **values}).encode() + b"\n")
        self._record.flush()

    def tls_file(self, name: str, pem: bytes) -> Path:
        """
        Write a file for OpenSSL.

        :param name: its name.
        :param pem: its content.
        """
        path = self.directory / "tls" / name
        write_private(path, pem)
        return path

    def home(self, username: str) -> Path:
        """
        Return the root folder of a login.

        :param username: whose.
        """
        return self.directory / "homes" / username

    def outbox(self, username: str) -> Path:
        """
        Return the outbox of a login.

        :param username: whose.
        """
        return self.home(username) / DEFAULT_OUTBOX.strip("/")

    def outbox_files(self) -> list[Path]:
        """List the files in all outboxes."""
        return list(self.directory.glob(f"homes/*{DEFAULT_OUTBOX}/*"))

    def service_file(self, username: str, service: str, file_name: str) -> Path:
        """
        Return where an upload can be seen until it is taken on.

        :param username: whose.
        :param service: the service folder.
        :param file_name: its name.
        """
        return self.home(username) / service / file_name

    def make_home(self, username: str, services: tuple[str, ...]) -> None:
        """
        Make the folders of a login.

        :param username: whose.
        :param services: the service folders.
        """
        self.outbox(username).mkdir(parents=True, exist_ok=True)
        for service in services:
            (self.home(username) / service).mkdir(exist_ok=True)

    def received(self, number: int) -> Path:
        """
        Return where an upload's content is kept.

        :param number: which upload.
        """
        return self.directory / "received" / f"{number:08d}"

    def lay(self, path: Path, data: bytes, moment: datetime) -> None:
        """
        Put a file where a client can see it, whole from the first moment.

        :param path: where.
        :param data: its content.
        :param moment: its time of modification.
        """
        draft = self.directory / "received" / "draft"
        draft.write_bytes(data)
        os.utime(draft, (moment.timestamp(),) * 2)
        draft.replace(path)


def write_private(path: Path, data: bytes) -> None:
    """
    Write a file that only its owner can read.

    :param path: where; a file that is there is replaced.
    :param data: its content.
    """
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
