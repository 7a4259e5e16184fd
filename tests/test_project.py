"""The project's own files agree with one another: verbs, checks, pins, changelog."""

from __future__ import annotations

import ast
import collections
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
_KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]  # of Keep a Changelog
_LONGEST = {"airflow_provider_icsftps": 300, "benchmarks": 500, "example_dags": 500, "tests": 500}  # lines, and no more
_MANY = {"__init__.py", "conftest.py"}


def _recipe(verb: str) -> list[str]:
    (found,) = re.findall(rf"^{verb}:.*\n((?:\t.*\n?)+)", MAKEFILE, re.M)
    return [line.strip().removeprefix("@") for line in found.splitlines()]


def test_make_help_tells_every_verb():
    verbs = re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.M)
    told = re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.M)
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.M)
    assert verbs == told
    assert sorted(verbs) == sorted(phony.split())


def test_a_commit_is_checked_as_make_lint_checks():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = [hook["entry"].removesuffix(" --force-exclude") for hook in repository["hooks"]]
    assert hooks == [line.replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in _recipe("lint")]


def test_the_matrix_runs_the_tests_as_make_test_does():
    (recipe,) = _recipe("test")
    (jobs,) = re.findall(r"^JOBS \?= (\d+)$", MAKEFILE, re.M)
    (pytest_of_nox,) = re.findall(r"^PYTEST = (\(.+\))$", (ROOT / "noxfile.py").read_text(), re.M)
    assert recipe.replace("$(BIN)/", "").replace("$(JOBS)", jobs).split() == list(ast.literal_eval(pytest_of_nox))


def test_what_must_pass_before_a_change_lands_is_told_to_contributors():
    commands = re.findall(r"^(?:make|\.venv/bin/nox) .+$", (ROOT / ".ci/run").read_text(), re.M)
    assert len(commands) > 3
    told = (ROOT / "CONTRIBUTING.md").read_text().partition("`.ci/run` is what must pass")[2].partition("\n\n")[0]
    assert re.findall(r"`((?:make|\.venv/bin/nox) [^`]+)`", told) == commands


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_every_dependency_has_a_lower_bound_and_a_pin(extra):
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    for text in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        needed = Requirement(text)
        if needed.name == PROJECT["name"]:
            continue
        pinned = pins.get(needed.name) or pins[f"{needed.name}-core"]  # apache-airflow is its core and more
        assert needed.specifier.contains(pinned), text
        if not needed.name.startswith("types-"):
            assert [clause.operator for clause in needed.specifier] == [">="], f"{text}: a lower bound, and no cap"


def test_the_changelog_has_the_form_that_it_names():
    text = (ROOT / "CHANGELOG.md").read_text()
    versions = re.findall(r"^## (.+)$", text, re.M)
    assert versions[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d", version) for version in versions[1:])
    for version in re.split(r"^## .+$", text, flags=re.M)[1:]:
        kinds = re.findall(r"^### (.+)$", version, re.M)
        assert kinds == [kind for kind in _KINDS if kind in kinds]
        assert len(re.findall(r"^- ", version, re.M)) >= len(kinds)


@pytest.mark.parametrize(("folder", "lines"), [*_LONGEST.items()])
def test_no_file_has_grown_beyond_what_one_can_read(folder, lines):
    """In the package a file is one thing; elsewhere 300 lines are a question, 500 a defect."""
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert len(lengths) > 3
    assert {path: length for path, length in lengths.items() if length >= lines} == {}


def test_no_two_test_modules_have_one_name():
    """Their folders are no packages: of two with one name, pytest and ``import`` would take the first for both."""
    names = collections.Counter(path.name for path in (ROOT / "tests").rglob("*.py") if path.name not in _MANY)
    assert [name for name, count in names.items() if count > 1] == []


def test_a_mutant_that_may_survive_is_of_todays_code_and_has_a_reason():
    survivors = tomllib.loads((ROOT / "tests/unit/gateway/surviving_mutants.toml").read_text())["survivor"]
    for one in survivors:
        module = one["function"].partition(".")[0]
        assert one["was"] in (ROOT / f"airflow_provider_icsftps/gateway/{module}.py").read_text()
        assert one["was"] != one["became"]
        assert one["why"]
