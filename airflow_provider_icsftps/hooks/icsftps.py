"""Hook: an Airflow connection becomes gateway settings, and those a client."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import GatewayClient, GatewaySettings
from airflow_provider_icsftps.hooks._connection import ConnectionFields, to_settings

_TEST_SECONDS = 3.0


class IcsFtpsHook(BaseHook):
    """
    Connect to an FTPS gateway by the values of an Airflow connection.

    No network and no look-up of the connection happen before a method is called.

    :param icsftps_conn_id: id of a connection of type ``icsftps``.
    """

    conn_name_attr = "icsftps_conn_id"
    default_conn_name = "icsftps_default"
    conn_type = "icsftps"
    hook_name = "ICS FTPS gateway"

    def __init__(self, icsftps_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.icsftps_conn_id = icsftps_conn_id

    def get_settings(self) -> GatewaySettings:
        """
        Read the connection.

        :raises ConfigurationError: naming the connection and the field that is wrong.
        """
        connection = self.get_connection(self.icsftps_conn_id)
        return to_settings(_fields(connection, connection.extra_dejson))

    async def aget_fields(self) -> ConnectionFields:
        """Read the connection on an event loop; :func:`to_settings` takes some 50 ms and belongs into a thread."""
        connection = await get_async_connection(self.icsftps_conn_id)
        return _fields(connection, await get_async_extra_dejson(connection))

    def get_conn(self) -> GatewayClient:
        """Return a client, not yet connected; use it in a ``with`` block."""
        return GatewayClient(self.get_settings())

    def test_connection(self) -> tuple[bool, str]:
        """Log in and list the outbox, with short time limits: the Test button runs this in the API server."""
        try:
            settings = self.get_settings()
            quick = dataclasses.replace(
                settings,
                connect_timeout=_TEST_SECONDS,
                timeout=_TEST_SECONDS,
                data_timeout=_TEST_SECONDS,
                completion_timeout=_TEST_SECONDS,
            )
            with GatewayClient(quick) as gateway:
                entries = gateway.list_outbox(times=False)
        except IcsFtpsError as error:
            return False, str(error)
        return True, (
            f"Logged in at {settings.address} as {settings.username}; {settings.outbox} holds {len(entries)} files. "
            f"The certificate is valid until {settings.certificate.not_after:%Y-%m-%d}"
        )


def _fields(connection: Any, extra: dict[str, Any]) -> ConnectionFields:
    return ConnectionFields(
        connection.conn_id, connection.host, connection.port, connection.login, connection.password, dict(extra)
    )


@contextlib.contextmanager
def fail_without_retry() -> Iterator[None]:
    """Let errors that may pass through to Airflow's retries, and fail the task for good on the others."""
    try:
        yield
    except IcsFtpsError as error:
        if error.retryable:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
