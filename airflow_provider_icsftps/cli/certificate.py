"""``icsftps certificate``: who a certificate file is, and for how long."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import ClientCertificate


def certificate(
    file: Annotated[Path, typer.Argument(help="The certificate: .p12, .pfx, or PEM with the private key.")],
    passphrase: Annotated[
        str,
        typer.Option(
            envvar="ICSFTPS_PASSPHRASE",
            prompt=True,
            hide_input=True,
            prompt_required=False,
            show_default=False,
            help="Its passphrase; asked for without echo when the option stands without a value.",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Show what a client certificate says: company, username at the gateway, validity, environment."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"Certificate file {file} cannot be read: {error.strerror}") from error
    read = ClientCertificate.from_pem if b"-----BEGIN" in data else ClientCertificate.from_pkcs12
    facts = _facts(read(data, passphrase or None))
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), "-" if value is None else str(value))
    Console().print(table)


def _facts(found: ClientCertificate) -> dict[str, Any]:
    return {
        "company": found.company,
        "cvr": found.cvr,
        "kind": found.kind.value,
        "username": found.username,
        "environment": found.environment,
        "valid_from": found.not_before.isoformat(),
        "valid_until": found.not_after.isoformat(),
        "days_left": (found.not_after - datetime.now(UTC)).days,
        "fingerprint_sha256": found.fingerprint,
        "subject": found.subject,
        "issuing_ca_included": bool(found.chain),
    }
