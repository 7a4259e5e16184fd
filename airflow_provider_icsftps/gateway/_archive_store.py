"""
Where an archive lies: a local folder, or an object store through fsspec. The few things that it asks of either.

* A file appears under its name whole or not at all. Local: a temporary file, flushed to the disk, renamed, and the
  folder flushed after it. Object store: one put; a store shows an object only when all of it has come.
* A listing is asked for anew each time: fsspec keeps old ones, and another process may have written since.
* What the operating system or a store's library raises becomes a TransferError here and nowhere else.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError, IcsFtpsError, TransferError
from airflow_provider_icsftps.gateway.landing import flush_folder, local_path, written_whole
from airflow_provider_icsftps.gateway.sources import Measure, measure_file

#: Folder of the archive in which files lie until they are whole.
INCOMING = "incoming"
#: Ending of a file that is not whole yet.
PART = ".part"
_AT_A_TIME = 100
_SMALL = 8 * 1024 * 1024


def check_root(root: Any) -> Any:
    """
    Return an archive's root as a path object; a local one as :class:`~pathlib.Path`.

    :param root: text of a local path, or a path object: local, or of an object store with ``fs`` and ``path``, as
        Airflow's ``ObjectStoragePath`` and universal_pathlib's ``UPath`` have them.
    :raises ConfigurationError: when it is neither.
    """
    if isinstance(root, str) and "://" in root:
        raise ConfigurationError(f"Archive {root} is a URL as text; give ObjectStoragePath({root!r})")
    path = local_path(root)
    if path is not None:
        return path.absolute()
    if not (hasattr(root, "fs") and hasattr(root, "path") and hasattr(root, "__truediv__")):
        raise ConfigurationError(
            f"Archive {root!r} is neither a local folder nor a path in an object store; give a Path or an "
            "ObjectStoragePath"
        )
    return root


@contextlib.contextmanager
def _told(verb: str, path: Any) -> Iterator[None]:
    try:
        yield
    except IcsFtpsError:
        raise
    except OSError as error:
        raise TransferError(f"Archive: {path} cannot be {verb} ({error.strerror or error})", local=True) from error
    except Exception as error:  # each store's library has exceptions of its own
        raise TransferError(
            f"Archive: {path} cannot be {verb} ({type(error).__name__}: {error})", local=True
        ) from error


def names_in(folder: Any) -> list[str]:
    """
    List the names in a folder, in no order.

    :param folder: path object.
    :return: nothing for a folder that is not there.
    :raises TransferError: when it cannot be listed.
    """
    with _told("listed", folder):
        try:
            if isinstance(folder, Path):
                return os.listdir(folder)  # noqa: PTH208 - names are all that is needed, and there may be very many
            folder.fs.invalidate_cache(folder.path)
            try:
                return [found.rstrip("/").rpartition("/")[2] for found in folder.fs.ls(folder.path, detail=False)]
            finally:
                folder.fs.invalidate_cache(folder.path)  # the listing holds far more than names
        except (FileNotFoundError, NotADirectoryError):
            return []


def read(path: Any) -> bytes | None:
    """
    Read a small file.

    :param path: path object.
    :return: ``None`` when it is not there.
    :raises TransferError: when it cannot be read.
    """
    with _told("read", path):
        try:
            if isinstance(path, Path):
                return path.read_bytes()
            content: bytes = path.fs.cat_file(path.path)
        except FileNotFoundError:
            return None
        return content


def read_each(paths: Sequence[Any]) -> Iterator[tuple[Any, bytes | None]]:
    """
    Read many small files, from an object store many at a time.

    :param paths: path objects of one archive.
    :return: each path with what :func:`read` returns.
    :raises TransferError: when one cannot be read.
    """
    for start in range(0, len(paths), _AT_A_TIME):
        batch = paths[start : start + _AT_A_TIME]
        if isinstance(batch[0], Path):
            yield from ((path, read(path)) for path in batch)
            continue
        with _told("read", batch[0].parent):
            found = batch[0].fs.cat([path.path for path in batch], recursive=False, on_error="return")
        for path in batch:
            content = found.get(path.path)
            yield path, content if isinstance(content, bytes) else read(path)


def days_in(folder: Any) -> Iterator[tuple[date, Any]]:
    """
    Find the folders of days, ``2026/11/25``, in order.

    :param folder: path object of the folder above the years.
    """
    for year in _numbers(folder, 4):
        for month in _numbers(folder / year, 2):
            for day in _numbers(folder / year / month, 2):
                with contextlib.suppress(ValueError):  # a folder of somebody else, such as 2026/13/45
                    yield date(int(year), int(month), int(day)), folder / year / month / day


def _numbers(folder: Any, digits: int) -> list[str]:
    return sorted(name for name in names_in(folder) if len(name) == digits and name.isascii() and name.isdigit())


def measured(path: Any, size: int | None = None) -> Measure | None:
    """
    Read a file to its end and say how long it is and what it holds.

    :param path: path object.
    :param size: bytes that it should have: a small object is fetched by one request.
    :return: ``None`` when it is not there.
    :raises TransferError: when it cannot be read.
    """
    with _told("read", path):
        try:
            if isinstance(path, Path):
                with path.open("rb") as file:
                    return measure_file(file)
            if size is not None and size <= _SMALL:
                return measure_file(io.BytesIO(path.fs.cat_file(path.path)))
            with path.fs.open(path.path, "rb", block_size=_SMALL) as file:
                return measure_file(file)
        except FileNotFoundError:
            return None


def put(path: Any, content: bytes) -> None:
    """
    Write a small file, whole or not at all; what was there is replaced.

    :param path: path object.
    :param content: its content.
    :raises TransferError: when it cannot be written.
    """
    with _told("written", path):
        if isinstance(path, Path):
            make_folder(path.parent)
            with written_whole(path) as file:
                file.write(content)
            flush_folder(path.parent)
        else:
            path.fs.pipe_file(path.path, content)


@contextlib.contextmanager
def draft(root: Any) -> Iterator[Path]:
    """
    Give the name of a local file to write to, which :func:`put_file` may take; removed at the end if it is still there.

    :param root: the archive's root. A local archive's draft lies in it, so that it can be renamed into its place.
    :raises TransferError: when the folder cannot be made.
    """
    name = f"{secrets.token_hex(8)}{PART}"
    if isinstance(root, Path):
        with _told("written", root / INCOMING):
            make_folder(root / INCOMING)
        path = root / INCOMING / name
        try:
            yield path
        finally:
            with contextlib.suppress(OSError):  # a disk that fails has been told; what stays does no harm
                path.unlink(missing_ok=True)
    else:
        with _told("written", "a temporary folder on this machine"):
            folder = tempfile.TemporaryDirectory(prefix="icsftps-", ignore_cleanup_errors=True)
        with folder:
            yield Path(folder.name) / name


def put_file(source: Path, path: Any, expected: Measure) -> None:
    """
    Move a whole local file to its place, unless equal content is there.

    :param source: a draft, flushed to the disk.
    :param path: path object.
    :param expected: what the draft holds.
    :raises TransferError: when it cannot be written.
    """
    with _told("written", path):
        if isinstance(path, Path):
            make_folder(path.parent)
            source.replace(path)
            flush_folder(path.parent)
        # another process may have recorded equal content: it is never written over
        elif measured(path, expected.size) != expected:
            path.fs.put_file(str(source), path.path)


def remove(path: Any) -> None:
    """
    Remove a file; one that is not there is no error.

    :param path: path object.
    :raises TransferError: when it cannot be removed.
    """
    with _told("removed", path), contextlib.suppress(FileNotFoundError):
        if isinstance(path, Path):
            path.unlink()
        else:
            path.fs.rm_file(path.path)


def make_folder(folder: Path) -> None:
    """
    Make a local folder that outlives a loss of power, with the folders above it.

    :param folder: local path.
    """
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush_folder(folder.parent)
