"""What is uploaded: opened, measured, and checked to be the same to its last byte."""

from __future__ import annotations

import contextlib
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_icsftps.exceptions import TransferError

_BLOCK = 1024 * 1024
#: What reading raises: a disk or a store that fails, a compressed file that is cut short or damaged.
READ_ERRORS = (OSError, EOFError, zlib.error)
_NOT_SENT = "nothing was sent"


@contextlib.contextmanager
def opened(source: Any, otherwise: str = _NOT_SENT) -> Iterator[Any]:
    """
    Open what is to be uploaded.

    :param source: a path (text or any path object with ``open``), bytes, or a binary file, which is left open.
    :param otherwise: what it comes to when it cannot be opened, for the error.
    :return: a binary file.
    :raises TransferError: when it cannot be opened.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    elif hasattr(source, "readinto"):
        yield source
    else:
        try:
            file = (source if hasattr(source, "open") else Path(source)).open("rb")
        except OSError as error:
            raise TransferError(
                f"File {source} cannot be opened ({error.strerror or error}); {otherwise}", local=True
            ) from error
        with file:
            yield file


@dataclass(frozen=True)
class Measure:
    """
    What a file's name at the gateway follows from.

    :param size: bytes.
    :param sha256: 64 hexadecimal digits.
    """

    size: int
    sha256: str


def measure(source: Any) -> Measure:
    """
    Read a source once and say how long it is and what it holds.

    :param source: a path or bytes; a file is read to its end, from where it stands.
    :return: its size and digest.
    :raises TransferError: when it cannot be read.
    """
    with opened(source) as file, _read_of(source, _NOT_SENT):
        return measure_file(file)


def copy(source: Any, file: IO[bytes], *, otherwise: str) -> None:
    """
    Copy a source to its end.

    :param source: a path or bytes; a file is read from where it stands.
    :param file: where it is copied to.
    :param otherwise: what it comes to when it cannot be read, for the error.
    :raises TransferError: when it cannot be read.
    :raises OSError: when the copy cannot be written.
    """
    with opened(source, otherwise) as given:
        while True:
            with _read_of(source, otherwise):
                block = given.read(_BLOCK)
            if not block:
                return
            file.write(block)


@contextlib.contextmanager
def _read_of(source: Any, otherwise: str) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        why = getattr(error, "strerror", None) or error
        raise TransferError(f"File {source} cannot be read ({why}); {otherwise}", local=True) from error


def measure_file(file: Any) -> Measure:
    """
    Read an open file to its end and say how long it is and what it holds.

    :param file: a binary file.
    :return: size and digest of what was left of it.
    :raises OSError: when it cannot be read; a compressed one also ``EOFError`` and ``zlib.error``.
    """
    digest = hashlib.sha256()
    size = 0
    buffer = memoryview(bytearray(_BLOCK))
    while count := file.readinto(buffer):
        digest.update(buffer[:count])
        size += count
    return Measure(size, digest.hexdigest())


class MeasuredFile:
    """
    A file that must still be what was measured; the end of another one is never reached.

    The digest is in the name under which a file is filed, so other content must not be filed under it. One block is
    held back until the digest over all of them is known: a file that changed is cut short, and an upload that is cut
    short is aborted.

    :param file: a binary file at its beginning.
    :param expected: what was measured.
    :param label: what to call it in an error.
    """

    def __init__(self, file: Any, expected: Measure, label: str) -> None:
        self._file = file
        self._expected = expected
        self._label = label
        self._digest = hashlib.sha256()
        self._size = 0
        self._held: bytes | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        """
        Fill the buffer.

        :param buffer: for at most so many bytes as it has.
        :return: the number of bytes, 0 at the end.
        :raises TransferError: when the file is not what was measured.
        """
        if self._held is None:
            self._held = self._next(len(buffer))
        if len(self._held) > len(buffer):
            block, self._held = self._held[: len(buffer)], self._held[len(buffer) :]
        else:
            block, self._held = self._held, b""
            if block:
                self._held = self._next(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def _next(self, size: int) -> bytes:
        block: bytes = self._file.read(size)
        self._digest.update(block)
        self._size += len(block)
        if not block or self._size > self._expected.size:
            self._check()
        return block

    def _check(self) -> None:
        if Measure(self._size, self._digest.hexdigest()) != self._expected:
            raise TransferError(
                f"File {self._label} changed while it was being sent ({self._expected.size} bytes were measured, "
                f"{self._size} read, or other content); the upload was aborted. Let nothing write to it, and try again",
                local=True,
            )
