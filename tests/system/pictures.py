"""The pictures in the pages, and the words that each shows: so that a picture of what is no more is found out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "docs" / "pictures"
LIMIT = 150_000  # bytes of a picture
_WORDS = KEPT / "shown.json"
_RENEW = "ICSFTPS_PICTURES"  # names the folder where new pictures go


def known() -> dict[str, dict[str, object]]:
    """Each picture that is kept: its digest, and the words that it shows."""
    found: dict[str, dict[str, object]] = json.loads(_WORDS.read_text()) if _WORDS.is_file() else {}
    return found


def digest(path: Path) -> str:
    """Of a picture, so that its words are of the same run."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def keep_or_compare(taken: Path, words: list[str], *, in_order: bool = True) -> None:
    """
    Compare a picture with the one that is kept, or keep it instead if that is asked for.

    Pixels differ with fonts and versions, so the words are compared.

    :param taken: the picture, just taken.
    :param words: what it shows.
    :param in_order: whether their order is the same each time.
    """
    size = taken.stat().st_size
    assert size < LIMIT, f"{taken.name} has {size} bytes"
    words = [_lasting(line) for line in words]
    if not in_order:
        words.sort()
    if os.environ.get(_RENEW):
        folder = ROOT / os.environ[_RENEW]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / taken.name).write_bytes(taken.read_bytes())
        kept = known() | {taken.name: {"sha256": digest(taken), "shows": words}}
        (folder / _WORDS.name).write_text(json.dumps(kept, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    else:
        kept = known().get(taken.name, {})
        assert words == kept.get("shows"), f"docs/pictures/{taken.name} shows what is no more: make pictures"


def _lasting(line: str) -> str:
    """A line without what differs from run to run: seconds, ports and days."""
    line = re.sub(r"\d+\.\d+ s\b", "… s", line)
    line = re.sub(r"(?<=127\.0\.0\.1:)\d+|(?<=\bPort )\d+", "…", line)
    line = re.sub(r"\b\d\d:\d\d:\d\d\b", "…", line)
    line = re.sub(r"(?<=-)[0-9a-f]{16}\b|(?<=-)[0-9a-f]{16}(?=_)", "…", line)
    line = re.sub(r"valid until \d{4}-\d\d-\d\d, \d+ days", "valid until …", line)
    return " ".join(line.split())
