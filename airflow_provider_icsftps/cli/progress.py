"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)


@contextmanager
def shown(what: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    """
    Show how far some work is, on standard error, where a terminal is there to show it.

    :param what: the work, in a word.
    :param total: how many there are.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with progress_of(*columns) as bar:
        yield bar, bar.add_task(what, total=total)


@contextmanager
def progress_of(*columns: ProgressColumn) -> Iterator[Progress]:
    """
    Give what shows any progress, on standard error, where a terminal is there to show it.

    :param columns: what a line of it has.
    """
    console = Console(stderr=True)
    progress = Progress(*columns, console=console, transient=True)
    # one that is never started shows nothing; with older rich, even one that is disabled ends with an empty line
    with progress if console.is_terminal else nullcontext():
        yield progress
