"""What the pages on testing and on the simulator show: their tests are run as a user runs them."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docs.pages import ROOT, blocks, section, table, tables

from airflow_provider_icsftps.simulator import Faults, GatewaySimulator
from airflow_provider_icsftps.simulator.backoffice import DEFAULT_DELAYS
from airflow_provider_icsftps.testing import pytest_plugin

TESTING, SIMULATOR = ROOT / "docs" / "testing.md", ROOT / "docs" / "simulator.md"
EXAMPLE = ROOT / "docs" / "examples" / "testing"
FILES = [path.read_text() for path in sorted(EXAMPLE.rglob("*.py"))]
SHOWN = [block.text for block in blocks(TESTING) if block.language == "python"]
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The example in a folder of its own, as a user has it."""
    return shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))


def run_pytest(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )


def test_the_example_is_shown_as_it_is():
    assert len(FILES) == 3
    assert [text for text in FILES if text not in SHOWN] == []
    prose = TESTING.read_text()
    for path in ("dags/file_manifests.py", "tests/test_file_manifests.py"):
        assert f"`{path}`" in prose


def test_every_test_that_is_shown_passes_in_an_empty_folder(project):
    others = [text for text in SHOWN if "def test_" in text and text not in FILES]
    for number, text in enumerate(others):
        (project / "tests" / f"test_shown_{number}.py").write_text(text)
    done = run_pytest(project)
    count = sum(text.count("def test_") for text in SHOWN)
    assert count >= 10
    assert re.search(rf"^{count} passed in ", done.stdout, re.M), done.stdout


@pytest.mark.parametrize(
    ("sound", "broken", "failing"),
    [
        # another name for each try: every retry files the manifest anew
        ("retries=5", 'retries=5, resubmission="{{ ti.try_number }}"', ["a_retry_files_nothing_twice"]),
        # a wait that ends before the response is there
        ("submission=filed.output,", 'submission=filed.output, until="accepted",', ["it_files_a_manifest"]),
    ],
)
def test_a_dag_that_is_wrong_fails_the_tests(project, sound, broken, failing):
    dag = project / "dags" / "file_manifests.py"
    assert sound in dag.read_text()
    dag.write_text(dag.read_text().replace(sound, broken))
    done = run_pytest(project, "-k", " or ".join(failing))
    assert done.returncode == 1, done.stdout
    for name in failing:
        assert re.search(rf"^FAILED .*::test_{name}", done.stdout, re.M), done.stdout


def test_every_fixture_is_in_the_table():
    shown = [row["Fixture"] for row in table(TESTING, "## The fixtures")]
    fixtures = [name for name in vars(pytest_plugin) if name.startswith("icsftps_")]
    assert sorted(shown) == sorted(fixtures)


def test_the_arguments_of_a_run_are_documented_as_they_are():
    shown = {row["Argument"]: row["Default"] for row in tables(section(TESTING, "## Run a DAG"))[0]}
    parameters = inspect.signature(pytest_plugin.RunDag.__call__).parameters
    wanted = {name: p.default for name, p in parameters.items() if name != "self"}
    assert shown == {name: "" if value is inspect.Parameter.empty else str(value) for name, value in wanted.items()}


def test_every_fault_is_in_the_table_with_what_it_takes():
    shown = [row["fault"] for row in table(SIMULATOR, "## Faults")]
    assert sorted(name.partition("(")[0] for name in shown) == Faults.names()
    for text in shown:
        name, _, arguments = text.rstrip(")").partition("(")
        known = inspect.signature(getattr(Faults, name)).parameters
        assert set(filter(None, arguments.split(", "))) <= set(known)


def test_the_parameters_of_the_simulator_are_documented_as_they_are():
    shown = {}
    for row in table(SIMULATOR, "## How it treats uploads"):
        names, defaults = (re.split(r"`, `", row[column]) for column in ("Parameter", "Default"))
        shown |= dict(zip(names, defaults, strict=True))
    parameters = inspect.signature(GatewaySimulator).parameters
    known = {name: repr(parameter.default).replace("'", '"') for name, parameter in parameters.items()}
    assert shown == known | {"delays": repr(DEFAULT_DELAYS)}
