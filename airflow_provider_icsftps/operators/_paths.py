"""Paths and times as users write them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, XComArg

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.landing import local_path
from airflow_provider_icsftps.gateway.outbox_names import as_text

#: Longer is no limit; no date lies so far ahead as some numbers would have it.
_LONGEST = timedelta(days=3650).total_seconds()
#: What a template gives for a value that is not there.
NOTHING = {"", "None"}

#: A file or folder: local path, URL of an object store, path object, or the output of another task.
Place = str | os.PathLike[str] | ObjectStoragePath | XComArg


def as_path(source: Any) -> Any:
    """
    Return a path object; a local one as :class:`~pathlib.Path`.

    :param source: text, an URL of an object store, or a path object.
    :raises ConfigurationError: when it is nothing, as a template gives for a value that is not there.
    """
    if str(source).strip() in NOTHING:
        raise ConfigurationError(f"{source!r} is given for a file or folder; a template may have had nothing to give")
    if isinstance(source, str) and "://" in source:
        source = ObjectStoragePath(source)
    return local_path(source) or source


def in_seconds(name: str, time: float | timedelta) -> float:
    """
    Return seconds, as Airflow's sensors do.

    :param name: the argument, for the message.
    :param time: seconds, or a timedelta.
    :raises ValueError: when it is neither, or below 0, or without an end.
    """
    seconds: Any = time.total_seconds() if isinstance(time, timedelta) else time
    if not isinstance(seconds, int | float) or not 0 <= seconds <= _LONGEST:
        raise ValueError(f"{name}={time!r} must be seconds from 0 up, or a timedelta, and at most ten years")
    return float(seconds)


def as_told(data: Any) -> Any:
    r"""
    Return JSON-able data that Airflow can carry: bytes in names that are no text become such as ``\udce6``.

    :param data: such as what a task did, by the names of files.
    """
    if isinstance(data, dict):
        return {as_told(key): as_told(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [as_told(each) for each in data]
    return as_text(data) if isinstance(data, str) else data
