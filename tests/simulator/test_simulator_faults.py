"""Each fault happens on the wire, as often as was asked for."""

from __future__ import annotations

import ftplib
import re
import socket
import ssl
import time

import pytest
from bare_ftp import Client, connect, read_replies, send_for_ever

from airflow_provider_icsftps.exceptions import StatusFileError
from airflow_provider_icsftps.gateway import StatusFile
from airflow_provider_icsftps.simulator import Faults, GatewaySimulator


def raw_retr(client: Client, command: str) -> tuple[bytes, bool]:
    """Return what came on a data connection, and whether it ended by close_notify."""
    client.voidcmd("TYPE I")
    connection = client.transfercmd(command)
    connection.suppress_ragged_eofs = False
    data = b""
    try:
        while block := connection.recv(65536):
            data += block
    except (ssl.SSLEOFError, ConnectionResetError):
        return data, False
    finally:
        connection.close()
    return data, True


def test_every_fault_has_a_name_and_says_what_it_does():
    assert len(Faults.names()) == 18
    for name in Faults.names():
        assert getattr(Faults, name).__doc__


def test_faults_are_switched_on_by_name_and_off_together():
    faults = Faults()
    faults.set("busy_421", times=2)
    faults.set("drop_after_bytes", count=5, transfer="upload")
    assert [fault.name for fault in faults.active] == ["busy_421", "drop_upload"]
    assert faults.take("busy_421") == {}
    assert faults.take("busy_421") == {}
    assert faults.take("busy_421") is None
    faults.clear()
    assert faults.active == []
    for wrong in ("clear", "_switch_on", "nonsense"):
        with pytest.raises(ValueError, match="none of"):
            faults.set(wrong)
    with pytest.raises(ValueError, match="at least once"):
        faults.busy_421(times=0)


def test_refuse_login(sim):
    sim.faults.refuse_login()
    with pytest.raises(ftplib.error_perm, match="530"):
        connect(sim)
    connect(sim).quit()


def test_busy_421(sim):
    sim.faults.busy_421(times=2)
    for _ in range(2):
        with pytest.raises(ftplib.error_temp, match="421"):
            connect(sim)
    connect(sim).quit()
    sim.faults.busy_421(skip=1)
    connect(sim).quit()
    with pytest.raises(ftplib.error_temp, match="421"):
        connect(sim)
    connect(sim).quit()


@pytest.mark.parametrize("reply", ["530 Too many sessions.", "421 Too many connections."])
def test_limit_sessions(sim, reply):
    sim.faults.limit_sessions(2, reply)
    first, second = connect(sim), connect(sim)
    with pytest.raises((ftplib.error_perm, ftplib.error_temp), match=reply):
        connect(sim)
    second.quit()
    connect(sim).quit()
    first.quit()


def test_slow_replies_of_one_connection(sim, client):
    number = sim.connections.accepted
    sim.faults.slow_replies(3.0, connection=number)
    other = connect(sim)
    begun = time.monotonic()
    other.voidcmd("NOOP")
    assert time.monotonic() - begun < 2.5
    begun = time.monotonic()
    client.voidcmd("NOOP")
    assert time.monotonic() - begun >= 3
    other.quit()


def test_slow_replies(sim, client):
    sim.faults.slow_replies(0.2, times=1)
    begun = time.monotonic()
    client.voidcmd("NOOP")
    assert time.monotonic() - begun >= 0.2


def test_slow_completion(sim, client):
    sim.faults.slow_completion(0.2)
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    connection.unwrap()
    connection.close()
    begun = time.monotonic()
    assert client.voidresp().startswith("226")
    assert time.monotonic() - begun >= 0.15


@pytest.mark.parametrize("reply", ["426 Transfer aborted.", "226 Transfer complete."])
@pytest.mark.parametrize("reset", [False, True])
def test_a_download_is_cut(sim, client, reply, reset):
    sim.put_in_outbox("a.bin", b"x" * 100_000)
    sim.faults.drop_after_bytes(50_000, reply=reply, reset=reset)
    data, ended = raw_retr(client, "RETR /out/a.bin")
    assert len(data) == 50_000 or (reset and len(data) <= 50_000)
    assert not ended
    assert client.getmultiline() == reply
    assert len(client.read("/out/a.bin")) == 100_000


def test_an_upload_is_cut(sim, client):
    sim.faults.drop_after_bytes(1000, "upload", reply="552 Quota exceeded.")
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        send_for_ever(connection)
    connection.close()
    assert client.getmultiline() == "552 Quota exceeded."
    assert (sim.uploads[0].size, sim.uploads[0].whole) == (1000, False)


def test_no_close_notify(sim, client):
    sim.put_in_outbox("a.bin", b"x" * 1000)
    assert raw_retr(client, "RETR /out/a.bin") == (b"x" * 1000, True)
    client.voidresp()
    sim.faults.no_close_notify()
    assert raw_retr(client, "RETR /out/a.bin") == (b"x" * 1000, False)
    assert client.voidresp().startswith("226")
    client.sock.suppress_ragged_eofs = False
    client.sendcmd("QUIT")
    with pytest.raises(ssl.SSLEOFError):
        client.sock.recv(10)
    client.close()


def test_never_answer_close_notify(sim, client):
    sim.faults.never_answer_close_notify()
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    connection.sendall(b"whole")
    connection.settimeout(0.2)
    with pytest.raises(TimeoutError):
        connection.unwrap()
    assert client.voidresp().startswith("226")
    connection.close()
    assert sim.uploads[0].content() == b"whole"


def test_garbled_status_file(sim, client):
    sim.faults.garbled_status_file()
    client.store("/Manifest/a.xml")
    with pytest.raises(StatusFileError):
        StatusFile.from_xml(client.read("/out/status_Manifest_a.xml_1.xml"), 1)
    sim.clock.advance(seconds=5)
    StatusFile.from_xml(client.read("/out/status_Manifest_a.xml_2.xml"), 2)


def test_status_zero(sim, client):
    sim.faults.status_zero("Internal server error")
    client.store("/Manifest/a.xml")
    client.store("/Manifest/b.xml")
    status = StatusFile.from_xml(client.read("/out/status_Manifest_a.xml_0.xml"), 0)
    assert status.error_code == "Internal server error"
    assert [upload.filed for upload in sim.uploads] == [False, True]


@pytest.mark.parametrize("command", ["NLST", "LIST", "MLSD"])
def test_half_written_listing(sim, client, command):
    for number in range(10):
        sim.put_in_outbox(f"file{number}.xml", b"x")
    sim.faults.half_written_listing()
    half, ended = raw_retr(client, f"{command} /out")
    assert not ended
    assert client.voidresp().startswith("226")
    full, ended = raw_retr(client, f"{command} /out")
    assert ended
    client.voidresp()
    assert len(half) == len(full) // 2


def test_drop_control_after_stor(sim):
    sim.faults.drop_control_after_stor()
    client = connect(sim)
    client.voidcmd("TYPE I")
    client.makepasv()
    client.putcmd("STOR /Manifest/a.xml")
    with pytest.raises((EOFError, OSError)):
        read_replies(client)
    client.close()
    connect(sim).quit()
    assert not any(upload.filed for upload in sim.uploads)


def test_drop_control_before_226(sim):
    sim.faults.drop_control_before_226()
    client = connect(sim)
    with pytest.raises((EOFError, OSError)):
        client.store("/Manifest/a.xml")
    client.close()
    assert sim.uploads[0].filed


def test_refuse_data_connection(sim, client):
    sim.faults.refuse_data_connection()
    with pytest.raises(ftplib.error_temp, match="425"):
        client.nlst()
    assert client.nlst()


def test_no_mlsd(sim):
    sim.faults.no_mlsd()
    with connect(sim) as client:
        assert "MLST" not in client.sendcmd("FEAT")
        for command in ("MLSD /out", "MLST /out"):
            client.makepasv()
            with pytest.raises(ftplib.error_perm, match="500"):
                client.sendcmd(command)


def test_wrong_pasv_address(sim, client):
    sim.faults.wrong_pasv_address()
    assert re.search(r"\(10,255,255,1,", client.sendcmd("PASV"))
    assert client.nlst()  # ftplib takes the control connection's address


@pytest.mark.parametrize("fault", ["expired_server_certificate", "wrong_host_certificate"])
def test_bad_server_certificates(sim, fault):
    sim.faults.set(fault, times=1)
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(sim)
    connect(sim).quit()


def test_a_connection_that_sends_rubbish_hurts_nobody(sim):
    with socket.create_connection((sim.host, sim.port), timeout=5) as raw:
        raw.sendall(b"\xff\xfe\x00 rubbish\r\n" + b"x" * 5000 + b"\r\nAUTH TLS\r\n")
        received = b""
        while b"234 " not in received:
            received += raw.recv(4096)
        raw.sendall(b"this is no handshake\r\n")
        while raw.recv(4096):
            pass
    connect(sim).quit()


def test_an_error_in_the_thread_is_raised_by_check():
    with GatewaySimulator() as sim:
        client = connect(sim)
        sim._gateway.storage.home(sim.default_client.username).joinpath("Manifest").rmdir()
        with pytest.raises((ftplib.Error, OSError)):
            client.store("/Manifest/a.xml")
        client.close()
        with pytest.raises(FileNotFoundError):
            sim.check()
