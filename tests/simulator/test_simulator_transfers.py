"""What a bare ftplib client can and cannot do."""

from __future__ import annotations

import ftplib
import hashlib
import io
import re

import pytest
from bare_ftp import connect
from processes import free_port

from airflow_provider_icsftps.gateway import StatusCode, StatusFile
from airflow_provider_icsftps.simulator import GatewaySimulator


def test_service_folders_and_out_stand_side_by_side(sim, client):
    assert client.nlst() == ["FTPSGW.Heartbeat", "Manifest", "out"]
    assert client.pwd() == "/"


def test_an_upload_is_recorded_with_its_content(sim, client):
    data = b"<declaration/>" * 1000
    assert client.store("/Manifest/a.xml", data).startswith("226")
    [upload] = sim.uploads
    assert (upload.username, upload.service, upload.file_name) == (sim.default_client.username, "Manifest", "a.xml")
    assert (upload.size, upload.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert upload.whole
    assert upload.filed
    assert upload.outcome == "filed"
    assert upload.content() == data
    assert not upload.ascii


def test_an_upload_works_from_inside_the_folder_and_in_ascii(sim, client):
    client.cwd("Manifest")
    client.storlines("STOR lines.txt", io.BytesIO(b"one\ntwo\n"))
    [upload] = sim.uploads
    assert upload.ascii
    assert upload.content() == b"one\ntwo\n"


def test_an_empty_file_can_be_uploaded(sim, client):
    client.store("/Manifest/empty.xml", b"")
    assert sim.uploads[0].filed
    assert sim.uploads[0].content() == b""


def test_a_large_file_arrives_whole(sim, client):
    block = bytes(range(256)) * 4096
    client.store("/Manifest/large.bin", block * 8)
    assert sim.uploads[0].sha256 == hashlib.sha256(block * 8).hexdigest()


def test_every_way_to_look_at_the_outbox_agrees(sim, client):
    sim.answer_after({2: None, 3: None})
    client.store("/Manifest/a.xml")
    name = "status_Manifest_a.xml_1.xml"
    assert client.names("/out") == [name]
    lines: list[str] = []
    client.retrlines("LIST /out", lines.append)
    assert [line.split()[-1] for line in lines] == [name]
    [(listed, facts)] = list(client.mlsd("/out"))
    assert listed == name
    client.voidcmd("TYPE I")
    assert client.size(f"/out/{name}") == int(facts["size"]) == len(client.read(f"/out/{name}"))
    assert client.sendcmd(f"MDTM /out/{name}") == f"213 {facts['modify']}"
    assert name in client.sendcmd(f"MLST /out/{name}")
    assert sim.outbox() == [name]
    assert sim.connections.listings == 3


def test_a_status_file_says_what_the_real_one_says(sim, client):
    client.store("/Manifest/a.xml")
    status = StatusFile.from_xml(client.read("/out/status_Manifest_a.xml_1.xml"), 1)
    home = "/" + sim.default_client.username.replace("_UI_", "/UI_")
    assert status.code is StatusCode.DELIVERED
    assert status.path == f"{home}/Manifest/a.xml"
    assert status.transaction_id == "a.xml"
    assert status.text == "File delivered to requested Backend System"
    assert re.fullmatch(r"ci\d{12}_\d{8}_1", status.skat_transaction_id)


def test_a_fetched_file_can_be_deleted(sim, client):
    sim.put_in_outbox("letter.xml", b"dear customer")
    assert client.read("/out/letter.xml") == b"dear customer"
    client.delete("/out/letter.xml")
    assert client.names() == []
    with pytest.raises(ftplib.error_perm, match="550"):
        client.read("/out/letter.xml")


@pytest.mark.parametrize(
    "command",
    [
        *("MKD /new", "RMD /Manifest", "RNFR /out/x", "RNTO /out/y", "APPE /Manifest/a", "STOU", "SITE CHMOD 777 /out"),
        *("PORT 127,0,0,1,1,1", "EPRT |1|127.0.0.1|500|", "PROT C", "MFMT 20200101000000 /out/x", "XYZZY"),
    ],
)
def test_what_clients_may_not_do_is_refused(client, command):
    with pytest.raises(ftplib.error_perm):
        client.sendcmd(command)
    assert client.voidcmd("NOOP").startswith("200")


@pytest.mark.parametrize("path", ["/out/a.xml", "/a.xml", "/Other/a.xml", "/Manifest/sub/a.xml", "/../../a.xml"])
def test_uploads_go_into_service_folders_only(sim, client, path):
    with pytest.raises(ftplib.error_perm, match="550"):
        client.store(path)
    assert sim.uploads == []


def test_an_upload_cannot_be_continued(sim, client):
    client.voidcmd("TYPE I")
    with pytest.raises(ftplib.error_perm, match="551"):
        client.storbinary("STOR /Manifest/a.xml", io.BytesIO(b"x"), rest=5)
    assert client.store("/Manifest/a.xml").startswith("226")


def test_files_in_service_folders_cannot_be_fetched_or_deleted(client, sim):
    with sim.outage():
        client.store("/Manifest/a.xml", b"12345")
        client.voidcmd("TYPE I")
        assert client.size("/Manifest/a.xml") == 5
        for command in ("DELE /Manifest/a.xml", "RETR /Manifest/a.xml"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.sendcmd(command) if command.startswith("DELE") else client.retrbinary(command, print)


def test_files_in_service_folders_can_be_deleted_where_that_is_allowed():
    with GatewaySimulator(allow_service_delete=True, delays={1: None}) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml")
        client.delete("/Manifest/a.xml")
        assert client.names("/Manifest") == []


def test_a_transfer_needs_a_passive_port_and_one_at_a_time(sim, client):
    for command in ("STOR /Manifest/a.xml", "NLST /out", "RETR /out/x"):
        with pytest.raises(ftplib.error_temp, match="425"):
            client.sendcmd(command)
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    for command in ("PASV", "NLST /out", "STOR /Manifest/b.xml"):
        with pytest.raises(ftplib.error_temp, match="450"):
            client.sendcmd(command)
    connection.sendall(b"whole")
    connection.unwrap()
    connection.close()
    assert client.voidresp().startswith("226")
    assert sim.uploads[0].content() == b"whole"


def test_the_data_handshake_waits_for_the_command(sim, client):
    host, port = client.makepasv()
    import socket

    raw = socket.create_connection((host, port), timeout=5)
    client.sendcmd("NOOP")
    assert sim.connections.data == 0
    client.putcmd("NLST /")
    assert client.getresp().startswith("150")
    with client.context.wrap_socket(raw, server_hostname=client.host, session=client.sock.session) as connection:
        assert b"Manifest" in connection.recv(1000)
        connection.unwrap()
    client.voidresp()


def test_passive_ports_come_from_the_range():
    port = free_port()
    with GatewaySimulator(data_ports=(port, port)) as sim, connect(sim) as client:
        for _ in range(3):
            client.nlst()
        assert f"{port // 256},{port % 256})" in client.sendcmd("PASV")


def test_ipv6_loopback_works_by_epsv():
    with GatewaySimulator(host="::1") as sim, connect(sim) as client:
        assert client.store("/Manifest/a.xml").startswith("226")
        with pytest.raises(ftplib.error_perm, match="522"):
            client.sendcmd("PASV")


def test_the_legacy_gateway_only_gives_out():
    with GatewaySimulator(legacy=True) as sim, connect(sim) as client:
        sim.put_in_outbox("old.xml", b"old")
        assert client.read("/out/old.xml") == b"old"
        with pytest.raises(ftplib.error_perm, match="550 This gateway takes no more uploads"):
            client.store("/Manifest/a.xml")
        assert sim.uploads == []
