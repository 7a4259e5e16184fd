"""
The drawings of the pages. ``python tests/docs/drawings.py`` draws them anew with Graphviz.

A forge shows pictures and no sources of drawings, so both are kept. The picture bears the digest of its source.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

FOLDER = Path(__file__).parents[2] / "docs" / "drawings"
SOURCES = sorted(FOLDER.glob("*.dot"))
_SVG = "{http://www.w3.org/2000/svg}"


def missing() -> str:
    """Say what has to be installed; nothing when all is there."""
    return "" if shutil.which("dot") else "Graphviz is not there: apt-get install graphviz"


def digest(source: Path) -> str:
    """Of a drawing's source."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def drawn(source: Path) -> str:
    """Return the picture of a source."""
    done = subprocess.run(["dot", "-Tsvg", source], capture_output=True, text=True, check=True, timeout=60)
    made_of = f"<!-- {source.name}, SHA-256 {digest(source)} -->\n"
    return re.sub(r"<!-- (?!Title).*?-->\n?", "", done.stdout, flags=re.S).replace("<svg ", f"{made_of}<svg ", 1)


def shown(svg: str) -> list[tuple[str, ...]]:
    """What a picture shows, wherever it lies: each node, edge and frame, with its words and colours."""
    return sorted(
        (
            str(group.get("class")),
            str(group.findtext(f"{_SVG}title")),
            *(str(text.text) for text in group.iter(f"{_SVG}text")),
            *(str(part.get(name)) for part in group if part.tag != f"{_SVG}text" for name in ("fill", "stroke")),
        )
        for group in ElementTree.fromstring(svg).iter(f"{_SVG}g")
        if group.get("class") in {"node", "edge", "cluster"}
    )


if __name__ == "__main__":
    if reason := missing():
        raise SystemExit(reason)
    for each in SOURCES:
        each.with_suffix(".svg").write_text(drawn(each))
