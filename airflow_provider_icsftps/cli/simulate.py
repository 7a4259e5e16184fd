"""``icsftps simulate``: the embedded gateway as a process of its own."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from airflow_provider_icsftps.exceptions import ConfigurationError, GatewayUnavailableError
from airflow_provider_icsftps.gateway.settings import DEFAULT_PORT

if TYPE_CHECKING:
    from airflow_provider_icsftps.simulator import GatewaySimulator


class ReusedName(StrEnum):
    """How the simulator turns down a name that was used before."""

    STATUS = "status"
    REPLY_550 = "550"
    REPLY_553 = "553"


class CutUploads(StrEnum):
    """What the simulator does with an upload that was cut."""

    DISCARD = "discard"
    KEEP = "keep"
    ACCEPT = "accept"


def new_simulator(**parameters: object) -> GatewaySimulator:
    """
    Make a simulator, if what it needs is installed.

    :param parameters: those of :class:`GatewaySimulator`.
    :raises ConfigurationError: when the extra ``simulator`` is not installed.
    """
    try:
        from airflow_provider_icsftps.simulator import GatewaySimulator
    except ModuleNotFoundError as error:
        raise ConfigurationError(str(error)) from error
    return GatewaySimulator(**parameters)  # type: ignore[arg-type]  # the callers' are typed options


@contextmanager
def started(simulator: GatewaySimulator) -> Iterator[GatewaySimulator]:
    """
    Start a simulator, and stop it at the end of a block.

    :param simulator: one that was not started.
    :raises GatewayUnavailableError: when it cannot listen on its port.
    """
    try:
        simulator.start()
    except OSError as error:
        if error.filename:
            raise  # not the network: its directory cannot be used
        raise GatewayUnavailableError(
            f"The embedded gateway cannot listen: {error.strerror or error}; choose another port or host"
        ) from error
    try:
        yield simulator
    finally:
        simulator.stop()
    simulator.check()


def simulate(
    service: Annotated[list[str] | None, typer.Option(help="A service folder; may be given again.")] = None,
    host: Annotated[str, typer.Option(help="Loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Control port; 0 for any free one.")] = DEFAULT_PORT,
    data_ports: Annotated[str, typer.Option(help="Passive port range, such as 36000-39999; any by default.")] = "",
    directory: Annotated[
        Path | None, typer.Option(help="Keep everything here over restarts; names used stay used.")
    ] = None,
    credentials: Annotated[
        Path | None, typer.Option(help="Write client.p12, client.pem, client-key.pem, ca.pem, connection.json here.")
    ] = None,
    delivered: Annotated[float, typer.Option(min=0, help="Seconds to digit 1.")] = 0,
    accepted: Annotated[float, typer.Option(min=0, help="Seconds to digit 2.")] = 1,
    answered: Annotated[float, typer.Option(min=0, help="Seconds to digit 3 and the response.")] = 2,
    responses: Annotated[int, typer.Option(min=0, help="Responses for each filing.")] = 1,
    reject: Annotated[list[str] | None, typer.Option(help="Reject files whose name matches this pattern.")] = None,
    reused_name: Annotated[
        ReusedName, typer.Option(help="A used name: a status file, or refused at once.")
    ] = ReusedName.STATUS,
    cut_uploads: Annotated[CutUploads, typer.Option(help="What becomes of a cut upload.")] = CutUploads.DISCARD,
    legacy: Annotated[bool, typer.Option("--legacy", help="Be the old gateway: no uploads.")] = False,
    seconds: Annotated[float, typer.Option(min=0, help="Stop by itself after this long; 0 runs until Ctrl-C.")] = 0,
) -> None:
    """Run the embedded gateway; prints how to connect as one line of JSON, an Airflow connection."""
    simulator = new_simulator(
        services=service or ["Manifest"],
        host=host,
        port=port,
        data_ports=_ports(data_ports),
        directory=directory,
        delays={1: delivered, 2: accepted, 3: answered},
        responses=responses,
        reused_name=reused_name.value,
        cut_uploads=cut_uploads.value,
        legacy=legacy,
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with started(simulator):
        for pattern in reject or []:
            simulator.reject(pattern)
        if credentials:
            simulator.write_credentials(credentials)
        typer.echo(json.dumps(simulator.connection()))
        typer.echo(f"Embedded gateway on {simulator.host}:{simulator.port}; Ctrl-C stops it", err=True)
        stop.wait(min(seconds, threading.TIMEOUT_MAX) or None)


def _ports(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) < 65536):
        raise typer.BadParameter(f"--data-ports {text!r} is no range of ports; write it like 36000-39999")
    return int(first), int(last)
