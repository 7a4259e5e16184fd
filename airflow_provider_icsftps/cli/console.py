"""Where commands write: lines for people, JSON for machines; also where the terminal or pipe takes no æ, ø and å."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import typer
from rich.console import Console


def plain(*, stderr: bool = False) -> Console:
    """
    Make a console that shows text as it is: lines are not broken, brackets and numbers mean nothing.

    :param stderr: write to standard error.
    """
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False)


def say_json(data: Any) -> None:
    """
    Write JSON to standard output; with escapes where a character of it cannot be written there.

    :param data: builtin JSON types.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = json.dumps(data, indent=2)
    typer.echo(text)


def bear_any_character() -> None:
    """Have standard output show what it cannot write, as standard error does: what was done is done, and to be told."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
