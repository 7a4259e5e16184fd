"""The delete operator: remove from the outbox what was processed."""

from __future__ import annotations

from contextlib import closing

from airflow.providers.common.compat.sdk import Context

from airflow_provider_icsftps.exceptions import FileNotAvailableError
from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators._choice import ChosenFilesOperator, chosen_entries


class IcsFtpsDeleteOperator(ChosenFilesOperator):
    """
    Delete files in the outbox that were processed; the gateway asks for that, and does it itself after 30 days.

    A file that is not there any more is no error: it is gone, as it should be. Returns the names that were deleted.

    :param responses: what a sensor of this package returned, or a list of file names. (templated)
    :param pattern: instead, a glob pattern for file names in the outbox. (templated)
    :param status_files: delete the submissions' status files, too; with a pattern it alone decides.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("responses", "pattern", "icsftps_conn_id")

    def execute(self, context: Context) -> list[str]:
        """Delete the files and return the names of those that were there."""
        with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
            gateway.settings.check_writable()
            chosen = chosen_entries(gateway, self.responses, self.pattern, status_files=self.status_files)
            # what a pattern chose was listed just now
            there = {entry.name for entry in chosen} if self.pattern is not None else gateway.outbox_names()
            deleted = [each.name for each in chosen if each.name in there and self._delete(gateway, each.name)]
        self.log.info("%d files deleted", len(deleted))
        return deleted

    def _delete(self, gateway: GatewayClient, name: str) -> bool:
        try:
            gateway.delete(name)
        except FileNotAvailableError:
            if name in gateway.outbox_names():
                raise  # it is there, and the gateway does not let us
            self.log.info("%s went while files were being deleted", name)
            return False
        return True
