"""The drawings that are kept are those of their sources."""

from __future__ import annotations

import pytest
from needed import need

from docs import drawings
from docs.pages import PAGES, links


@pytest.mark.parametrize("source", drawings.SOURCES, ids=lambda source: source.stem)
def test_a_drawing_was_made_of_its_source(source):
    kept = source.with_suffix(".svg").read_text()
    assert f"<!-- {source.name}, SHA-256 {drawings.digest(source)} -->" in kept, "python tests/docs/drawings.py"


@pytest.mark.parametrize("source", drawings.SOURCES, ids=lambda source: source.stem)
def test_a_drawing_shows_what_its_source_says(source):
    """Where each thing lies differs with Graphviz's version and fonts, so what is shown is compared."""
    need(drawings.missing())
    shown = drawings.shown(source.with_suffix(".svg").read_text())
    assert len(shown) > 5
    assert shown == drawings.shown(drawings.drawn(source))


def test_every_drawing_has_a_source_and_is_on_a_page():
    kept = {path.name for path in drawings.FOLDER.glob("*.svg")}
    assert kept == {f"{source.stem}.svg" for source in drawings.SOURCES}
    assert kept == {link.rpartition("/")[2] for page in PAGES for link in links(page) if "drawings/" in link}
