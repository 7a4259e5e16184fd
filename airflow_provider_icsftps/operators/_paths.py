"""Paths and times as users write them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath, XComArg

from airflow_provider_icsftps.gateway.landing import local_path

#: A file or folder: local path, URL of an object store, path object, or the output of another task.
Place = str | os.PathLike[str] | ObjectStoragePath | XComArg


def as_path(source: Any) -> Any:
    """
    Return a path object; a local one as :class:`~pathlib.Path`.

    :param source: text, an URL of an object store, or a path object.
    """
    if isinstance(source, str) and "://" in source:
        source = ObjectStoragePath(source)
    return local_path(source) or source


def in_seconds(name: str, time: float | timedelta) -> float:
    """
    Return seconds, as Airflow's sensors do.

    :param name: the argument, for the message.
    :param time: seconds, or a timedelta.
    :raises ValueError: when it is neither, or below 0.
    """
    seconds: Any = time.total_seconds() if isinstance(time, timedelta) else time
    if not isinstance(seconds, int | float) or seconds < 0:
        raise ValueError(f"{name}={time!r} must be seconds from 0 up, or a timedelta")
    return float(seconds)
