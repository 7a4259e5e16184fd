"""What is in the wheel and in the sdist, and what their metadata says."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import tomllib
from configparser import ConfigParser
from html.parser import HTMLParser
from pathlib import Path

import pytest
from distributions import ROOT, build, contents

from airflow_provider_icsftps import __version__
from airflow_provider_icsftps.get_provider_info import get_provider_info

pytestmark = pytest.mark.timeout(600)  # for an index that is slow

PACKAGE = ROOT / "airflow_provider_icsftps"
EXAMPLES = ROOT / "example_dags"
DIST_INFO = f"airflow_provider_icsftps-{__version__}.dist-info/"


def source_files(folder: Path) -> dict[str, bytes]:
    """The files below a folder of the tree, without what Python keeps beside them."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_the_wheel_holds_the_package_with_its_examples_and_nothing_else(distributions):
    package = {f"{PACKAGE.name}/{name}": content for name, content in source_files(PACKAGE).items()}
    package |= {f"{PACKAGE.name}/example_dags/{name}": content for name, content in source_files(EXAMPLES).items()}
    there = {name: content for name, content in distributions.in_wheel.items() if not name.startswith(DIST_INFO)}
    assert sorted(there) == sorted(package)
    assert there == package
    assert f"{PACKAGE.name}/py.typed" in there
    assert f"{PACKAGE.name}/example_dags/manifest_submission.py" in there


def test_beside_the_package_is_what_an_installer_needs(distributions):
    beside = {name.removeprefix(DIST_INFO) for name in distributions.in_wheel if name.startswith(DIST_INFO)}
    assert beside == {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    assert distributions.in_wheel[f"{DIST_INFO}licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert distributions.wheel.name.endswith("-py3-none-any.whl")


def test_the_entry_points_lead_to_functions(distributions):
    points = ConfigParser()
    points.read_string(distributions.in_wheel[f"{DIST_INFO}entry_points.txt"].decode())
    named = {(group, name): points[group][name] for group in points.sections() for name in points[group]}
    assert set(named) == {("apache_airflow_provider", "provider_info"), ("console_scripts", "icsftps")}
    for target in named.values():
        module, _, function = target.partition(":")
        assert callable(getattr(importlib.import_module(module), function))


def test_the_tree_makes_the_same_wheel_as_the_sdist(distributions, tmp_path):
    build(ROOT, tmp_path, "--wheel")
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == distributions.wheel.name
    assert contents(wheel) == distributions.in_wheel


def test_the_sdist_holds_every_file_of_the_project(distributions):
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("Only a clone tells which files belong to the project")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = {name for name in listed.split("\0") if name and (ROOT / name).exists()}
    assert files - set(distributions.in_sdist) == set()


def test_the_sdist_holds_nothing_that_a_run_left(distributions):
    left = re.compile(r"(^|/)(__pycache__|build|dist|\.(coverage|demo|hypothesis|nox|venv|\w+_cache))(/|$)|\.pyc$")
    assert [name for name in distributions.in_sdist if left.search(name)] == []


@pytest.mark.parametrize(
    "name", ["Makefile", "pyproject.toml", "noxfile.py", "constraints.txt", "constraints-3.2.txt", ".ci/run"]
)
def test_the_sdist_is_enough_for_the_verbs_and_the_tests(distributions, name):
    assert distributions.in_sdist[name] == (ROOT / name).read_bytes()


def test_the_index_would_take_them(distributions):
    pytest.importorskip("twine")
    command = [sys.executable, "-W", "ignore", "-m", "twine", "--no-color", "check", "--strict"]
    checked = subprocess.run([*command, distributions.wheel, distributions.sdist], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("PASSED") == 2


def test_the_version_is_written_once(distributions):
    assert distributions.metadata["Version"] == __version__
    assert get_provider_info()["versions"] == [__version__]
    assert "version" not in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class TestMetadata:
    def test_it_says_what_this_is(self, distributions):
        metadata = distributions.metadata
        assert metadata["Name"] == get_provider_info()["package-name"]
        assert "FTPS" in metadata["Summary"]
        assert metadata["License-Expression"] == "Apache-2.0"
        assert metadata.get_all("License-File") == ["LICENSE"]
        assert metadata["Requires-Python"] == ">=3.11"

    def test_it_is_found_as_a_provider_of_airflow(self, distributions):
        classifiers = distributions.metadata.get_all("Classifier")
        assert {"Framework :: Apache Airflow", "Framework :: Apache Airflow :: Provider"} <= set(classifiers)
        pythons = [name.rpartition(" ")[2] for name in classifiers if re.search(r"Python :: 3\.\d+$", name)]
        assert pythons == ["3.11", "3.12", "3.13"]

    def test_its_addresses_lead_to_the_index_for_there_is_no_other_place_yet(self, distributions):
        urls = dict(url.split(", ", 1) for url in distributions.metadata.get_all("Project-URL"))
        assert set(urls) == {"Homepage", "Documentation", "Release history"}
        assert {url.partition("#")[0] for url in urls.values()} == {
            "https://pypi.org/project/airflow-provider-icsftps/"
        }

    def test_it_depends_on_little_and_caps_nothing(self, distributions):
        needed = [line for line in distributions.metadata.get_all("Requires-Dist") if "extra ==" not in line]
        assert {re.split("[<>=]", line)[0] for line in needed} == {
            "apache-airflow", "apache-airflow-providers-common-compat", "cryptography", "defusedxml", "pendulum",
            "rich", "typer",
        }  # fmt: skip
        assert all(re.fullmatch(r"[a-z-]+>=[\d.]+", line) for line in needed)
        extras = {"dev", "docs", "fuzz", "openlineage", "simulator", "testing"}
        assert set(distributions.metadata.get_all("Provides-Extra")) == extras


class Links(HTMLParser):
    """The addresses that a page leads to or shows."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.found += [value or "" for name, value in attrs if name in {"href", "src"}]


class TestDescription:
    @pytest.fixture
    def text(self, distributions):
        assert distributions.metadata["Description-Content-Type"] == "text/markdown"
        return distributions.in_wheel[f"{DIST_INFO}METADATA"].decode().partition("\n\n")[2]

    def test_it_is_the_readme(self, text):
        def headings(markdown):
            return [line for line in markdown.splitlines() if line.startswith("#")]

        assert headings(text) == headings((ROOT / "README.md").read_text())

    def test_no_link_leads_to_a_file_that_the_index_does_not_have(self, text):
        markdown = pytest.importorskip("readme_renderer.markdown")
        page = Links()
        page.feed(markdown.render(text))
        assert [address for address in page.found if not address.startswith(("https://", "#"))] == []
        assert "](docs/" not in text

    def test_the_text_of_such_a_link_stays(self, text):
        assert "Connect in five minutes" in text
