"""``icsftps download``: fetch files from the outbox."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, Any

import typer

from airflow_provider_icsftps.cli.connecting import ConnectionFile, ConnId, settings_of
from airflow_provider_icsftps.cli.console import plain, say_json
from airflow_provider_icsftps.cli.progress import shown
from airflow_provider_icsftps.gateway import Fleet, GatewayClient, OutboxEntry
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames


def download(
    target: Annotated[Path, typer.Option(help="A folder; made if it is not there.")],
    pattern: Annotated[str, typer.Option(help="Only names like this; upper and lower case differ.")] = "*",
    conn_id: ConnId = "",
    connection: ConnectionFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Fetch files from the outbox; what lies in the folder with the same size is not fetched again."""

    def listed(gateway: GatewayClient, _: None) -> list[OutboxEntry]:
        return gateway.list_outbox(times=False)

    def fetch(gateway: GatewayClient, entry: OutboxEntry) -> str:
        path = target / check_server_name(entry.name)
        with contextlib.suppress(OSError):  # such as a name that is too long for the disk; the download tells it
            if entry.size is not None and path.is_file() and path.stat().st_size == entry.size:
                return "was there"
        gateway.download(entry.name, path, size=entry.size)
        return "fetched"

    found: list[dict[str, Any]] = []
    with Fleet(settings_of(conn_id, connection)) as fleet:
        (listing,) = fleet.run(listed, [None])
        entries = {entry.name: entry for entry in listing.get()}
        wanted = OutboxNames(entries).matching(pattern)
        target.mkdir(parents=True, exist_ok=True)
        with shown("Fetching", len(wanted)) as (bar, task):
            for done in fleet.run(fetch, [entries[name] for name in wanted]):
                bar.advance(task)
                error = str(done.error) if done.error else None
                path = str(target / done.item.name)
                found.append({"name": done.item.name, "state": done.value or "failed", "path": path, "error": error})
    if as_json:
        say_json(found)
    else:
        console = plain()
        for one in found:
            console.print(f"{one['state']:9}  {one['error'] or one['path']}")
        console.print(f"{len(found)} of {len(entries)} files in the outbox match {pattern}")
    raise typer.Exit(1 if any(one["error"] for one in found) else 0)
