"""A gateway that can be reached only through a relay."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay import Relay

from airflow_provider_icsftps.gateway import GatewaySettings
from airflow_provider_icsftps.simulator import GatewaySimulator

LISTEN, GATEWAY = "127.0.0.1", "127.0.0.2"
#: Seconds that a client waits for a gateway from which nothing comes.
LIMITS = {"connect_timeout": 8.0, "timeout": 8.0, "data_timeout": 8.0, "completion_timeout": 8.0}


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
        return self.simulator.settings(host=LISTEN, **LIMITS | overrides)

    def connection(self, **extra: Any) -> dict[str, Any]:
        """Return an Airflow connection that leads through the relay."""
        connection = self.simulator.connection()
        return connection | {"host": LISTEN, "extra": connection["extra"] | LIMITS | extra}


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
