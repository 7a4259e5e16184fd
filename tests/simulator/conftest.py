"""A running simulator for each test, checked for errors in its thread afterwards."""

from __future__ import annotations

import pytest

from airflow_provider_icsftps.simulator import GatewaySimulator


@pytest.fixture
def sim():
    with GatewaySimulator() as simulator:
        yield simulator
        simulator.check()


@pytest.fixture
def client(sim):
    from bare_ftp import connect

    with connect(sim) as ftp:
        yield ftp
