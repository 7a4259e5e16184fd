"""``icsftps upload``: file files, each once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from airflow_provider_icsftps.cli.connecting import ConnectionFile, ConnId, settings_of
from airflow_provider_icsftps.cli.console import plain, say_json
from airflow_provider_icsftps.cli.progress import shown
from airflow_provider_icsftps.gateway import Filing, Fleet, Journal, Outcome, Patience, file_each


def upload(
    files: Annotated[list[Path], typer.Argument(help="The files.")],
    service: Annotated[str, typer.Option(help="The service folder, such as Manifest.")],
    conn_id: ConnId = "",
    connection: ConnectionFile = None,
    run_id: Annotated[
        str, typer.Option(help="Another run files the same content again; without it a content is filed once for ever.")
    ] = "",
    resubmission: Annotated[int, typer.Option(min=0, help="A higher number files the same content again.")] = 0,
    own_name: Annotated[
        bool, typer.Option("--own-name", help="Keep the file's name; it must never have been used.")
    ] = False,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="File empty files, too.")] = False,
    outage_timeout: Annotated[float, typer.Option(min=0, help="Seconds to try again while the gateway is away.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine, and for icsftps status, to read.")] = False,
) -> None:
    """File files, each once: the same command again finds what is filed, and sends only the rest."""
    if own_name and (resubmission or run_id):
        raise typer.BadParameter(
            "--resubmission and --run-id have no effect with --own-name; give the file another name"
        )
    filings = [
        Filing(
            source=file,
            service=service,
            scope=f"cli/{run_id}" if run_id else "cli",
            source_name=file.name,
            own_name=file.name if own_name else None,
            resubmission=resubmission,
            allow_empty=allow_empty,
        )
        for file in files
    ]
    # nothing is kept on this machine: what earlier commands did is asked of the gateway alone
    unknown = Journal(complete=False)
    with Fleet(settings_of(conn_id, connection)) as fleet, shown("Filing", len(files)) as (bar, task):
        outcomes = file_each(
            fleet,
            filings,
            unknown,
            Patience(outage_timeout, sleep=fleet.pause),
            tell=lambda _: bar.advance(task),
        )
    if as_json:
        say_json([outcome.to_data() for outcome in outcomes])
    else:
        console = plain()
        for outcome in outcomes:
            _print(console, outcome)
    raise typer.Exit(0 if all(outcome.submission for outcome in outcomes) else 1)


def _print(console: Console, outcome: Outcome) -> None:
    submission = outcome.submission
    if submission is None:
        console.print(f"{outcome.state:12}  {outcome.filing.label}  {outcome.error or ''}".rstrip())
        return
    line = f"{outcome.filing.label}  /{submission.service}/{submission.file_name}"
    if submission.verdict == "send":
        state = "filed"
    elif submission.needs_proof:
        state = "sent before"
        line += "  nothing shows yet that all of it got through; ask again later"
    else:
        state = "filed before"
    console.print(f"{state:12}  {line}")
