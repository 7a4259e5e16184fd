"""``icsftps status``: what the gateway says about uploads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from airflow_provider_icsftps.cli.connecting import ConnectionFile, ConnId, settings_of
from airflow_provider_icsftps.cli.console import plain, say_json
from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    NameAlreadyUsedError,
    SubmissionRejectedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import GatewayClient, Goal, OutboxNames, Submission, conclude
from airflow_provider_icsftps.gateway.names import check_server_name, check_service
from airflow_provider_icsftps.gateway.waiting import read_answer

_GOALS = {"answered": "response", "accepted": "accepted", "delivered": "delivered"}


def status(
    upload: Annotated[
        str, typer.Argument(help="A name at the gateway, or a file with what icsftps upload --json said.")
    ],
    service: Annotated[str, typer.Option(help="With a name: the service folder.")] = "",
    conn_id: ConnId = "",
    connection: ConnectionFile = None,
    until: Annotated[
        str, typer.Option(help="delivered, accepted or response: end with 1 while it is not so far.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Show what the gateway says about uploads, from the status files in its outbox. Waits for nothing."""
    if until and until not in _GOALS.values():
        raise typer.BadParameter(f"--until {until!r} is none of {', '.join(sorted(_GOALS.values()))}")
    submissions = _submissions(upload, service)
    with GatewayClient(settings_of(conn_id, connection)) as gateway:
        names = gateway.outbox_names()
        found = [_look(gateway, submission, names) for submission in submissions]
    if as_json:
        say_json(found)
    else:
        console = plain()
        for one in found:
            _print(console, one)
    reached = [state for state, goal in _GOALS.items() if not until or until in _so_far(goal)]
    well = {*reached, *([] if until else ["waiting"])}
    raise typer.Exit(0 if all(one["state"] in well for one in found) else 1)


def _so_far(goal: str) -> set[str]:
    """What is reached, too, when a goal is: an answer to a file says that it was accepted."""
    order = list(_GOALS.values())
    return set(order[order.index(goal) :])


def _submissions(upload: str, service: str) -> list[Submission]:
    if service:
        return [Submission(service=check_service(service), file_name=check_server_name(upload))]
    try:
        data = json.loads(Path(upload).read_text())
    except OSError as error:
        raise typer.BadParameter(f"{upload} is no file here; if it is a name at the gateway, give --service") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{upload} is no JSON; give what icsftps upload --json said") from error
    entries = data if isinstance(data, list) else [data]
    submissions = [
        Submission.from_data(entry["submission"] if isinstance(entry, dict) and "submission" in entry else entry)
        for entry in entries
        if not (isinstance(entry, dict) and entry.get("state") in {"failed", "not tried"})
    ]
    if not submissions:
        raise ConfigurationError(f"{upload} holds no file that was filed")
    return submissions


def _look(gateway: GatewayClient, submission: Submission, names: OutboxNames) -> dict[str, Any]:
    """Return what is known of one submission: its values, those of its status files, ``state`` and ``reason``."""
    state, reason = "waiting", None
    try:
        for name, goal in _GOALS.items():
            if conclude(gateway, [submission], Goal(goal), names, set()) is not None:
                state = name
                break
    except (SubmissionRejectedError, NameAlreadyUsedError, TransferError) as error:
        state, reason = "rejected", str(error)
    return {"state": state, "reason": reason} | read_answer(gateway, submission, names).to_data()


def _print(console: Console, one: dict[str, Any]) -> None:
    console.print(f"{one['state']:9}  /{one['service']}/{one['file_name']}")
    for status_file in one["statuses"]:
        said = [status_file.get("error_code"), status_file.get("error_message"), *status_file.get("responses", [])]
        words = "  ".join(word for word in (status_file["text"], *said) if word)
        console.print(f"  {status_file['digit']}  {status_file['timestamp'] or '-'}  {words}")
