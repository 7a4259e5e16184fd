"""A progress bar on a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn


@contextmanager
def shown(what: str, total: int) -> Iterator[tuple[Progress, TaskID]]:
    """
    Show how far some work is, on standard error, where a terminal is there to show it.

    :param what: the work, in a word.
    :param total: how many there are.
    """
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    # older ones end with an empty line even when they are disabled
    with bar if console.is_terminal else nullcontext():
        yield bar, bar.add_task(what, total=total)
