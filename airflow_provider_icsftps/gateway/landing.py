"""Where a download lands: under its name only when it is complete, and nothing left behind otherwise."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from airflow_provider_icsftps.exceptions import ConfigurationError, TransferError


def local_path(target: Any) -> Path | None:
    """
    Return a target as a local path, or ``None`` if it is in an object store.

    :param target: text, a :class:`~pathlib.Path`, or another path object with ``protocol`` and ``path``.
    :return: not looked at on the disk.
    """
    if isinstance(target, str | Path):
        return Path(target)
    if getattr(target, "protocol", None) in {"", "file", "local"}:
        return Path(target.path)
    return None


@contextlib.contextmanager
def landing(target: Any) -> Iterator[IO[bytes]]:
    """
    Give a file to write to; when the block ends well, the target exists with what was written, whole.

    Local: a temporary file in the target's folder, flushed to the disk, then renamed, and the folder flushed after it.
    Elsewhere: a local temporary file, put when it is complete; an object store shows an object only when all of it has
    come.

    :param target: path of the file, not of a folder; what exists under it is replaced, and folders above are made.
    :return: a binary file; what is raised in the block leaves the target as it was.
    :raises ConfigurationError: when the target is a folder.
    :raises TransferError: when the target cannot be written.
    """
    path = local_path(target)
    try:
        if path is not None and path.is_dir():  # which fails for a name that is too long for the disk
            raise ConfigurationError(f"Download target {path} is a folder; give the path of the file")
        if path is not None:
            with written_whole(path) as file:
                yield file
            with contextlib.suppress(OSError):  # it is there; some folders may not be read, some disks know no fsync
                flush_folder(path.parent)
        else:
            with tempfile.NamedTemporaryFile(prefix="icsftps-") as file:
                yield file
                file.flush()
                _put(Path(file.name), target)
    except ConnectionError:
        raise  # the gateway's trouble, not the disk's
    except OSError as error:
        raise _cannot_write(target, error) from error


def _put(file: Path, target: Any) -> None:
    """Put a whole file into a store, whose own trouble with the network is not the gateway's."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if hasattr(target, "fs"):
            # not written to an open object: that is closed, and so shown, also when only a part was written
            target.fs.put_file(str(file), target.path)
        else:
            with file.open("rb") as whole, target.open("wb") as final:
                shutil.copyfileobj(whole, final)
    except Exception as error:  # each store's library has exceptions of its own
        raise _cannot_write(target, error) from error


def _cannot_write(target: Any, error: Exception) -> TransferError:
    why = getattr(error, "strerror", None) or error
    return TransferError(f"Download to {target}: cannot write it ({why}); nothing was kept", local=True)


def flush_folder(folder: Path) -> None:
    """
    Flush names to the disk: a renamed file is at its new place after a loss of power only then.

    :param folder: local path.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """
    Give a file to write to; when the block ends well, it is flushed to the disk and under its name.

    :param path: local path of the file; what exists under it is replaced, and folders above are made.
    :return: a binary file; what is raised in the block leaves the path as it was.
    :raises OSError: when it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # named by chance, so that two writers do not meet; a dot, so that a glob does not see it
    temporary = path.with_name(f".icsftps-{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):  # what went wrong first is what is told
            temporary.unlink(missing_ok=True)
        raise
