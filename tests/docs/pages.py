"""Markdown as the project's pages use it: fenced blocks, tables, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_AT_THE_ROOT = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")
PAGES = [*(ROOT / f"{name}.md" for name in _AT_THE_ROOT), *sorted((ROOT / "docs").glob("*.md"))]


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@dataclass(frozen=True)
class Block:
    """A fenced block; ``mark`` is the HTML comment on the line before it."""

    page: Path
    line: int
    language: str
    text: str
    mark: str

    def __str__(self) -> str:
        return f"{page_id(self.page)}:{self.line} ({self.language})"

    @property
    def not_run(self) -> str | None:
        """Why it is not run; ``None`` when it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else None


def blocks(page: Path) -> Iterator[Block]:
    fence = re.compile(r"(?:^<!-- (?P<mark>[^\n]*?) -->\n)?^```(?P<language>\S*)\n(?P<text>.*?)^```$", re.M | re.S)
    content = page.read_text()
    assert content.count("\n```") % 2 == 0, f"{page} has a fence that is not closed"
    for match in fence.finditer(content):
        line = content.count("\n", 0, match.start("text"))
        yield Block(page, line, match["language"], match["text"], match["mark"] or "")


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)


def inline_codes(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def section(page: Path, heading: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    level = len(heading.partition(" ")[0])
    content = prose(page)
    start = content.index(f"\n{heading}\n") + len(heading) + 2
    end = re.search(rf"^#{{1,{level}}} ", content[start:], re.M)
    return content[start : start + end.start()] if end else content[start:]


def tables(text: str) -> list[list[dict[str, str]]]:
    """Each table as a list of rows, each row from column heading to cell, backticks and bold removed."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.M):
        head, _, *rows = [
            [cell.strip().strip("`*") for cell in line.strip("|").split("|")] for line in table.splitlines()
        ]
        found.append([dict(zip(head, row, strict=True)) for row in rows])
    return found


def table(page: Path, heading: str) -> list[dict[str, str]]:
    """The first table under a heading."""
    return tables(section(page, heading))[0]


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.M)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to headings."""
    return {
        re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-") for heading in headings(page)
    }


def links(page: Path) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if not re.match(r"[a-z]+:", link)]
