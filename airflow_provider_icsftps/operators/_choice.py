"""Which files of an outbox a task is about: names that something before it returned, or a pattern."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import GatewayClient, OutboxEntry, OutboxNames
from airflow_provider_icsftps.gateway.names import check_server_name


def chosen_entries(
    gateway: GatewayClient, responses: Any, pattern: str | None, *, status_files: bool
) -> list[OutboxEntry]:
    """
    Return what a task is about.

    :param gateway: a client; asked for a listing only if there is a pattern.
    :param responses: what a sensor returned, or file names.
    :param pattern: instead, a glob pattern.
    :param status_files: whether the status files that a sensor returned are meant, too.
    :raises ConfigurationError: when not exactly one of both is given, or it cannot be understood.
    """
    if (responses is None) == (pattern is None):
        raise ConfigurationError("Give either responses (what a sensor returned, or names) or a pattern")
    if pattern is not None:
        entries = {entry.name: entry for entry in gateway.list_outbox(times=False)}
        return [entries[name] for name in OutboxNames(entries).matching(pattern)]
    return [OutboxEntry(name) for name in response_names(responses, status_files=status_files)]


def response_names(responses: Any, *, status_files: bool) -> list[str]:
    """
    Return the names of files that something returned, each once.

    :param responses: what a sensor returned, one or a list, or file names.
    :param status_files: whether the status files that a sensor returned are meant, too.
    :raises ConfigurationError: when it cannot be understood.
    """
    return [check_server_name(name) for name in dict.fromkeys(_names(responses, status_files))]


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
