"""The site is built without a warning, every page is in its navigation, and every public name in its reference."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from airflow_provider_icsftps import exceptions, gateway, simulator, testing
from airflow_provider_icsftps.hooks import icsftps as hooks
from airflow_provider_icsftps.operators import icsftps as operators
from airflow_provider_icsftps.sensors import icsftps as sensors
from airflow_provider_icsftps.triggers import icsftps as triggers
from docs.pages import ROOT

DOCS = ROOT / "docs"
SOURCES = sorted(
    path.relative_to(DOCS) for path in DOCS.rglob("*") if path.suffix in {".md", ".rst"} and "_build" not in path.parts
)
MODULES = [exceptions, gateway, hooks, operators, sensors, simulator, testing, triggers]

missing = [name for name in ("sphinx", "myst_parser", "furo") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}; make docs installs them"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", DOCS, folder / "html"],
        env=os.environ | {"AIRFLOW_HOME": str(folder / "airflow")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


class _Links(HTMLParser):
    """The links of the navigation, in order."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self._depth = 0
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Count divisions inside the navigation, and note its links."""
        values = dict(attrs)
        if tag == "div" and (self._depth or "sidebar-tree" in (values.get("class") or "")):
            self._depth += 1
        elif tag == "a" and self._depth and values.get("href"):
            self.found.append(str(values["href"]).partition("#")[0])

    def handle_endtag(self, tag: str) -> None:
        """Leave a division."""
        if tag == "div" and self._depth:
            self._depth -= 1


def test_every_page_is_in_the_navigation(site):
    shown = _Links(site / "errors.html").found
    pages = {str(source.with_suffix(".html")) for source in SOURCES} - {"index.html", "errors.html"}
    assert pages <= set(shown)
    assert len(shown) == len(set(shown))


def test_the_navigation_has_the_order_of_the_first_page(site):
    listed = re.findall(r"^ *- \[[^]]+\]\(([^)]+)\.(?:md|rst)\)", (DOCS / "index.md").read_text(), re.M)
    names = [f"{name.lower().removeprefix('../')}.html" for name in listed]
    assert [name for name in _Links(site / "index.html").found if name in names] == names


def _inventory(site: Path) -> set[str]:
    from sphinx.util.inventory import InventoryFile

    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    return {
        name
        for kind, names in inventory.data.items()
        for name, entry in names.items()
        if kind.startswith("py:") and entry.uri.endswith(f"#{name}")  # else it is where a public name is defined
    }


def _public(module) -> list[str]:
    if hasattr(module, "__all__"):
        return list(module.__all__)
    defined = [
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == module.__name__
    ]
    return [name for name in defined if not name.startswith("_")]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module, site):
    names = _public(module)
    assert names
    described = _inventory(site)
    internal = {"one_line", "GRACE", "names_of"}
    assert {f"{module.__name__}.{name}" for name in names if name not in internal} <= described


def test_the_reference_describes_nothing_private(site):
    assert not [name for name in _inventory(site) if re.search(r"\._(?!_)", name)]


def test_the_site_needs_no_other_site(site):
    """Pages, scripts, styles and pictures come from the site itself."""
    for page in site.rglob("*.html"):
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"(https?:)?//[^\"]*", page.read_text())
        assert not loaded, page
