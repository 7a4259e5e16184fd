"""``icsftps check``: is everything there, from the certificate to the folders at the gateway?"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_provider_icsftps.cli.connecting import (
    CaFile,
    ConnectionFile,
    ConnId,
    EnvironmentName,
    Host,
    P12File,
    Passphrase,
    Password,
    Port,
    Username,
    connection_values,
    settings_from_values,
    settings_of,
)
from airflow_provider_icsftps.cli.console import say_json
from airflow_provider_icsftps.gateway.diagnosis import NOT_REACHED, SECONDS, State, Step, diagnose

_MARKS = {State.OK: Text("ok", "green"), State.FAILED: Text("FAILED", "bold red"), State.SKIPPED: Text("-", "dim")}


def check(
    conn_id: ConnId = "",
    connection: ConnectionFile = None,
    p12: P12File = None,
    passphrase: Passphrase = None,
    password: Password = None,
    environment: EnvironmentName = "",
    host: Host = "",
    port: Port = 0,
    username: Username = "",
    ca: CaFile = None,
    service: Annotated[
        list[str] | None, typer.Option(help="A service folder that must be there; may be given again.")
    ] = None,
    heartbeat: Annotated[
        bool, typer.Option("--heartbeat", help="Also upload a ping to FTPSGW.Heartbeat; nothing else is ever uploaded.")
    ] = False,
    timeout: Annotated[float, typer.Option(min=1, max=600, help="Seconds that all of it may take.")] = SECONDS,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Walk to the gateway step by step; at the first fault say what it is and who can mend it. Logs in once."""
    if bool(conn_id) + (connection is not None) + (p12 is not None) != 1:
        raise typer.BadParameter("Give one of --conn-id, --connection and --p12")
    alone = {"--environment": environment, "--host": host, "--port": port, "--username": username, "--ca": ca}
    if p12 is None and (astray := [option for option, value in alone.items() if value]):
        raise typer.BadParameter(f"{', '.join(astray)}: only with --p12; a connection says this itself")
    values: dict[str, Any] = {}
    if p12 is not None:
        values = connection_values(p12, passphrase, password, environment, host, port, username, ca)
    console = Console(stderr=as_json)
    diagnosis = diagnose(
        lambda: settings_of(conn_id, connection) if p12 is None else settings_from_values(p12.name, values),
        services=service or [],
        heartbeat=heartbeat,
        seconds=timeout,
        tell=None if as_json else lambda step: _print(console, step),
    )
    if as_json:
        say_json(diagnosis.to_data())
    elif diagnosis.failure is not None:
        console.print(f"\nWho can mend it: [bold]{diagnosis.failure.who}[/bold]")
    else:
        console.print(f"\nAll is well, in {diagnosis.seconds:.1f} s", highlight=False)
    raise typer.Exit(0 if diagnosis.ok else 1)


def _print(console: Console, step: Step) -> None:
    if step.sentence == NOT_REACHED:
        return
    row = Table.grid(padding=(0, 1))
    row.add_column(width=6)
    row.add_column(width=18)
    row.add_column(width=7, justify="right")
    row.add_column(overflow="fold")
    row.add_row(_MARKS[step.state], step.name, f"{step.seconds:.2f} s", Text(step.sentence))
    console.print(row)
