"""
The servers that the tests talk to. ``install_servers.sh`` lays those of Debian on this machine. Without them the tests
are skipped; where ``CI`` is ``true`` they fail instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from real_servers import KINDS
from running_server import PASSWORD, RealServer

from airflow_provider_icsftps.gateway import FileNameRule, GatewayClient, GatewaySettings

from throwaway_pki import ThrowawayPki  # isort: skip  # running_server says where it is


def demand(kind: type[RealServer]) -> None:
    """Skip without this server; in CI a missing server is a failure."""
    if reason := kind.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """The authority of this run."""
    return ThrowawayPki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """An authority that the servers do not know."""
    return ThrowawayPki(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="session")
def demanded() -> Callable[[type[RealServer]], None]:
    """What skips a test without a server, for tests that start their own."""
    return demand


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def running(request: pytest.FixtureRequest, pki: ThrowawayPki) -> Iterator[RealServer]:
    """Each of them in turn."""
    demand(request.param)
    with request.param(pki) as server:
        yield server


@pytest.fixture
def server(running: RealServer) -> RealServer:
    """The same with both folders empty."""
    running.empty()
    return running


@pytest.fixture
def client(pki: ThrowawayPki) -> Iterator[Callable[..., GatewayClient]]:
    """Make a client of a server; all are closed in the end, and every data connection resumed a session."""
    made: list[GatewayClient] = []

    def make(server: RealServer, **more: Any) -> GatewayClient:
        values: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "certificate": pki.client,
            "password": PASSWORD,
            "ca_pem": pki.ca_pem,
            "connect_timeout": 5.0,
            "timeout": 5.0,
            "data_timeout": 5.0,
            "completion_timeout": 5.0,
            "file_name_rule": FileNameRule("A-Za-z0-9_., æøåÆØÅ-"),
        }
        made.append(GatewayClient(GatewaySettings(**(values | more))))
        return made[-1]

    yield make
    for one in made:
        if one._session is not None:
            assert one._session.data_connections == one._session.resumed
        one.close()
