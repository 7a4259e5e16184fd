"""
The site: the same Markdown pages that a code forge shows, with navigation and a reference beside them.

`make docs` builds it. What the site has and a forge has not is added here, so that the pages stay plain Markdown:
the navigation is the lists of index.md, a line that is only the link to an example DAG becomes its source, and a page
that is only the link to a file at the root of the repository becomes that file.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Airflow writes where AIRFLOW_HOME says when it is first imported
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="icsftps-docs-"))
os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "CRITICAL")

from docutils.nodes import Element, reference
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from airflow_provider_icsftps import __version__

HERE = Path(__file__).parent
PACKAGE = "airflow_provider_icsftps"
#: Modules whose public names the reference describes under this very path.
PUBLIC = (
    "gateway",
    "hooks.icsftps",
    "operators.icsftps",
    "sensors.icsftps",
    "triggers.icsftps",
    "exceptions",
    "simulator",
    "testing",
)

project = "airflow-provider-icsftps"
author = "the authors of airflow-provider-icsftps"
release = version = __version__
root_doc = "index"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True
# No inventory of another project is loaded: the site builds without network. Private names are not linked.
nitpick_ignore_regex = [
    ("py:.*", r"(?!airflow_provider_icsftps\.).*"),
    ("py:.*", r"airflow_provider_icsftps\.(\w+\.)*_\w+(\.\w+)*"),
    ("py:class", r"airflow_provider_icsftps\.[\w.]+\.[A-Z]"),  # type variables
    ("py:class", r"airflow_provider_icsftps\.gateway\.diagnosis\.State"),  # words
    ("py:(mod|data)", r".*"),
]

myst_heading_anchors = 4

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

# `make linkcheck`, where there is a network
linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_anchors = False


def navigation() -> Iterator[tuple[str, str, list[str]]]:
    """Read index.md's lists: for each, the page it belongs to, its caption, and the pages in it."""
    caption, parts, parent = "", {}, ""
    for line in (HERE / "index.md").read_text().splitlines():
        if line.startswith("## "):
            caption = line.removeprefix("## ")
        elif found := re.match(r"( *)- \[[^\]]+\]\(([^)]+)\)", line):
            page = SHOWN_AS.get(found[2], found[2]).rpartition(".")[0]
            parent = parent if found[1] else page
            parts.setdefault((parent, "") if found[1] else ("index", caption), []).append(page)
    for (owner, title), pages in parts.items():
        yield owner, title, pages


#: Files at the root of the repository, and the pages of the site that show them.
SHOWN_AS = {
    "../README.md": "index.md",
    "../CHANGELOG.md": "changelog.md",
    "../CONTRIBUTING.md": "contributing.md",
    "../SECURITY.md": "security.md",
}


def for_the_site(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn a page of the forge into one of the site."""
    if app.env.doc2path(docname).suffix != ".md":
        return
    text = source[0]
    if whole := re.fullmatch(r"\[([A-Z]+\.md)\]\(\.\./\1\)\n", text):
        app.env.note_dependency(str(HERE.parent / whole[1]))
        text = (HERE.parent / whole[1]).read_text()
        text = re.sub(r"\]\((?!\w+:|#)", "](../", text).replace("](../docs/", "](")
    for there, here in SHOWN_AS.items():
        text = text.replace(f"]({there}", f"]({here}")
    text = re.sub(
        r"^\[example_dags/(\w+)\.py\]\(\.\./example_dags/\1\.py\)$",
        r"```{literalinclude} ../example_dags/\1.py\n```",
        text,
        flags=re.M,
    )
    text = re.sub(r"\]\(\.\./example_dags/(\w+)\.py\)", r"](examples.md#\1)", text)
    for owner, title, pages in navigation():
        if owner == docname:
            options = ":hidden:\n" + (f":caption: {title}\n" if title else "")
            text += f"\n```{{toctree}}\n{options}\n" + "\n".join(pages) + "\n```\n"
    source[0] = text


def public_names() -> dict[str, str]:
    """Return where each public name is defined, to where the reference describes it."""
    found = {}
    for part in PUBLIC:
        module = importlib.import_module(f"{PACKAGE}.{part}")
        for name in names_of(module):
            value = getattr(module, name)
            home = getattr(value, "__module__", None)
            if isinstance(home, str) and home.startswith(PACKAGE):
                found[f"{home}.{name}"] = f"{module.__name__}.{name}"
    return found


def names_of(module: Any) -> list[str]:
    """Return a module's public names: ``__all__``, or what is defined in it."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


def by_public_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> reference | None:
    """Find a name that is asked for by the module in which it is defined, where the reference describes it."""
    asked = node.get("reftarget", "")
    for home, public in PUBLIC_NAMES.items():
        if node.get("refdomain") == "py" and (asked + ".").startswith(home + ".") and home != public:
            node["reftarget"] = public + asked.removeprefix(home)
            found = env.domains.python_domain.resolve_xref(
                env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, content
            )
            if found is not None:
                return found
            node["reftarget"] = asked
    return None


def public_bases(_app: Sphinx, _name: str, _cls: type, _options: Any, bases: list[type]) -> None:
    """Show the public classes that a class is of, not the private ones between."""
    while private := [base for base in bases if isinstance(base, type) and base.__name__.startswith("_")]:
        at = bases.index(private[0])
        bases[at : at + 1] = private[0].__bases__


PUBLIC_NAMES = public_names()


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", for_the_site)
    app.connect("missing-reference", by_public_name)
    app.connect("autodoc-process-bases", public_bases)
