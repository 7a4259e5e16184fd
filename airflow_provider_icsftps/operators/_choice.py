"""Which files of an outbox a task is about: names that something before it returned, or a pattern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator, XComArg

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import GatewayClient, GatewaySettings, OutboxEntry, OutboxNames, Submission
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.gateway.outbox_names import check_text
from airflow_provider_icsftps.gateway.ownership import check_owners
from airflow_provider_icsftps.hooks._rendered import as_data
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook
from airflow_provider_icsftps.operators._paths import NOTHING


class ChosenFilesOperator(BaseOperator):
    """
    What the operators share that are about some files of the outbox.

    :param responses: what a sensor of this package returned, or a list of file names.
    :param pattern: instead, a glob pattern.
    :param status_files: whether the status files that a sensor returned are meant, too.
    :param icsftps_conn_id: id of the Airflow connection.
    """

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
        self._is_about_names = responses is not None  # also where what was to give them gives nothing in the end
        self.pattern = pattern
        self.status_files = status_files
        self.icsftps_conn_id = icsftps_conn_id


def chosen_entries(
    gateway: GatewayClient, responses: Any, pattern: str | None, *, status_files: bool
) -> list[OutboxEntry]:
    """
    Return what a task is about.

    :param gateway: a client; asked for a listing only if there is a pattern.
    :param responses: what a sensor returned, or file names.
    :param pattern: instead, a glob pattern.
    :param status_files: whether the status files that a sensor returned are meant, too.
    :raises ConfigurationError: when not exactly one of both is given, or it cannot be understood, or answers what
        another username filed, or a name that matches cannot be returned.
    """
    if (responses is None) == (pattern is None):
        raise ConfigurationError("Give either responses (what a sensor returned, or names) or a pattern")
    if pattern is not None:
        entries = {entry.name: entry for entry in gateway.list_outbox(times=False)}
        return [entries[name] for name in check_text(OutboxNames(entries).matching(pattern))]
    return [OutboxEntry(name) for name in response_names(responses, gateway.settings, status_files=status_files)]


def response_names(responses: Any, settings: GatewaySettings, *, status_files: bool) -> list[str]:
    """
    Return the names of files that something returned, each once.

    :param responses: what a sensor returned, one or a list, or file names.
    :param settings: who looks for the files.
    :param status_files: whether the status files that a sensor returned are meant, too.
    :raises ConfigurationError: when it cannot be understood, or answers what another username filed.
    """
    given = list(_given(as_data(responses)))
    check_owners([Submission.from_data(answer) for answer in given if "service" in answer], settings)
    names = [name for answer in given for name in _names(answer, status_files=status_files)]
    return [check_server_name(name) for name in dict.fromkeys(names)]


def _given(responses: Any) -> Iterable[dict[str, Any]]:
    """Go through what was given, however it is nested."""
    if isinstance(responses, str) and responses.strip() in NOTHING:
        raise ConfigurationError(f"responses is {responses!r}; a template may have had nothing to give")
    if isinstance(responses, str):
        yield {"responses": [responses]}
    elif isinstance(responses, dict) and isinstance(responses.get("responses"), list):
        yield responses
    elif isinstance(responses, Iterable) and not isinstance(responses, dict):
        for response in responses:
            yield from _given(response)
    else:
        raise ConfigurationError(f"responses is {type(responses).__name__}; give what a sensor returned, or file names")


def _names(answer: dict[str, Any], *, status_files: bool) -> list[str]:
    more = [status["name"] for status in answer.get("statuses", [])] if status_files else []
    return [*answer["responses"], *more]
