"""
The help of every verb, as docs/cli.md shows it. ``python tests/docs/cli_help.py`` pastes it in anew.

A block of the page whose mark is ``help: VERB`` holds what ``icsftps VERB --help`` says on a terminal of 100 columns.
"""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from airflow_provider_icsftps.cli.app import app

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
VERBS = sorted(str(command.callback.__name__) for command in app.registered_commands if command.callback)
_TERMINAL = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
_BLOCK = re.compile(r"(?<=<!-- help: )(?P<verb>\w+)( -->\n```text\n).*?(?=^```$)", re.M | re.S)


def shown(verb: str) -> str:
    """What a verb says of itself."""
    said = CliRunner().invoke(app, [verb, "--help"], env=_TERMINAL, prog_name="icsftps").stdout
    return "".join(f"{line.rstrip()}\n" for line in said.strip().splitlines())


def pasted(text: str) -> str:
    """The page with its blocks as they should be."""
    return _BLOCK.sub(lambda match: f"{match['verb']}{match[2]}{shown(match['verb'])}", text)


if __name__ == "__main__":
    PAGE.write_text(pasted(PAGE.read_text()))
