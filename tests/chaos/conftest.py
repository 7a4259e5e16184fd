"""A gateway that can be reached only through a relay that breaks connections."""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from relay import Relay

from airflow_provider_icsftps.gateway import GatewaySettings
from airflow_provider_icsftps.simulator import GatewaySimulator

LISTEN, GATEWAY = "127.0.0.1", "127.0.0.2"


@dataclass(frozen=True)
class Relayed:
    """
    A gateway and the way to it.

    :param simulator: the gateway; its own ``settings()`` go around the relay.
    :param relay: the way.
    """

    simulator: GatewaySimulator
    relay: Relay

    def settings(self, **overrides: Any) -> GatewaySettings:
        """Return settings that lead through the relay."""
        limits = {"connect_timeout": 2.0, "timeout": 2.0, "data_timeout": 2.0, "completion_timeout": 2.0}
        return self.simulator.settings(host=LISTEN, **limits | overrides)

    def connection(self) -> dict[str, Any]:
        """Return an Airflow connection that leads through the relay."""
        return self.simulator.connection() | {"host": LISTEN}


@contextlib.contextmanager
def gateway_behind_relay(directory: Path, **options: Any) -> Iterator[Relayed]:
    """Run a gateway in a directory, and a relay in front of it, on ports that nobody else uses."""
    with contextlib.ExitStack() as running:
        while True:
            relay = Relay.on_free_ports(GATEWAY)
            simulator = GatewaySimulator(
                directory=directory,
                host=GATEWAY,
                port=relay.control_port,
                data_ports=relay.data_ports,
                **{"services": ["Manifest"], "delays": {1: 0, 2: 0, 3: 0}} | options,
            )
            try:
                running.enter_context(simulator)
                break
            except OSError as error:
                relay.stop()
                if error.errno != errno.EADDRINUSE:
                    raise
        running.enter_context(relay)
        yield Relayed(simulator, relay)
    relay.check()
    simulator.check()


@pytest.fixture
def relayed_gateway(identities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Relayed]]:
    """Make gateways behind relays; arguments are the simulator's."""
    with contextlib.ExitStack() as running:

        def make(**options: Any) -> Relayed:
            directory = shutil.copytree(identities, tmp_path_factory.mktemp("relayed") / "state")
            return running.enter_context(gateway_behind_relay(directory, **options))

        yield make


@pytest.fixture
def relayed(relayed_gateway: Callable[..., Relayed]) -> Relayed:
    """A gateway behind a relay."""
    return relayed_gateway()
