"""What a client counted, and what a server's own log says."""

from __future__ import annotations

from moments import within
from running_server import RealServer

from airflow_provider_icsftps.gateway import GatewayClient


def connections(gateway: GatewayClient) -> tuple[int, int]:
    """Data connections over the present session, and how many of them resumed it."""
    session = gateway._session
    assert session is not None
    return session.data_connections, session.resumed


def last_transfer(server: RealServer, known: int) -> str:
    """What the server's log says about the transfer after the ones known, given a moment to say it."""
    assert within(20, lambda: len(server.transfers()) > known)
    return server.transfers()[-1]
