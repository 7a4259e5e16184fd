"""The diagnosis of proftpd and vsftpd: it does not take a foreign server's ways for faults, and knows theirs."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from needed import need
from real_servers import PASSWORD, Proftpd, RealServer, Vsftpd
from throwaway_pki import ThrowawayPki

from airflow_provider_icsftps.gateway import GatewaySettings
from airflow_provider_icsftps.gateway.diagnosis import Diagnosis, State, diagnose


@pytest.fixture(scope="module", params=[Proftpd, Vsftpd], ids=lambda kind: kind.name)
def server(request: pytest.FixtureRequest, pki: ThrowawayPki) -> Iterator[RealServer]:
    """Each of the two in turn."""
    need(request.param.missing())
    with request.param(pki) as running:
        yield running


@pytest.fixture
def found(pki: ThrowawayPki, server: RealServer) -> Callable[..., Diagnosis]:
    """Diagnose the server."""

    def of(services: tuple[str, ...] = (), **more: Any) -> Diagnosis:
        values = {"host": server.host, "port": server.port, "certificate": pki.client, "ca_pem": pki.ca_pem}
        return diagnose(lambda: GatewaySettings(**values | {"password": PASSWORD} | more), services=services)

    return of


def test_a_server_in_order_is_found_in_order(found):
    diagnosis = found(("Manifest",))
    assert diagnosis.ok, diagnosis.message
    assert "Service folders: Manifest" in diagnosis.message
    assert {step.name for step in diagnosis.steps if step.state is State.SKIPPED} == {"heartbeat", "clock"}


def test_how_long_each_step_takes(found, server):
    runs = [found(("Manifest",)) for _ in range(5)]
    for steps in zip(*(run.steps for run in runs), strict=True):
        print(f"{server.name:8} {steps[0].name:20} {statistics.median(s.seconds for s in steps) * 1000:7.2f} ms")
    total = statistics.median(run.seconds for run in runs)
    print(f"{server.name:8} {'all':20} {total * 1000:7.2f} ms", file=sys.stdout)
    assert total < 3


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"password": "not this one"}, "wrong_password"),
        ({"services": ("Ics",)}, "no_service"),
        ({"data_ports": (1, 2)}, "data_port_outside"),
        ({"outbox": "/elsewhere"}, "no_outbox"),  # vsftpd answers with an empty listing
    ],
)
def test_faults_are_told_apart(found, given, fault):
    diagnosis = found(**given)
    assert diagnosis.failure is not None
    assert diagnosis.failure.fault == fault
