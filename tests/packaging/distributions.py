"""The wheel and the sdist, built as `make dist` builds them, and an environment that has the wheel and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The bare environment has the Airflow that the other tests are run with.
CONSTRAINTS = ROOT / ("constraints-3.2.txt" if version("apache-airflow").startswith("3.2.") else "constraints.txt")
_NO_INDEX = ("Failed to fetch", "dns error", "error sending request", "Could not connect", "operation timed out")


def uv(*arguments: object, timeout: float = 280) -> None:
    """Run uv; skip the test if it cannot reach the package index."""
    command = [sys.executable, "-m", "uv", *map(str, arguments), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, check=False)
    if done.returncode and any(words in done.stderr for words in _NO_INDEX):
        pytest.skip(f"The package index cannot be reached: {done.stderr.strip().splitlines()[0]}")
    assert done.returncode == 0, done.stderr


def build(source: Path, target: Path, *more: str) -> None:
    """Build distributions."""
    uv("build", source, "--out-dir", target, *more)


@dataclass(frozen=True)
class Distributions:
    """A wheel and an sdist of one version."""

    wheel: Path
    sdist: Path

    @cached_property
    def in_wheel(self) -> dict[str, bytes]:
        """Content by name."""
        return contents(self.wheel)

    @cached_property
    def in_sdist(self) -> dict[str, bytes]:
        """Content by name, without the folder that holds all of it."""
        with tarfile.open(self.sdist) as archive:
            files = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
            return {name.partition("/")[2]: file.read() for name, file in files.items() if file is not None}

    @cached_property
    def metadata(self) -> Message:
        """What the index shows, and what pip reads."""
        (name,) = [name for name in self.in_wheel if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(self.in_wheel[name])


def contents(wheel: Path) -> dict[str, bytes]:
    """The files of a wheel by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


@dataclass(frozen=True)
class BareEnvironment:
    """A virtual environment with the wheel, without extras and without tools, and a folder to run in."""

    folder: Path
    home: Path

    @property
    def bin(self) -> Path:
        """Where its commands are."""
        return self.folder / "bin"

    @property
    def package(self) -> Path:
        """The installed package."""
        (package,) = self.folder.glob("lib/python3.*/site-packages/airflow_provider_icsftps")
        return package

    def run(self, command: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one of its commands, far from the source and with no variable of Airflow's but those that are given."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "ICSFTPS", "PYTHON", "VIRTUAL_ENV", "COVERAGE"))
        }
        kept |= {"AIRFLOW_HOME": str(self.home / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "COLUMNS": "200"}
        return subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.home,
            env=kept | variables,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def python(self, program: str, **variables: str) -> str:
        """Run a program in it; return what it printed last."""
        done = self.run("python", "-c", program, **variables)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.rstrip().rpartition("\n")[2]
