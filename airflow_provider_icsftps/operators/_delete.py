"""The delete operator: remove from the outbox what was processed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, Context, XComArg

from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators._choice import chosen_entries


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
        responses: XComArg | str | Mapping[str, Any] | Sequence[Any] | None = None,
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
            chosen = chosen_entries(gateway, self.responses, self.pattern, status_files=self.status_files)
            # what a pattern chose was listed just now
            there = {entry.name for entry in chosen} if self.pattern is not None else gateway.outbox_names()
            for entry in chosen:
                if entry.name in there:
                    gateway.delete(entry.name)
                    deleted.append(entry.name)
        self.log.info("%d files deleted", len(deleted))
        return deleted
