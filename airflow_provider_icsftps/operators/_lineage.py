"""Lineage for OpenLineage: which files a task read and wrote. Needs nothing while that provider is not installed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow_provider_icsftps.gateway import GatewaySettings

#: More files than that are told as their folders: a catalogue is no place for ten thousand names a day.
_MOST_FILES = 100


@dataclass(frozen=True)
class Lineage:
    """
    What a task read and wrote.

    :param inputs: pairs of namespace and name, as OpenLineage has them.
    :param outputs: the same.
    """

    inputs: list[tuple[str, str]] = field(default_factory=list)
    outputs: list[tuple[str, str]] = field(default_factory=list)

    def to_openlineage(self) -> Any:
        """Return it as the OpenLineage provider takes it; only that provider calls this."""
        from airflow.providers.common.compat.openlineage.facet import Dataset
        from airflow.providers.openlineage.extractors import OperatorLineage

        inputs, outputs = (
            [Dataset(namespace=namespace, name=name) for namespace, name in _at_most(names)]
            for names in (self.inputs, self.outputs)
        )
        return OperatorLineage(inputs=inputs, outputs=outputs)


def at_gateway(settings: GatewaySettings, path: str) -> tuple[str, str]:
    """
    Name a file or folder at a gateway.

    :param settings: which gateway.
    :param path: absolute.
    """
    return f"ftps://{settings.address}", path


def at_path(path: Any) -> tuple[str, str]:
    """
    Name a file by OpenLineage's rules for stores: ``s3://bucket`` and the key, ``file`` and the path.

    :param path: text, URL, or path object.
    """
    text = str(path)
    if "://" not in text or text.startswith("file://"):
        return "file", text.removeprefix("file://")
    parts = urlsplit(text)
    store = parts.netloc.rpartition("@")[2]  # an ObjectStoragePath may name its connection there
    return f"{parts.scheme}://{store}", parts.path.lstrip("/") or "/"


def _at_most(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    each = list(dict.fromkeys(names))
    if len(each) <= _MOST_FILES:
        return each
    return list(dict.fromkeys((namespace, str(PurePosixPath(name).parent)) for namespace, name in each))
