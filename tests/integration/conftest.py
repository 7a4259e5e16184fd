"""An archive in a folder; where else one can lie: fsspec's memory, an S3-compatible server on loopback."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from upath import UPath

from airflow_provider_icsftps.gateway import Archive, GatewayClient, Shelf


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive in a folder."""
    return Archive(tmp_path / "archive")


@pytest.fixture
def shelf(archive: Archive, gateway: GatewayClient) -> Shelf:
    """The part of it for the embedded gateway."""
    return archive.shelf(gateway.settings)


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, Any]]:
    """How to reach an S3-compatible server that is ours alone."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"key": "test", "secret": "test", "endpoint_url": f"http://{host}:{port}"}
    server.stop()


@pytest.fixture
def s3_root(s3_options: dict[str, Any]) -> UPath:
    """A folder in a bucket of its own."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    root = UPath(f"s3://{bucket}/archive", **s3_options)
    root.fs.mkdir(bucket)
    return root


@pytest.fixture(params=["local", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    """An archive's root in each kind of store."""
    if request.param == "local":
        return tmp_path / "archive"
    if request.param == "memory":
        return UPath(f"memory://{uuid.uuid4().hex}/archive")
    return request.getfixturevalue("s3_root")
