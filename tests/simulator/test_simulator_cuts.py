"""Uploads that end without close_notify."""

from __future__ import annotations

import ftplib
import ssl

import pytest
from bare_ftp import connect, send_for_ever

from airflow_provider_icsftps.simulator import GatewaySimulator

HOW = pytest.mark.parametrize("how", ["fin", "reset", "abor"])
DATA = b"cut off here" * 1000


def cut(client, how, name="a.xml"):
    """Cut an upload and return the reply to it; an ABOR's second reply is read, too."""
    reply = client.cut(f"/Manifest/{name}", DATA, how)
    if how == "abor":
        assert client.getmultiline()[:3] in {"225", "226"}
    return reply


@HOW
def test_a_cut_upload_is_discarded(how):
    with GatewaySimulator() as sim, connect(sim) as client:
        assert cut(client, how).startswith("426")
        [upload] = sim.uploads
        assert (upload.whole, upload.filed, upload.outcome) == (False, False, "cut; copy discarded")
        with pytest.raises(FileNotFoundError, match="not kept"):
            upload.content()
        sim.clock.advance(days=1)
        assert client.names("/Manifest") == client.names("/out") == []
        sim.check()


@HOW
def test_a_cut_upload_can_be_kept(how):
    with GatewaySimulator(cut_uploads="keep") as sim, connect(sim) as client:
        assert cut(client, how).startswith("426")
        [upload] = sim.uploads
        assert not upload.filed
        sim.clock.advance(days=1)
        assert client.names("/Manifest") == ["a.xml"]
        assert client.names("/out") == []
        client.voidcmd("TYPE I")
        assert client.size("/Manifest/a.xml") == upload.size == len(upload.content()) <= len(DATA)


@HOW
def test_a_cut_upload_can_be_taken_for_whole(how):
    with GatewaySimulator(cut_uploads="accept") as sim, connect(sim) as client:
        reply = cut(client, how)
        assert reply[:3] == "226" or (how == "abor" and reply[:3] == "426")
        [upload] = sim.uploads
        assert (upload.whole, upload.filed) == (False, True)
        assert upload.content() == DATA[: upload.size]
        sim.clock.advance(days=1)
        assert len(client.names("/out")) == 4


@pytest.mark.parametrize("mode", ["discard", "keep", "accept"])
def test_a_cut_upload_uses_up_its_name(mode):
    with GatewaySimulator(cut_uploads=mode) as sim, connect(sim) as client:
        cut(client, "fin")
        client.store("/Manifest/a.xml", DATA)
        assert sim.uploads[1].outcome == "name used before"
        assert "status_Manifest_a.xml_0.xml" in client.names()


def test_abor_in_the_middle_cuts_the_transfer(sim, client):
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    connection.sendall(DATA)
    client.putcmd("ABOR")
    assert client.getmultiline().startswith("426")
    assert client.getmultiline().startswith("226")
    connection.close()
    assert sim.uploads[0].outcome == "cut; copy discarded"
    assert client.sendcmd("ABOR").startswith("225")


def test_a_lost_control_connection_cuts_the_upload(sim):
    client = connect(sim)
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    connection.sendall(DATA)
    client.sock.close()
    client.file.close()
    with pytest.raises((ConnectionError, ssl.SSLError)):
        send_for_ever(connection)
    connection.close()
    assert sim.uploads[0].outcome == "cut; copy discarded"


def test_a_name_is_not_used_when_no_data_connection_came(sim, client):
    client.voidcmd("TYPE I")
    client.makepasv()
    client.putcmd("STOR /Manifest/a.xml")
    assert client.getresp().startswith("150")
    client.putcmd("ABOR")
    assert client.getmultiline().startswith("426")
    assert client.getmultiline().startswith("226")
    assert sim.uploads == []
    client.store("/Manifest/a.xml")
    assert sim.uploads[0].filed


def test_two_connections_cannot_send_one_name_at_once(sim, client):
    client.voidcmd("TYPE I")
    connection = client.transfercmd("STOR /Manifest/a.xml")
    with connect(sim) as other, pytest.raises(ftplib.error_temp, match="450"):
        other.store("/Manifest/a.xml")
    connection.unwrap()
    connection.close()
    client.voidresp()
