"""Uploads: one that is being received, and the record of one that has ended."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class UploadRecord:
    """
    One upload that has ended, however it ended.

    :param number: from 1, in the order in which uploads were begun.
    :param username: who sent it.
    :param service: the service folder.
    :param file_name: its name.
    :param size: bytes received.
    :param sha256: over these bytes.
    :param received_at: when it ended, by the simulator's clock.
    :param whole: whether the client ended it by close_notify; a cut upload is not whole.
    :param filed: whether the gateway took it as a filing: not cut (or taken for whole), not rejected by the gateway,
        its name not used.
    :param accepted: whether the customs systems take it, too: filed, and not turned down after digit 1 for what is in
        it (``check_xml``).
    :param outcome: what became of it, for people.
    :param ascii: whether it was sent under TYPE A.
    :param path: where the content is kept; ``None`` when it was discarded.
    """

    number: int
    username: str
    service: str
    file_name: str
    size: int
    sha256: str
    received_at: datetime
    whole: bool
    filed: bool
    accepted: bool
    outcome: str
    ascii: bool = False
    path: Path | None = field(default=None, repr=False)

    def content(self) -> bytes:
        """
        Read what was received.

        :raises FileNotFoundError: when it was not kept, or the simulator that kept it has been stopped.
        """
        if self.path is None:
            raise FileNotFoundError(f"The content of {self.file_name} was not kept ({self.outcome})")
        return self.path.read_bytes()


class IncomingFile:
    """
    An upload that is being received; a file object to pyftpdlib.

    :param number: which upload.
    :param username: who sends it.
    :param service: the service folder.
    :param file_name: its name.
    :param path: where the content goes.
    """

    def __init__(self, number: int, username: str, service: str, file_name: str, path: Path) -> None:
        self.number = number
        self.username = username
        self.service = service
        self.file_name = file_name
        self.path = path
        self.name = str(path)
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._file = path.open("wb")

    @property
    def closed(self) -> bool:
        """Whether nothing more is written."""
        return self._file.closed

    @property
    def sha256(self) -> str:
        """SHA-256 over what has been written."""
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> int:
        """
        Write a block.

        :param data: the bytes.
        """
        self._sha256.update(data)
        self.size += len(data)
        return self._file.write(data)

    def close(self) -> None:
        """End the writing."""
        self._file.close()


def holds(path: Path, content: bytes) -> bool:
    """
    Say whether a file holds a sequence of bytes, whatever its size.

    :param path: the file.
    :param content: the bytes.
    """
    if not path.stat().st_size:
        return not content
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(content) >= 0
