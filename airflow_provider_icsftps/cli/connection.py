"""``icsftps connection``: a certificate file becomes an Airflow connection, ready to paste."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from airflow_provider_icsftps.cli.connecting import (
    CaFile,
    EnvironmentName,
    Host,
    Passphrase,
    Password,
    Port,
    Username,
    connection_values,
    settings_from_values,
)
from airflow_provider_icsftps.exceptions import ConfigurationError

_SECRETS = {
    "password": "<password from the certificate portal>",
    "private_key_p12": "<one line of base64: base64 -w0 certificate.p12>",
    "private_key_pem": "<PEM text with key, certificate and issuing CA>",
    "private_key_passphrase": "<passphrase of the certificate>",
}


def connection(
    p12: Annotated[Path, typer.Option("--p12", help="The client certificate: .p12, .pfx, or PEM with its key.")],
    environment: EnvironmentName = "",
    passphrase: Passphrase = None,
    password: Password = None,
    host: Host = "",
    port: Port = 0,
    username: Username = "",
    ca: CaFile = None,
    conn_id: Annotated[str, typer.Option(help="Id of the new connection.")] = "icsftps_default",
    no_secrets: Annotated[
        bool, typer.Option("--no-secrets", help="Print placeholders instead of secrets; asks for nothing.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Write a file for `airflow connections import` that only you can read, and print no secret."),
    ] = None,
) -> None:
    """Make an Airflow connection: command, environment variable, JSON and URI. What is printed holds secrets."""
    if not environment and not host:
        raise typer.BadParameter("Give --environment or --host")
    if no_secrets:
        passphrase, password = _SECRETS["private_key_passphrase"], _SECRETS["password"]
    values = connection_values(p12, passphrase, password, environment, host, port, username, ca)
    if no_secrets:
        values["extra"] = {key: _SECRETS.get(key, value) for key, value in values["extra"].items()}
    else:
        settings = settings_from_values(conn_id, values)  # what is wrong is told now, not in the first task
        settings.certificate.check_validity()
    if output is not None:
        _write_private(output, json.dumps({conn_id: values}, indent=2) + "\n")
        typer.echo(f"airflow connections import {shlex.quote(str(output))}")
        typer.echo(f"{output} holds secrets: delete it when it is imported", err=True)
        return
    if not no_secrets:
        typer.echo(
            "What follows holds secrets: do not keep it in a shell's history, a ticket or a repository", err=True
        )
    for title, text in _forms(conn_id, values).items():
        typer.echo(f"# {title}\n{text}\n")


def _forms(conn_id: str, values: dict[str, Any]) -> dict[str, str]:
    """Return the same connection in every form that Airflow takes."""
    text = json.dumps(values)
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    forms = {
        "as a command": f"airflow connections add {shlex.quote(conn_id)} --conn-json {shlex.quote(text)}",
        "as an environment variable": f"export {variable}={shlex.quote(text)}",
        "as JSON, for a secrets backend": text,
        "as a URI": _uri(values),
    }
    if not (variable.isascii() and variable.isidentifier()):  # no shell takes it for a variable's name
        del forms["as an environment variable"]
    return forms


def _uri(values: dict[str, Any]) -> str:
    """Write what Airflow's own ``Connection.get_uri`` writes, which takes seconds to import."""
    user = ":".join(quote(values.get(key, ""), safe="") for key in ("login", "password"))
    port = f":{values['port']}" if "port" in values else ""
    return f"icsftps://{user}@{quote(values.get('host', ''), safe='')}{port}/?{urlencode(values['extra'])}"


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, also when it was there before."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)
            file.truncate()
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
