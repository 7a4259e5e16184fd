"""
The servers that the tests talk to. ``install_servers.sh`` lays those of Debian on this machine. Without them the tests
are skipped; where ``CI`` is ``true`` they fail instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from needed import need
from real_servers import KINDS
from running_server import PASSWORD, RealServer
from throwaway_pki import ThrowawayPki

from airflow_provider_icsftps.gateway import FileNameRule, GatewayClient, GatewaySettings


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def running(request: pytest.FixtureRequest, pki: ThrowawayPki) -> Iterator[RealServer]:
    """Each of them in turn."""
    need(request.param.missing())
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
