"""What all tests share: the shipped fixtures, under the short names that tests here use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from throwaway_pki import ThrowawayPki

from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.simulator import GatewaySimulator

# also gives Airflow a home of its own; it must stand before any test module imports Airflow
pytest_plugins = ["airflow_provider_icsftps.testing.pytest_plugin", "pytester"]


@pytest.fixture(scope="session")
def identities(icsftps_identities: Path) -> Path:
    """A simulator's directory with its certificates and passwords, for all tests alike."""
    return icsftps_identities


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """The authority of this run, for servers that are not the embedded gateway."""
    return ThrowawayPki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """An authority that nobody trusts."""
    return ThrowawayPki(tmp_path_factory.mktemp("strangers"))


@pytest.fixture
def icsftps_gateway_parameters() -> dict[str, Any]:
    """Answers that come at once."""
    return {"delays": {1: 0, 2: 0, 3: 0}}


@pytest.fixture
def simulator(icsftps_gateway: GatewaySimulator) -> GatewaySimulator:
    """An embedded gateway whose answers come at once."""
    return icsftps_gateway


@pytest.fixture
def gateway(icsftps_client: GatewayClient) -> GatewayClient:
    """A client that is logged in."""
    return icsftps_client


@pytest.fixture
def connection(icsftps_connection: str) -> str:
    """The id of an Airflow connection to the embedded gateway."""
    return icsftps_connection
