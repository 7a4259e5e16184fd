"""Operators: file, fetch, delete."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context, ObjectStoragePath

from airflow_provider_icsftps.exceptions import ConfigurationError, FileNotAvailableError
from airflow_provider_icsftps.gateway import Filing, GatewayClient, OutboxEntry, file_all
from airflow_provider_icsftps.gateway.landing import local_path
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.triggers.icsftps import matching


class IcsFtpsUploadOperator(BaseOperator):
    """
    File one file or many, each exactly once, over one session.

    Each file gets a name that follows from the DAG run, the service and the file's content, so a retry finds what it
    filed before instead of filing it again (docs/exactly-once.md). A corrected file has another content, hence
    another name: a new filing. Two equal files in one task are one filing.

    Returns a submission for each file: ``service``, ``file_name`` (at the gateway), ``source``, ``size`` (bytes),
    ``sha256``, ``username``, ``fingerprint`` (of the certificate), ``transfer``, ``verdict`` (``send`` when it was
    sent now), ``sent_at``. A dictionary for one file, a list for a list; give it to
    :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsResponseSensor`.

    :param source: local path, URL of an object store, or path object; one or a list. (templated)
    :param service: the service folder, such as ``Manifest``. (templated)
    :param naming: ``unique`` for a name of our making, ``own`` to keep the file's own name, which then must never
        have been used before.
    :param resubmission: 0; a higher number files the same content again, on purpose. (templated)
    :param allow_empty: file empty files, too.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("source", "service", "resubmission", "icsftps_conn_id")

    def __init__(
        self,
        *,
        source: Any,
        service: str,
        naming: str = "unique",
        resubmission: int | str = 0,
        allow_empty: bool = False,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.service = service
        self.naming = naming
        self.resubmission = resubmission
        self.allow_empty = allow_empty
        self.icsftps_conn_id = icsftps_conn_id

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """File what is not filed yet and return a submission for each file."""
        many = isinstance(self.source, Sequence) and not isinstance(self.source, str)
        with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
            filings = [self._filing(source, context) for source in (self.source if many else [self.source])]
            submissions = [submission.to_data() for submission in file_all(gateway, filings)]
        return submissions if many else submissions[0]

    def _filing(self, source: Any, context: Context) -> Filing:
        if self.naming not in {"unique", "own"}:
            raise ConfigurationError(f"naming={self.naming!r} is neither 'unique' nor 'own'")
        if not str(self.resubmission).isdigit():
            raise ConfigurationError(f"resubmission={self.resubmission!r} is no whole number from 0 up")
        ti = context["ti"]
        path = _path(source)
        return Filing(
            source=path,
            service=self.service,
            scope=f"{ti.dag_id}/{ti.task_id}/{ti.run_id}",
            source_name=path.name,
            own_name=path.name if self.naming == "own" else None,
            resubmission=int(self.resubmission),
            repeated=ti.try_number > 1,
            allow_empty=self.allow_empty,
        )


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
        folder = _path(self.target)
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
            there = {entry.name for entry in gateway.list_outbox(times=False)}
            for entry in _chosen(gateway, self.responses, self.pattern, self.status_files):
                if entry.name in there:
                    gateway.delete(entry.name)
                    deleted.append(entry.name)
        self.log.info("%d files deleted", len(deleted))
        return deleted


def _path(source: Any) -> Any:
    """Return a path object for text; a local one as :class:`~pathlib.Path`."""
    if isinstance(source, str) and "://" in source:
        source = ObjectStoragePath(source)
    return local_path(source) or source


def _chosen(gateway: GatewayClient, responses: Any, pattern: str | None, status_files: bool) -> list[OutboxEntry]:
    """Return what was asked for: by names that something before returned, or by a pattern in the outbox."""
    if (responses is None) == (pattern is None):
        raise ConfigurationError("Give either responses (what a sensor returned, or names) or a pattern")
    if pattern is not None:
        entries = {entry.name: entry for entry in gateway.list_outbox(times=False)}
        return [entries[name] for name in matching(entries, pattern)]
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
