"""
The walk against servers that nobody here wrote: the transport part, as they have no status files.

What counts is what lies in the service folder in the end: one whole copy, and perhaps cut ones under other names.
"""

from __future__ import annotations

import pytest
from journeys import QUICK, manifest
from needed import need
from real_servers import Proftpd, Vsftpd
from relay import Cut, Relay
from running_server import PASSWORD
from walked import of_the_filing

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import Filing, GatewayClient, GatewaySettings, Journal, Patience, file_all

#: Proftpd sleeps up to 0.4 s after a session ends before it accepts the next.
SLOWER = dict.fromkeys(QUICK, 2.0)


@pytest.fixture(params=[Proftpd, Vsftpd], ids=lambda kind: kind.name)
def server_behind_relay(request, pki):
    """A server on 127.0.0.2, and a relay in front of it on 127.0.0.1."""
    need(request.param.missing())
    relay = Relay.on_free_ports("127.0.0.2")
    ports = (relay.control_port, *relay.data_ports)
    with request.param(pki, "127.0.0.2", ports=ports) as server, relay:
        yield server, relay
    relay.check()


def file(relay, pki, content, number, journal):
    settings = GatewaySettings(
        host="127.0.0.1",
        port=relay.control_port,
        certificate=pki.client,
        password=PASSWORD,
        ca_pem=pki.ca_pem,
        **SLOWER,
    )
    filing = Filing(source=content, service="Manifest", scope=f"walk/{number}", source_name=f"{number}.xml")
    client = GatewayClient(settings)
    try:
        return file_all(client, [filing], journal, Patience(20, sleep=lambda _: None))
    finally:
        client.close()


@pytest.mark.timeout(400)
def test_a_sample_of_cut_points_leaves_one_whole_copy(server_behind_relay, pki):
    server, relay = server_behind_relay
    file(relay, pki, manifest("clean", 60_000), "clean", Journal())
    points = [point for point in relay.cut_points() if of_the_filing(str(point))][::6]
    assert len(points) >= 17
    wrong = {}
    for number, point in enumerate(points):
        content = manifest(f"point-{number}", 60_000)
        relay.reset()
        relay.plan(point, Cut("rst"))
        try:
            file(relay, pki, content, f"point-{number}", Journal())
            failed = ""
        except IcsFtpsError as error:
            failed = f"{type(error).__name__}: {error}"
        copies = sorted((server.root / "Manifest").glob(f"point-{number}-*"))
        whole = [copy.name for copy in copies if copy.read_bytes() == content]
        if not (len(whole) == 1 or (failed and not whole)):
            wrong[str(point)] = (failed, [(copy.name, copy.stat().st_size) for copy in copies])
    assert not wrong
