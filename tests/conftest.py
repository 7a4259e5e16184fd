"""What all tests share: an Airflow home of their own, an embedded gateway, and a connection to it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Airflow reads its configuration when it is first imported, so this stands before any test module is
_HOME = tempfile.TemporaryDirectory(prefix="icsftps-tests-", ignore_cleanup_errors=True)
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME.name,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "example_dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME.name}/airflow.db",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    }
)

from airflow_provider_icsftps.gateway import GatewayClient  # noqa: E402 - see above
from airflow_provider_icsftps.simulator import GatewaySimulator  # noqa: E402


@pytest.fixture(scope="session")
def identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A simulator's directory with its certificates and passwords, for all tests alike.

    Airflow's secrets masker keeps every secret it meets; a new certificate for each test would slow it to a crawl.
    """
    directory = tmp_path_factory.mktemp("identities")
    with GatewaySimulator(directory=directory):
        pass
    return directory


@pytest.fixture
def simulator(identities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewaySimulator]:
    """An embedded gateway whose answers come at once."""
    directory = shutil.copytree(identities, tmp_path_factory.mktemp("gateway") / "state")
    with GatewaySimulator(services=["Manifest"], delays={1: 0, 2: 0, 3: 0}, directory=directory) as running:
        yield running
    running.check()


@pytest.fixture
def gateway(simulator: GatewaySimulator) -> Iterator[GatewayClient]:
    """A client that is logged in."""
    with GatewayClient(simulator.settings()) as client:
        yield client


@pytest.fixture
def connection(simulator: GatewaySimulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an Airflow connection to the embedded gateway."""
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
    return "icsftps_default"
