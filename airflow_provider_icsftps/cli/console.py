"""Where commands write lines for people."""

from __future__ import annotations

from rich.console import Console


def plain(*, stderr: bool = False) -> Console:
    """
    Make a console that shows text as it is: lines are not broken, brackets and numbers mean nothing.

    :param stderr: write to standard error.
    """
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False)
