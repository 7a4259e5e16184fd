"""Paths as users write them."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_icsftps.gateway.landing import local_path


def as_path(source: Any) -> Any:
    """
    Return a path object; a local one as :class:`~pathlib.Path`.

    :param source: text, an URL of an object store, or a path object.
    """
    if isinstance(source, str) and "://" in source:
        source = ObjectStoragePath(source)
    return local_path(source) or source
