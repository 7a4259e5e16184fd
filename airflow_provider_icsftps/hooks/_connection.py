"""From an Airflow connection's fields to gateway settings. Plain values in, frozen settings out; no Airflow here."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError
from airflow_provider_icsftps.gateway.certificates import ClientCertificate
from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX, FileNameRule
from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, GatewaySettings
from airflow_provider_icsftps.hooks._fields import EXTRAS, ConnectionFields
from airflow_provider_icsftps.hooks._pasted import pasted_ca, pasted_certificate

_TIMEOUTS = ("connect_timeout", "timeout", "data_timeout", "completion_timeout")


def to_settings(connection: ConnectionFields) -> GatewaySettings:
    """
    Make settings of a connection's fields.

    :param connection: the fields.
    :raises ConfigurationError: naming the connection and the field that is wrong.
    """
    try:
        return _to_settings(connection)
    except CertificateError as error:
        raise CertificateError(f"Connection {connection.conn_id!r}: {error}", reason=error.reason) from error
    except ConfigurationError as error:
        raise ConfigurationError(f"Connection {connection.conn_id!r}: {error}") from error


def _to_settings(connection: ConnectionFields) -> GatewaySettings:
    # the form stores untouched fields as null
    extra = {key: value for key, value in connection.extra.items() if value not in (None, "")}
    if unknown := sorted(set(extra) - EXTRAS):
        raise ConfigurationError(f"unknown extra {', '.join(unknown)}; known are {', '.join(sorted(EXTRAS))}")
    environment = str(extra.get("environment", "custom"))
    rule = FileNameRule()
    return GatewaySettings(
        certificate=_certificate(extra),
        password=connection.password or "",
        host=(connection.host or "").strip(),
        port=connection.port or 0,
        username=(connection.login or "").strip(),
        environment=None if environment == "custom" else environment,
        ca_pem=_ca(extra),
        outbox=str(extra.get("outbox", DEFAULT_OUTBOX)),
        file_name_rule=FileNameRule(
            str(extra.get("file_name_characters", rule.characters)),
            _whole(extra, "file_name_max_length", rule.max_length),
        ),
        read_only=_flag(extra, "read_only"),
        data_ports=_ports(extra),
        encoding=str(extra.get("encoding", "utf-8")),
        sessions=_whole(extra, "sessions", GatewaySettings.sessions),
        **{name: _number(extra, name) for name in _TIMEOUTS if name in extra},
    )


def _certificate(extra: dict[str, Any]) -> ClientCertificate:
    given = [
        key for key in ("private_key_p12", "private_key_pem", "client_p12_file", "client_pem_file") if key in extra
    ]
    if len(given) != 1:
        raise ConfigurationError(
            f"{'several client certificates are' if given else 'no client certificate is'} given "
            f"({', '.join(given) or 'give private_key_p12, the base64 text of the .p12 file'})"
        )
    key, value = given[0], extra[given[0]]
    # a passphrase of digits may be stored as a number
    passphrase = str(extra["private_key_passphrase"]) if "private_key_passphrase" in extra else None
    # what is no text at all is none of base64 or PEM either, and is told as that
    data = _read(key, value) if key.endswith("_file") else str(value).encode("utf-8", "replace")
    return pasted_certificate(key, data, passphrase)


def _ca(extra: dict[str, Any]) -> str | None:
    if "ca_file" in extra:
        return pasted_ca("ca_file", _read("ca_file", extra["ca_file"]).decode("utf-8", "replace"))
    return pasted_ca("ca_pem", str(extra["ca_pem"])) if "ca_pem" in extra else None


def _read(key: str, path: Any) -> bytes:
    text = str(path)
    if "BEGIN" in text or len(text) > 500 or not text.isprintable():  # not shown: it may be a key
        raise ConfigurationError(f"{key} must be the path of a file; its content belongs into another field")
    try:
        return Path(os.path.expanduser(text)).read_bytes()  # noqa: PTH111  # pathlib's raises for an unknown user
    except OSError as error:
        raise ConfigurationError(f"{key} {text}: cannot be read on this machine ({error.strerror})") from error


def _number(extra: dict[str, Any], key: str, default: float = 0) -> float:
    try:
        return float(extra.get(key, default))
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(f"{key} is {repr(extra[key])[:40]}; it must be a number") from error


def _whole(extra: dict[str, Any], key: str, default: int) -> int:
    number = _number(extra, key, default)
    if not number.is_integer():
        raise ConfigurationError(f"{key} is {extra[key]!r}; it must be a whole number")
    return int(number)


def _flag(extra: dict[str, Any], key: str) -> bool:
    value = str(extra.get(key, "false")).lower()
    if value not in {"true", "false", "1", "0"}:
        raise ConfigurationError(f"{key} is {extra[key]!r}; it must be true or false")
    return value in {"true", "1"}


def _ports(extra: dict[str, Any]) -> tuple[int, int] | None:
    if "data_ports" not in extra:
        return None
    match = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", str(extra["data_ports"]), re.ASCII)
    if match is None:
        known = ", ".join(f"{e.data_ports[0]}-{e.data_ports[1]} ({e.name})" for e in ENVIRONMENTS.values())
        raise ConfigurationError(f"data_ports is {extra['data_ports']!r}; write it like {known}")
    return int(match[1]), int(match[2])
