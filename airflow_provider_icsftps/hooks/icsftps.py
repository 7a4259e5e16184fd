"""Hook: an Airflow connection becomes gateway settings, and those a client."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import Fleet, GatewayClient, GatewaySettings
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import read_fields

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
        return to_settings(read_fields(self.icsftps_conn_id))

    def get_conn(self) -> GatewayClient:
        """Return a client, not yet connected; use it in a ``with`` block."""
        return GatewayClient(self.get_settings())

    def get_fleet(self) -> Fleet:
        """Return as many clients as the connection allows, not yet connected; use it in a ``with`` block."""
        return Fleet(self.get_settings())

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
                names = gateway.outbox_names()
        except IcsFtpsError as error:
            return False, str(error)
        return True, (
            f"Logged in at {settings.address} as {settings.username}; {settings.outbox} holds {len(names)} files. "
            f"The certificate is valid until {settings.certificate.not_after:%Y-%m-%d}"
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
