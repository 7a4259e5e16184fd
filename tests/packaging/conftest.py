"""What is built and installed once for all tests of what is shipped."""

from __future__ import annotations

import sys

import pytest
from distributions import CONSTRAINTS, ROOT, BareEnvironment, Distributions, build, uv


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist of this tree, and the wheel that was built from it."""
    target = tmp_path_factory.mktemp("dist")
    build(ROOT, target)
    (wheel,) = target.glob("*.whl")
    (sdist,) = target.glob("*.tar.gz")
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def bare(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> BareEnvironment:
    """An environment that has the wheel and what it depends on."""
    environment = BareEnvironment(tmp_path_factory.mktemp("bare") / "venv", tmp_path_factory.mktemp("home"))
    uv("venv", "--python", sys.executable, environment.folder)
    uv("pip", "install", "--python", environment.bin / "python", "--constraint", CONSTRAINTS, distributions.wheel)
    return environment
