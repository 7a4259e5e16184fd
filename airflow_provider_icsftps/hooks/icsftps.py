"""Hook: an Airflow connection becomes gateway settings, and those a client."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import ClientCertificate, Fleet, GatewayClient, GatewaySettings
from airflow_provider_icsftps.gateway.diagnosis import diagnose
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import read_fields


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

    @property
    def certificate(self) -> ClientCertificate:
        """
        The client certificate: whose it is, for how long, its fingerprint.

        :raises ConfigurationError: naming the connection and the field that is wrong.
        """
        return self.get_settings().certificate

    def get_conn(self) -> GatewayClient:
        """Return a client, not yet connected; use it in a ``with`` block."""
        return GatewayClient(self.get_settings())

    def get_fleet(self) -> Fleet:
        """Return as many clients as the connection allows, not yet connected; use it in a ``with`` block."""
        return Fleet(self.get_settings())

    def test_connection(self) -> tuple[bool, str]:
        """
        Walk to the gateway, log in once, and list the outbox; nothing is uploaded.

        The Test button runs this in the API server, so it ends within ten seconds, whatever the other side does.
        """
        diagnosis = diagnose(self.get_settings)
        return diagnosis.ok, diagnosis.message


@contextlib.contextmanager
def fail_without_retry() -> Iterator[None]:
    """Let errors that may pass through to Airflow's retries, and fail the task for good on the others."""
    try:
        yield
    except IcsFtpsError as error:
        if error.retryable:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
