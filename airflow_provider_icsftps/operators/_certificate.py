"""The operator that watches a connection's certificate."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, Context

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.renewal import certificate_facts, describe_end
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry


class IcsFtpsCertificateExpiryOperator(BaseOperator):
    """
    Watch the client certificate of a connection; nothing is sent to the gateway.

    Warns in the log when fewer than ``warn_days`` are left, and fails, without retries, when fewer than ``fail_days``
    are: then whoever gets Airflow's failures hears of it while there is time. Map it over connection ids to watch
    several.

    Returns what the certificate says (``company``, ``cvr``, ``username``, ``valid_until``, ``days_left``,
    ``fingerprint`` and more), ``conn_id``, and ``renew``: whether fewer than ``warn_days`` are left.

    :param warn_days: days before the end from which it warns.
    :param fail_days: days before the end from which it fails; 0 to fail only when it has ended.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("icsftps_conn_id",)

    def __init__(
        self,
        *,
        warn_days: int = 60,
        fail_days: int = 14,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.warn_days = warn_days
        self.fail_days = fail_days
        self.icsftps_conn_id = icsftps_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the certificate, and tell, warn or fail."""
        with fail_without_retry():
            if not 0 <= self.fail_days <= self.warn_days:
                raise ConfigurationError(f"fail_days={self.fail_days} must be from 0 to warn_days={self.warn_days}")
            certificate = IcsFtpsHook(self.icsftps_conn_id).certificate
        line = f"Connection {self.icsftps_conn_id!r}: {describe_end(certificate)}"
        facts = certificate_facts(certificate)
        days = facts["days_left"]
        if days < self.fail_days:
            raise AirflowFailException(line)
        if days < self.warn_days:
            self.log.warning(line)
        else:
            self.log.info("Connection %r: certificate valid for %d more days", self.icsftps_conn_id, days)
        return {"conn_id": self.icsftps_conn_id, "renew": days < self.warn_days, **facts}
