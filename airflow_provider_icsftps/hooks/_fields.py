"""
What is read of an Airflow connection. Light to import: triggers need it on the event loop, and commands that are given
no connection id need no Airflow, which takes seconds to import.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError

#: Everything that a connection's extra may hold. Names of what is secret hold a word that Airflow masks.
EXTRAS = frozenset(
    {
        "environment",
        "private_key_p12",
        "private_key_pem",
        "private_key_passphrase",
        "client_p12_file",
        "client_pem_file",
        "ca_pem",
        "ca_file",
        "connect_timeout",
        "timeout",
        "data_timeout",
        "completion_timeout",
        "outbox",
        "read_only",
        "data_ports",
        "file_name_characters",
        "file_name_max_length",
        "encoding",
        "sessions",
    }
)


@dataclass(frozen=True)
class ConnectionFields:
    """
    What is read of an Airflow connection.

    :param conn_id: its id, for messages.
    :param host: may be empty when an environment is named.
    :param port: may be ``None``.
    :param login: may be empty: it follows from the certificate.
    :param password: of the gateway.
    :param extra: see :data:`EXTRAS`.
    """

    conn_id: str
    host: str | None = None
    port: int | None = None
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def digest(self) -> str:
        """A text that is the same for the same fields, secrets included, and tells nothing of them."""
        return hashlib.sha256(json.dumps(astuple(self), sort_keys=True, default=str).encode()).hexdigest()


def read_fields(conn_id: str) -> ConnectionFields:
    """
    Read an Airflow connection.

    :param conn_id: its id.
    :raises ConfigurationError: when its extra is no JSON object.
    """
    from airflow.providers.common.compat.sdk import BaseHook

    connection = BaseHook.get_connection(conn_id)
    return _fields(connection, connection.extra_dejson)


async def aread_fields(conn_id: str) -> ConnectionFields:
    """
    Read an Airflow connection on an event loop.

    :param conn_id: its id.
    :raises ConfigurationError: when its extra is no JSON object.
    """
    from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

    connection = await get_async_connection(conn_id)
    return _fields(connection, await get_async_extra_dejson(connection))


def _fields(connection: Any, extra: Any) -> ConnectionFields:
    if extra == {} and connection.extra:  # Airflow logs what is no JSON, and goes on without
        try:
            json.loads(connection.extra)
        except ValueError:
            raise ConfigurationError(
                f"Connection {connection.conn_id!r}: its extra is no JSON; it must be an object, such as "
                '{"environment": "tfe"}'
            ) from None  # which shows the text, and a secret may be in it
    if not isinstance(extra, dict):
        raise ConfigurationError(
            f"Connection {connection.conn_id!r}: its extra is a JSON {type(extra).__name__}; it must be an object, "
            'such as {"environment": "tfe"}'
        )
    return ConnectionFields(
        connection.conn_id, connection.host, connection.port, connection.login, connection.password, dict(extra)
    )
