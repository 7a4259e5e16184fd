"""Which gateway a command talks to, and as whom: by an Airflow connection, its JSON, or a certificate file."""

from __future__ import annotations

import base64
import getpass
import json
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import GatewaySettings

ConnId = Annotated[str, typer.Option("--conn-id", help="Id of an Airflow connection, as tasks name it.")]
ConnectionFile = Annotated[
    Path | None, typer.Option("--connection", help="JSON file of a connection, as `icsftps simulate` prints it.")
]
P12File = Annotated[Path | None, typer.Option("--p12", help="The client certificate: .p12, .pfx, or PEM with its key.")]
Passphrase = Annotated[
    str | None, typer.Option(envvar="ICSFTPS_PASSPHRASE", help="Of the certificate; asked for without echo.")
]
Password = Annotated[
    str | None, typer.Option(envvar="ICSFTPS_PASSWORD", help="Of the gateway; asked for without echo.")
]
EnvironmentName = Annotated[str, typer.Option("--environment", help="production, tfe or legacy.")]
Host = Annotated[str, typer.Option(help="Instead of an environment: the host of another gateway.")]
Port = Annotated[int, typer.Option(help="Its port; by default the environment's, else 6381.")]
Username = Annotated[str, typer.Option(help="By default it follows from the certificate.")]
CaFile = Annotated[Path | None, typer.Option("--ca", help="PEM file of a private CA of the gateway.")]


def settings_of(conn_id: str, connection: Path | None) -> GatewaySettings:
    """
    Read the connection that a command was given.

    :param conn_id: id of an Airflow connection.
    :param connection: JSON file of a connection.
    :raises typer.BadParameter: when it was given none or both: wrong use, exit code 2.
    :raises ConfigurationError: when it is not there, or something in it is wrong.
    """
    if conn_id and connection is None:
        return settings_from_airflow(conn_id)
    if connection is not None and not conn_id:
        return settings_from_file(connection)
    raise typer.BadParameter("Give one of --conn-id and --connection")


def settings_from_airflow(conn_id: str) -> GatewaySettings:
    """
    Read a connection as Airflow's own commands do: from environment, secrets backend or database.

    :param conn_id: its id.
    :raises ConfigurationError: when there is none, or something in it is wrong.
    """
    variable = f"AIRFLOW_CONN_{conn_id.upper()}"
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")  # else a command of ours may not read the database
    from airflow.sdk.exceptions import AirflowNotFoundException

    from airflow_provider_icsftps.hooks._connection import to_settings
    from airflow_provider_icsftps.hooks._fields import read_fields

    try:
        fields = read_fields(conn_id)
    except AirflowNotFoundException as error:
        # Airflow says the same of one that it could not make sense of
        why = f"; {variable} is set, but is neither JSON of a connection nor a URI" if variable in os.environ else ""
        raise ConfigurationError(f"Connection {conn_id!r} is not known to Airflow on this machine{why}") from error
    return to_settings(fields)


def settings_from_file(path: Path) -> GatewaySettings:
    """
    Read a connection's JSON.

    :param path: a file with one connection, or with an object of one, as ``airflow connections import`` takes it.
    :raises ConfigurationError: when it cannot be read, or something in it is wrong.
    """
    data = read_file(path)
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is no JSON; it must hold a connection, as `icsftps simulate` prints"
        ) from error
    if isinstance(values, dict) and "conn_type" not in values and len(values) == 1:
        (values,) = values.values()
    if not isinstance(values, dict) or "conn_type" not in values:
        raise ConfigurationError(f"{path} holds no connection; it must be an object with conn_type, password and extra")
    return settings_from_values(path.name, values)


def settings_from_values(name: str, values: dict[str, Any]) -> GatewaySettings:
    """
    Make settings of a connection's values.

    :param name: what to call it in messages.
    :param values: as Airflow's JSON for a connection has them.
    :raises ConfigurationError: when something is wrong with them.
    """
    from airflow_provider_icsftps.hooks._connection import to_settings
    from airflow_provider_icsftps.hooks._fields import ConnectionFields

    extra, port = values.get("extra") or {}, values.get("port") or None
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except (ValueError, RecursionError):
            extra = None
    if not isinstance(extra, dict):
        raise ConfigurationError(f"Connection {name!r}: extra is no JSON object")
    if port is not None and re.fullmatch(r"\d{1,9}", str(port), re.ASCII) is None:
        raise ConfigurationError(f"Connection {name!r}: port is {repr(port)[:40]}; it must be a number")
    for key in ("host", "login", "password"):  # not shown: it may be the password
        if not isinstance(values.get(key), str | None):
            raise ConfigurationError(f"Connection {name!r}: {key} must be text, in quotation marks")
    return to_settings(
        ConnectionFields(
            name,
            values.get("host"),
            None if port is None else int(port),
            values.get("login"),
            values.get("password"),
            extra,
        )
    )


def connection_values(
    p12: Path,
    passphrase: str | None,
    password: str | None,
    environment: str = "",
    host: str = "",
    port: int = 0,
    username: str = "",
    ca: Path | None = None,
) -> dict[str, Any]:
    """
    Return a connection as Airflow's JSON has it; secrets that are missing are asked for without echo.

    :param p12: the certificate file, PKCS#12 or PEM.
    :param passphrase: of the certificate.
    :param password: of the gateway.
    :param environment: ``production``, ``tfe``, ``legacy``, or nothing.
    :param host: instead of an environment.
    :param port: its port.
    :param username: by default the certificate's.
    :param ca: PEM file of a private CA.
    :raises ConfigurationError: when a file cannot be read, or a secret is missing and nobody is there to be asked.
    """
    data = read_file(p12)
    is_pem = b"-----BEGIN" in data
    extra = {"environment": environment or "custom"}
    extra["private_key_pem" if is_pem else "private_key_p12"] = (
        data.decode("utf-8", "replace") if is_pem else base64.b64encode(data).decode()
    )
    if passphrase is None and (not is_pem or b"ENCRYPTED" in data):
        passphrase = asked("Passphrase of the certificate", "ICSFTPS_PASSPHRASE", default="")
    if passphrase:
        extra["private_key_passphrase"] = passphrase
    if ca is not None:
        extra["ca_pem"] = read_file(ca).decode("utf-8", "replace")
        if "-----BEGIN" not in extra["ca_pem"]:  # an empty field would mean the system's own list
            raise ConfigurationError(f"{ca} holds no certificate; it must be PEM text, with BEGIN and END lines")
    if password is None:
        password = asked("Password of the gateway, from the certificate portal", "ICSFTPS_PASSWORD")
    standard = {"host": host, "port": port, "login": username}
    given = {key: value for key, value in standard.items() if value}
    return {"conn_type": "icsftps", **given, "password": password, "extra": extra}


def asked(what: str, variable: str, default: str | None = None) -> str:
    """
    Ask for a secret, without echo.

    :param what: which.
    :param variable: the environment variable that may hold it instead.
    :param default: what an empty answer means; by default it is asked for again.
    :raises ConfigurationError: when nobody is there to be asked.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", getpass.GetPassWarning)
            said: str = typer.prompt(what, default=default, hide_input=True, show_default=False)
    except typer.Abort as abort:
        if isinstance(abort.__context__, KeyboardInterrupt):
            raise SystemExit(130) from None
        if sys.stdin.isatty():
            raise  # the end of input by hand
        raise ConfigurationError(f"{what}: it is needed, and nobody is there to be asked; set {variable}") from None
    return said


def read_file(path: Path) -> bytes:
    """
    Read a file that a command was given.

    :param path: the file.
    :raises ConfigurationError: when it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
