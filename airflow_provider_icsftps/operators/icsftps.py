"""Operators: file, fetch, delete."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context

from airflow_provider_icsftps.exceptions import ConfigurationError, FileNotAvailableError
from airflow_provider_icsftps.gateway import GatewayClient, OutboxEntry, OutboxNames
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators._paths import as_path
from airflow_provider_icsftps.operators._upload import IcsFtpsUploadOperator

__all__ = ["IcsFtpsDeleteOperator", "IcsFtpsDownloadOperator", "IcsFtpsUploadOperator"]


class IcsFtpsDownloadOperator(BaseOperator):
    """
    Fetch responses from the outbox into a folder; each file appears there only when it is complete.

    Give either what a sensor returned, or a pattern. A file that has gone from the outbox but lies in the target
    (an earlier try fetched it) counts as fetched.

    Returns the paths of the files, as text.

    :param target: folder, local or URL of an object store. (templated)
    :param responses: what :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsResponseSensor` or
        :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsOutboxSensor` returned, or a list of file names.
        (templated)
    :param pattern: instead, a glob pattern for file names in the outbox. (templated)
    :param status_files: fetch the submissions' status files, too.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("target", "responses", "pattern", "icsftps_conn_id")

    def __init__(
        self,
        *,
        target: Any,
        responses: Any = None,
        pattern: str | None = None,
        status_files: bool = False,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target = target
        self.responses = responses
        self.pattern = pattern
        self.status_files = status_files
        self.icsftps_conn_id = icsftps_conn_id

    def execute(self, context: Context) -> list[str]:
        """Fetch the files and return their paths."""
        folder = as_path(self.target)
        with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
            chosen = _chosen(gateway, self.responses, self.pattern, self.status_files)
            return [self._fetch(gateway, entry, folder) for entry in chosen]

    def _fetch(self, gateway: GatewayClient, entry: OutboxEntry, folder: Any) -> str:
        target = folder / check_server_name(entry.name)
        try:
            size = gateway.download(entry.name, target, size=entry.size)
        except FileNotAvailableError:
            if not target.exists():
                raise
            self.log.info("%s is not in the outbox any more; an earlier try fetched it to %s", entry.name, target)
        else:
            self.log.info("%s fetched to %s, %d bytes", entry.name, target, size)
        return str(target)


class IcsFtpsDeleteOperator(BaseOperator):
    """
    Delete files in the outbox that were processed; the gateway asks for that, and does it itself after 30 days.

    A file that is not there any more is no error: it is gone, as it should be. Returns the names that were deleted.

    :param responses: what a sensor of this package returned, or a list of file names. (templated)
    :param pattern: instead, a glob pattern for file names in the outbox. (templated)
    :param status_files: delete the submissions' status files, too.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("responses", "pattern", "icsftps_conn_id")

    def __init__(
        self,
        *,
        responses: Any = None,
        pattern: str | None = None,
        status_files: bool = False,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.responses = responses
        self.pattern = pattern
        self.status_files = status_files
        self.icsftps_conn_id = icsftps_conn_id

    def execute(self, context: Context) -> list[str]:
        """Delete the files and return the names of those that were there."""
        deleted = []
        with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
            gateway.settings.check_writable()
            there = gateway.outbox_names()
            for entry in _chosen(gateway, self.responses, self.pattern, self.status_files):
                if entry.name in there:
                    gateway.delete(entry.name)
                    deleted.append(entry.name)
        self.log.info("%d files deleted", len(deleted))
        return deleted


def _chosen(gateway: GatewayClient, responses: Any, pattern: str | None, status_files: bool) -> list[OutboxEntry]:
    """Return what was asked for: by names that something before returned, or by a pattern in the outbox."""
    if (responses is None) == (pattern is None):
        raise ConfigurationError("Give either responses (what a sensor returned, or names) or a pattern")
    if pattern is not None:
        entries = {entry.name: entry for entry in gateway.list_outbox(times=False)}
        return [entries[name] for name in OutboxNames(entries).matching(pattern)]
    return [OutboxEntry(check_server_name(name)) for name in dict.fromkeys(_names(responses, status_files))]


def _names(responses: Any, status_files: bool) -> Iterable[str]:
    if isinstance(responses, str):
        yield responses
    elif isinstance(responses, dict) and isinstance(responses.get("responses"), list):
        yield from responses["responses"]
        if status_files:
            yield from (status["name"] for status in responses.get("statuses", []))
    elif isinstance(responses, Iterable) and not isinstance(responses, dict):
        for response in responses:
            yield from _names(response, status_files)
    else:
        raise ConfigurationError(f"responses is {type(responses).__name__}; give what a sensor returned, or file names")
