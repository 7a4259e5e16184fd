"""Starting, stopping, starting again; two at once; what is given to other clients."""

from __future__ import annotations

import base64
import json
import socket
import stat
import threading
from pathlib import Path

import pytest
from bare_ftp import connect

from airflow_provider_icsftps.gateway import ClientCertificate, GatewaySettings
from airflow_provider_icsftps.simulator import GatewaySimulator, SimulatedClock


def open_sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except FileNotFoundError:
            continue
        if target.startswith(("socket:", "anon_inode:[eventpoll]")):
            found.add(target + descriptor.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_no_thread_socket_or_file_is_left():
    threads, sockets = set(threading.enumerate()), open_sockets()
    sim = GatewaySimulator()
    sim.start()
    directory = sim._gateway.storage.directory
    sim.faults.never_answer_close_notify()
    client = connect(sim)
    client.voidcmd("TYPE I")
    held = client.transfercmd("STOR /Manifest/a.xml")
    held.settimeout(0.1)
    with pytest.raises(TimeoutError):
        held.unwrap()
    client.voidresp()
    waiting = client.transfercmd("STOR /Manifest/b.xml")
    sim.stop()
    sim.stop()
    for connection in (held, waiting, client):
        connection.close()
    assert set(threading.enumerate()) <= threads
    assert open_sockets() <= sockets
    assert not directory.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sim.host, sim.port), timeout=1)


def test_a_simulator_is_started_once():
    sim = GatewaySimulator()
    with pytest.raises(RuntimeError, match="not been started"):
        sim.port  # noqa: B018
    with sim, pytest.raises(RuntimeError, match="started once"):
        sim.start()


def test_a_taken_port_is_an_error(sim):
    with pytest.raises(OSError, match="in use"):
        GatewaySimulator(port=sim.port).start()


def test_two_simulators_share_nothing(sim):
    with GatewaySimulator(["ICS"], cut_uploads="keep", require_session_reuse=False) as other:
        other.faults.busy_421(times=None)
        sim.put_in_outbox("a.xml", b"x")
        with connect(sim) as client:
            assert client.names() == ["a.xml"]
            assert client.nlst() == ["FTPSGW.Heartbeat", "Manifest", "out"]
        other.faults.clear()
        assert other.outbox() == []
        with connect(other) as client:
            assert client.nlst() == ["FTPSGW.Heartbeat", "ICS", "out"]
        with pytest.raises(OSError, match=r"(?i)unknown.ca|decrypt"):
            connect(other, sim.default_client)


def test_a_directory_survives_a_restart(tmp_path):
    clock = SimulatedClock()
    with GatewaySimulator(directory=tmp_path, delays={3: 3600}, clock=clock) as sim, connect(sim) as client:
        first = sim.default_client
        second = sim.client_certificate(services=["ICS"])
        ca_pem = sim.ca_pem
        sim.reject("bad*")
        client.store("/Manifest/a.xml", b"kept")
        client.store("/Manifest/bad.xml")
        client.delete("/out/status_Manifest_a.xml_1.xml")
        clock.advance(seconds=60)
        assert len(client.names()) == 2
        sim.start_outage()
        client.store("/Manifest/late.xml")
    with GatewaySimulator(directory=tmp_path, delays={3: 3600}) as sim:
        assert sim.clock.now() >= clock.now().replace(microsecond=0)
        assert sim.ca_pem == ca_pem
        again = sim.default_client
        assert (again.p12, again.username, again.password) == (first.p12, first.username, first.password)
        assert sim.settings(second.certificate).password == second.password
        assert [u.file_name for u in sim.uploads] == ["a.xml", "bad.xml", "late.xml"]
        assert sim.uploads[0].content() == b"kept"
        with connect(sim, first) as client:
            client.store("/Manifest/a.xml")
            assert sim.uploads[-1].outcome == "name used before"
            assert "status_Manifest_a.xml_1.xml" not in client.names()
            assert "status_Manifest_late.xml_1.xml" in client.names()
            sim.clock.advance(hours=1)
            assert "status_Manifest_a.xml_3.xml" in client.names()
            assert not any("bad.xml_1" in name for name in client.names())


def test_a_late_answer_is_as_late_after_a_restart(tmp_path):
    with GatewaySimulator(directory=tmp_path) as sim, connect(sim) as client:
        sim.answer_after({1: 3600, 2: None})
        client.store("/Manifest/a.xml")
    with GatewaySimulator(directory=tmp_path) as sim:
        sim.clock.advance(seconds=3000)
        assert not any(name.endswith("_1.xml") for name in sim.outbox())
        sim.clock.advance(seconds=600)
        assert any(name.endswith("_1.xml") for name in sim.outbox())
        sim.clock.advance(days=9)
        assert not any(name.endswith("_2.xml") for name in sim.outbox())


def test_a_service_added_at_a_later_start_is_everybodys(tmp_path):
    with GatewaySimulator(directory=tmp_path) as sim:
        sim.client_certificate(services=["Manifest"])
    with GatewaySimulator(["Manifest", "ICS"], directory=tmp_path) as sim, connect(sim) as client:
        assert client.nlst() == ["FTPSGW.Heartbeat", "ICS", "Manifest", "out"]
        client.store("/ICS/a.xml")


def test_a_record_cut_short_by_a_crash_is_read_as_far_as_it_goes(tmp_path):
    with GatewaySimulator(directory=tmp_path) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml")
    record = tmp_path / "record.jsonl"
    record.write_bytes(record.read_bytes() + b'{"kind": "upl')
    with GatewaySimulator(directory=tmp_path) as sim, connect(sim) as client:
        assert [u.file_name for u in sim.uploads] == ["a.xml"]
        client.store("/Manifest/b.xml")
    with GatewaySimulator(directory=tmp_path) as sim:
        assert [u.file_name for u in sim.uploads] == ["a.xml", "b.xml"]


def test_settings_are_ready_to_connect_with(sim):
    settings = sim.settings(timeout=3.0)
    assert isinstance(settings, GatewaySettings)
    assert (settings.host, settings.port, settings.timeout) == (sim.host, sim.port, 3.0)
    assert settings.username == sim.default_client.username
    with pytest.raises(ValueError, match="not issued"):
        sim.settings(sim.client_certificate(register=False).certificate)


def test_a_connection_is_json_able(sim):
    data = json.loads(json.dumps(sim.connection()))
    assert (data["conn_type"], data["host"], data["port"]) == ("icsftps", sim.host, sim.port)
    p12 = base64.b64decode(data["extra"]["private_key_p12"])
    read = ClientCertificate.from_pkcs12(p12, data["extra"]["private_key_passphrase"])
    assert read.username == data["login"]
    assert len(read.chain) == 1
    assert data["extra"]["ca_pem"] == sim.ca_pem


def test_credentials_are_written_for_their_owner_only(sim, tmp_path):
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        written = sim.write_credentials(folder)
    assert sorted(written) == ["ca.pem", "client-key.pem", "client.p12", "client.pem", "connection.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written.values()} == {0o600}
    assert json.loads(written["connection.json"].read_text()) == sim.connection()


def test_secrets_are_not_shown(sim):
    client = sim.default_client
    assert client.password not in repr(client)
    assert client.passphrase not in repr(client)
