"""What the tests of the archive share: settings without a gateway, and files that are kept."""

from __future__ import annotations

import functools
import os
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_icsftps.gateway import (
    Archive,
    ClientCertificate,
    GatewaySettings,
    OutboxEntry,
    Record,
    StatusCode,
    StatusFile,
)
from airflow_provider_icsftps.gateway.certificates import CertificateKind
from airflow_provider_icsftps.gateway.landing import landing
from airflow_provider_icsftps.simulator import GatewaySimulator
from airflow_provider_icsftps.simulator.folders import Permissions
from airflow_provider_icsftps.simulator.pki import PublicKeyInfrastructure

MOMENT = datetime(2026, 11, 25, 10, 11, 12, tzinfo=UTC)
UUID = "1e2d3e45-a67e-491a-8234-1a2b345c6789"
USERNAME = f"CVR_12345678_UI_{UUID}"


@functools.cache
def certificate() -> ClientCertificate:
    """Make a certificate; processes that are started take it over, because making one is slow."""
    if pem := os.environ.get("TEST_CERTIFICATE"):
        return ClientCertificate.from_pem(pem.encode())
    pki = PublicKeyInfrastructure.create()
    kind = CertificateKind.OCES3_ORGANISATION
    issued = pki.issue(kind, cvr="12345678", identifier=UUID, company="Tester A/S")
    os.environ["TEST_CERTIFICATE"] = issued.pem.decode()
    return issued.certificate


def settings(**more: Any) -> GatewaySettings:
    return GatewaySettings(certificate=certificate(), password="x", **{"host": "gateway.test"} | more)


def keep(
    archive: Archive,
    name: str,
    content: bytes = b"<svar/>",
    modified: datetime | None = MOMENT,
    at: GatewaySettings | None = None,
) -> Record:
    """Keep a file as a download would."""
    at = at or settings()
    shelf = archive.shelf(at)
    with shelf.draft() as path:
        with landing(path) as file:
            file.write(content)
        return shelf.keep(OutboxEntry(name, len(content), modified), path, at)


def status(digit: int, file_name: str = "a.xml", **more: Any) -> bytes:
    """Write a status file."""
    path = f"/CVR_12345678/UI_{UUID}/Manifest/{file_name}"
    return StatusFile(code=StatusCode(digit), service="Manifest", path=path, **more).to_xml()


def everything(folder: Any) -> dict[str, bytes]:
    """Read all files below a folder."""
    if not folder.exists():
        return {}
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def remove(simulator: GatewaySimulator, name: str) -> None:
    """Take a file out of the outbox, as another client or the gateway does."""
    simulator._gateway.storage.outbox(simulator.default_client.username).joinpath(name).unlink()


def commands(simulator: GatewaySimulator, verb: str) -> int:
    """Count how often a command was sent."""
    return sum(entry.line.startswith(f"{verb} ") for entry in simulator.transcript)


def forbid(monkeypatch: pytest.MonkeyPatch, right: str) -> None:
    """Take a right to the outbox's files away from every login: ``r`` to read, ``d`` to delete."""
    usual = Permissions.has_perm
    monkeypatch.setattr(
        Permissions, "has_perm", lambda self, user, perm, path=None: perm != right and usual(self, user, perm, path)
    )
