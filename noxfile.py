"""
The matrix: all tests on every Airflow and Python that is promised, with the oldest and the newest dependencies.

``make matrix`` runs all of it, which takes hours; ``nox --list`` names the sessions, ``nox -s NAME -- PATH...`` runs
one of them, or a part of it. An interpreter that this machine does not have is told, and its sessions are left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import nox

PYTHONS = ("3.11", "3.12", "3.13")
AIRFLOWS = ("3.2", "3.3")
#: What the oldest Airflow and the oldest dependencies are tried with at every change: all that touches Airflow.
FLOOR = (
    "tests/unit/hooks",
    "tests/unit/operators",
    "tests/unit/test_provider_info.py",
    "tests/integration",
    "tests/test_docs.py",
    "tests/system/test_provider.py",
    "tests/system/test_demo.py",
)

#: What the first Airflow with a task state store is tried with at every change: uploads that keep a journal there.
JOURNALED = ("tests/system/test_journal.py", "tests/system/test_demo.py", "tests/testing/test_dag_runs.py")

#: As `make test` has it: most tests wait for a server or for Airflow.
PYTEST = ("python", "-m", "pytest", "-n", "3", "--dist", "loadfile", "--no-loadscope-reorder")

ROOT = Path(__file__).parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PROMISED = [*PROJECT["dependencies"], *EXTRAS["simulator"], *EXTRAS["openlineage"]]
#: They look at the source, the tests or what is shipped, no test needs them, and they want newer libraries than we do.
LOOKERS = {
    "codespell",
    "import-linter",
    "mutmut",
    "mypy",
    "nox",
    "readme-renderer",
    "ruff",
    "twine",
    "types-defusedxml",
}
AIRFLOW_ITSELF = {"apache-airflow", "apache-airflow-core", "apache-airflow-task-sdk"}

nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False


def name_of(requirement: str) -> str:
    """Return the distribution's name in a requirement or in a line of constraints."""
    return re.split(r"[\s\[<>=!~;@]", requirement, maxsplit=1)[0].lower()


def interpreter(version: str) -> str:
    """Return an interpreter that works: on the path, or one that pyenv keeps; else the version, for nox to miss it."""
    kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    for python in (shutil.which(f"python{version}"), *map(str, kept)):
        if python and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603
            return python
    return version


def constraints(session: nox.Session, airflow: str, without: Iterable[str], *more: str) -> str:
    """Write the constraints for an Airflow without some of their lines and with others; return the file."""
    source = ROOT / ("constraints-3.2.txt" if airflow == "3.2" else "constraints.txt")
    lines = [line for line in source.read_text().splitlines() if name_of(line) not in set(without)]
    target = Path(session.create_tmp()) / "constraints.txt"
    target.write_text("\n".join([*lines, *more]) + "\n")
    return str(target)


def install_lowest(session: nox.Session, airflow: str) -> None:
    """Install the oldest versions that are promised, and make sure that it is they."""
    tools = [tool for tool in EXTRAS["dev"] if name_of(tool) not in {*LOOKERS, PROJECT["name"]}]
    # today's click and fastapi-cli want a newer typer than we do; an Airflow's first release has limits on the others
    companions = ("click==8.2.1", "fastapi-cli==0.0.24")
    free = {name_of(line) for line in [*PROMISED, *companions]} | AIRFLOW_ITSELF | {"aiosqlite", "starlette"}
    file = constraints(session, airflow, free, *companions)
    session.install(
        "--resolution=lowest-direct",
        f"--constraint={file}",
        "--editable",
        ".[openlineage,simulator]",
        f"apache-airflow>={airflow}.0",
        *tools,
    )
    freeze = session.run("uv", "pip", "freeze", silent=True, external=True)
    there = dict(line.split("==") for line in str(freeze).splitlines() if "==" in line)
    promised = dict(requirement.split(">=") for requirement in PROMISED) | {"apache-airflow": f"{airflow}.0"}
    other = {name: there[name] for name, version in promised.items() if there[name] != version}
    if other:
        session.error(f"What was installed is not the lower bound that pyproject.toml promises: {other}")


def install_newest(session: nox.Session, airflow: str) -> None:
    """Install the newest of everything; for Airflow 3.2 what it still starts with."""
    # Airflow 3.2 does not limit fastapi and cadwyn, and does not start its API server with today's
    limits = ["--constraint=constraints-3.2.txt"] if airflow == "3.2" else []
    # Airflow's Celery provider (3.26.0) imports from celery.backends.database what celery 5.7 took away
    session.install("--upgrade", *limits, "--editable", ".[dev]", f"apache-airflow=={airflow}.*", "celery<5.7")


def add_tests(python: str, airflow: str, dependencies: str) -> None:
    """Add a session of the matrix."""
    install = install_lowest if dependencies == "lowest" else install_newest

    @nox.session(name=f"tests-{python}-airflow{airflow}-{dependencies}", python=interpreter(python))
    def tests(session: nox.Session) -> None:
        install(session, airflow)
        session.run(*PYTEST, *session.posargs)

    tests.func.__doc__ = f"All tests on Python {python} and Airflow {airflow}, {dependencies} dependencies."


for _python in PYTHONS:
    for _airflow in AIRFLOWS:
        for _dependencies in ("lowest", "newest"):
            add_tests(_python, _airflow, _dependencies)


@nox.session(python=interpreter(PYTHONS[0]), default=False)
def floor(session: nox.Session) -> None:
    """Tests that touch Airflow, on the oldest Python, Airflow and dependencies: some minutes, at every change."""
    install_lowest(session, AIRFLOWS[0])
    session.run(*PYTEST, *(session.posargs or FLOOR))


@nox.session(python=interpreter(PYTHONS[0]), default=False)
def journal(session: nox.Session) -> None:
    """Uploads that keep a journal, on the first Airflow with a task state store: a minute or two, at every change."""
    install_lowest(session, AIRFLOWS[1])
    session.run(*PYTEST, *(session.posargs or JOURNALED))


@nox.session(default=False)
def pins(session: nox.Session) -> None:
    """Write the constraints: what pyproject.toml asks for is added to them; ``-- --upgrade`` renews all of them."""
    options = (
        "--all-extras",
        "--universal",
        f"--python-version={PYTHONS[0]}",
        "--no-annotate",
        "--no-header",
        "--quiet",
    )
    compile_ = ("uv", "pip", "compile", "pyproject.toml", *options)
    session.run(*compile_, "--output-file=constraints.txt", *session.posargs, external=True)
    in_order(ROOT / "constraints.txt")
    # Airflow 3.2 with the versions that Airflow 3.3 is tested with, but for what it limits itself, and for svcs: since
    # 26.2 the in-process API that runs a task of `dag.test()` loses its registry
    file = constraints(session, "3.3", {*AIRFLOW_ITSELF, "aiosqlite", "svcs"}, "apache-airflow==3.2.*", "svcs<26.2")
    session.run(*compile_, "--output-file=constraints-3.2.txt", f"--constraint={file}", "--upgrade", external=True)
    in_order(ROOT / "constraints-3.2.txt")


def in_order(file: Path) -> None:
    """Sort the lines of a file of constraints."""
    file.write_text("".join(sorted(file.read_text().splitlines(keepends=True))))
