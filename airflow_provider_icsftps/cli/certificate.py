"""``icsftps certificate``: who a certificate file is, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from airflow_provider_icsftps.cli.connecting import Passphrase, asked, read_file
from airflow_provider_icsftps.cli.console import plain, say_json
from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError
from airflow_provider_icsftps.gateway import ClientCertificate
from airflow_provider_icsftps.gateway.renewal import certificate_facts, public_pem


def certificate(
    file: Annotated[Path, typer.Argument(help="The certificate: .p12, .pfx, or PEM with the private key.")],
    passphrase: Passphrase = None,
    public: Annotated[
        Path | None, typer.Option(help="Write the public part as PEM, for whoever registers it; no secret is in it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """Show what a client certificate says: company, username, validity, environment, and what to register."""
    found = _read(read_file(file), passphrase)
    if public is not None:
        _write(public, public_pem(found))
    facts = certificate_facts(found)
    if as_json:
        say_json(facts)
        return
    table = Table(show_header=False, box=None)
    table.add_column()
    table.add_column(overflow="fold")  # a fingerprint that is cut is none
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), Text("-" if value is None else str(value)))
    console = plain()
    console.print(table, soft_wrap=False)
    console.print(
        f"\nRegister at the certificate portal: the certificate with this fingerprint"
        f"{f', for CVR {found.cvr}' if found.cvr else ''}. The gateway's username is then "
        f"{found.username or 'the one that you are given'}, its password is assigned by the portal."
        + ("" if public is None else f" The public part is in {public}.")
    )


def _read(data: bytes, passphrase: str | None) -> ClientCertificate:
    """Read a certificate; ask for the passphrase only if it has one."""
    read = ClientCertificate.from_pem if b"-----BEGIN" in data else ClientCertificate.from_pkcs12
    try:
        return read(data, passphrase or None)
    except CertificateError as error:
        if error.reason != "passphrase" or passphrase is not None:
            raise
    return read(data, asked("Passphrase of the certificate", "ICSFTPS_PASSPHRASE"))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}") from error
