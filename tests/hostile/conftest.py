"""What every test against a misbehaving server needs: certificates, settings with short limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from expectations import PASSWORD
from scripted_server import HOST, ScriptedServer
from throwaway_pki import ThrowawayPki

from airflow_provider_icsftps.gateway import GatewayClient, GatewaySettings


@pytest.fixture
def settings(pki: ThrowawayPki) -> Callable[..., GatewaySettings]:
    """Make settings for a server, with limits that no honest answer reaches."""

    def make(server: ScriptedServer | int, **more: Any) -> GatewaySettings:
        port = server if isinstance(server, int) else server.port
        values: dict[str, Any] = {
            "host": HOST,
            "port": port,
            "certificate": pki.client,
            "password": PASSWORD,
            "ca_pem": pki.ca_pem,
            "connect_timeout": 8.0,
            "timeout": 8.0,
            "data_timeout": 8.0,
            "completion_timeout": 8.0,
        }
        return GatewaySettings(**(values | more))

    return make


@pytest.fixture
def client(settings: Callable[..., GatewaySettings]) -> Iterator[Callable[..., GatewayClient]]:
    """Make a client of a server; all are closed in the end."""
    made: list[GatewayClient] = []

    def make(server: ScriptedServer | int, **more: Any) -> GatewayClient:
        made.append(GatewayClient(settings(server, **more)))
        return made[-1]

    yield make
    for one in made:
        if one._session is not None:
            one._session.close()  # the server may be gone: no farewell


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where downloads go."""
    (tmp_path / "downloads").mkdir()
    return tmp_path / "downloads"
