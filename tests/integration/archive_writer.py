"""
A process that writes to an archive, alone or beside another, and may be killed on the way.

``walk FOLDER STEP``: fork a writer for each STEPth line of the archive's code that it runs, kill it there by SIGKILL,
look at what it left behind, and let another one go on. Prints one line of JSON.
``keep FOLDER OPTIONS COUNT TAG``: keep so many files, each fifth with the content TAG.
``ops FOLDER OPTIONS N``: keep one file in an object store and die by SIGKILL before it writes for the Nth time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from archived import MOMENT, keep, settings
from stores import Proxy

from airflow_provider_icsftps.gateway import Archive, OutboxEntry

CONTENT = b"<svar>" + b"x" * 3000 + b"</svar>"
WATCHED = ("_archive_store.py", "_archive_description.py", "_archive_days.py", "shelf.py", "landing.py")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write(root: Any, line: int | None = None) -> int:
    """Keep one file; die before a line of the code that writes. Return how many lines there were."""
    seen = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal seen
        if not frame.f_code.co_filename.endswith(WATCHED):
            return None
        if event == "line":
            seen += 1
            if seen == line:
                die()
        return trace

    sys.settrace(trace)
    try:
        keep(Archive(root), "svar æ.xml", CONTENT)
    finally:
        sys.settrace(None)
    return seen


def look(root: Path) -> str:
    """Say what a writer that was killed left: nothing that counts, or all of it."""
    archive = Archive(root)
    shelf = archive.shelf(settings())
    (entry,) = shelf.compare([OutboxEntry("svar æ.xml", len(CONTENT), MOMENT)]).missing or [None]
    if (root / "icsftps-archive.json").exists():
        findings = archive.verify()
        if not findings.whole:
            return f"damage: {findings.problems}"
    if entry is not None:
        return "nothing" if list(shelf.records()) == [] else "a record that the listing does not show"
    (record,) = shelf.records()
    archive.confirm(record)
    return "whole" if archive.path(record).read_bytes() == CONTENT else "other content"


def walk(folder: Path, step: int) -> None:
    settings()
    lines = write(folder / "all")
    seen: dict[str, int] = {}
    after: dict[str, int] = {}
    for line in range(1, lines + 1, step):
        root = folder / f"killed{line}"
        child = os.fork()
        if child == 0:
            write(root, line)
            os._exit(0)
        _, code = os.waitpid(child, 0)
        assert os.WIFSIGNALED(code), code
        left = look(root)
        seen[left] = seen.get(left, 0) + 1
        keep(Archive(root), "svar æ.xml", CONTENT)  # the next run
        left = look(root)
        after[left] = after.get(left, 0) + 1
    print(json.dumps({"lines": lines, "left": seen, "after": after}))


def path(folder: str, options: str) -> Any:
    if "://" not in folder:
        return Path(folder)
    from upath import UPath

    return UPath(folder, **json.loads(options))


def keep_many(root: Any, count: int, tag: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    archive = Archive(root)
    for number in range(count):
        content = tag if number % 5 == 0 else "same"
        keep(archive, f"svar{number}.xml", f"<{content}>{number}</{content}>".encode())


class DyingStore:
    """A store that kills its process before it is written to for the Nth time."""

    def __init__(self, fs: Any, at: int) -> None:
        self._fs = fs
        self._left = at

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._fs, name)
        if name not in {"pipe_file", "put_file"}:
            return member

        def asked(*args: Any, **more: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                die()
            return member(*args, **more)

        return asked


def ops(root: Any, at: int) -> None:
    keep(Archive(Proxy(root, DyingStore(root.fs, at))), "svar æ.xml", CONTENT)


if __name__ == "__main__":
    verb, where, *rest = sys.argv[1:]
    if verb == "walk":
        walk(Path(where), int(rest[0]))
    elif verb == "keep":
        keep_many(path(where, rest[0]), int(rest[1]), rest[2])
    else:
        ops(path(where, rest[0]), int(rest[1]))
