"""Gateways that drip: each byte comes in time, and the whole never. Nothing lasts for ever all the same."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer
from uploading import PATH, Endless, upload

from airflow_provider_icsftps.exceptions import GatewayTimeoutError, TransferError
from airflow_provider_icsftps.gateway import _download, _looking, _transfer
from airflow_provider_icsftps.gateway.submission import Transfer

LINES = {
    "MLSD": b"type=file;size=1; a.xml\r\n",
    "LIST": b"-rw-r--r-- 1 ftp ftp 1 Nov 01 10:00 a.xml\r\n",
    "NLST": b"/out/a.xml\r\n",
}
STATUS = "status_Manifest_a.xml_1.xml"


def dripping(drop: bytes, pause: float):
    """Send this again and again over the data connection."""

    def drip(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(pause):
                data.sendall(drop)

    return drip


@pytest.mark.parametrize("kind", list(LINES))
def test_a_listing_that_drips_is_given_up(pki, client, kind):
    answers = {"MLSD": "500 no", "LIST": "500 no"} | {kind: dripping(LINES[kind], 0.05)}
    if kind == "NLST":
        answers["LIST"] = lambda talk, _: (talk.send(b"what?\r\n"), talk.say("226 that was it"))
    with (
        ScriptedServer(pki, answers) as server,
        refused(GatewayTimeoutError, server.address, "/out", "no answer in time"),
    ):
        client(server, **QUICK).list_outbox()


def test_a_listing_that_runs_but_never_ends_has_a_limit_for_the_whole_of_it(pki, client, monkeypatch):
    monkeypatch.setattr(_download, "WHOLE_WITHIN", 2)
    block = LINES["MLSD"] * 1000
    with ScriptedServer(pki, {"MLSD": dripping(block, 0.02)}) as server:
        gateway = client(server, data_timeout=1.0)
        gateway.connect()
        started = time.monotonic()
        with refused(GatewayTimeoutError, server.address, "/out"):
            gateway.list_outbox()
        assert time.monotonic() - started > 1.9


def test_a_listing_that_comes_slowly_and_ends_is_a_listing(pki, client):
    def slow(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        for number in range(5):
            time.sleep(0.1)
            data.sendall(b"type=file;size=1; %d.xml\r\n" % number * 800)
        data.unwrap()
        data.close()
        talk.say("226 that was it")

    with ScriptedServer(pki, {"MLSD": slow}) as server:
        assert len(client(server, **QUICK).list_outbox()) == 4000


@pytest.mark.parametrize("command", ["SIZE", "MDTM"])
def test_answers_about_single_files_that_drip_are_given_up(pki, client, command, monkeypatch):
    monkeypatch.setattr(_looking, "SECONDS_A_FILE", 0.01)
    monkeypatch.setattr(_looking, "WHOLE_WITHIN", 1)

    def slow(talk: Conversation, _: str) -> None:
        talk.server.stopping.wait(0.2)
        talk.say("213 20261101100000")

    def unreadable(talk: Conversation, _: str) -> None:
        talk.send(b"what?\r\n")
        talk.say("226 that was it")

    files = {f"/out/{number}.xml": b"1" for number in range(50)}
    answers = {"MLSD": "500 no", "LIST": unreadable, command: slow}
    with (
        ScriptedServer(pki, answers, files=files) as server,
        refused(GatewayTimeoutError, server.address, "/out", "single files come too slowly"),
    ):
        client(server, data_timeout=1.0).list_outbox()


def test_a_download_that_drips_is_given_up(pki, client, folder):
    answers = {"RETR": dripping(b"<", 0.05)}
    with (
        ScriptedServer(pki, answers, files={"/out/a.xml": bytes(100_000)}) as server,
        refused(GatewayTimeoutError, server.address, "a.xml", "no answer in time"),
    ):
        client(server, **QUICK).download("a.xml", folder / "a.xml")
    assert list(folder.iterdir()) == []


def test_a_download_with_more_than_was_announced_ends_there_and_then(pki, client, folder):
    """Else it would fill the disk."""
    answers = {"RETR": dripping(bytes(16 * 1024), 0.001)}
    with (
        ScriptedServer(pki, answers, files={"/out/a.xml": bytes(100_000)}) as server,
        refused(TransferError, server.address, "a.xml", "more came than the 100000 bytes"),
    ):
        client(server).download("a.xml", folder / "a.xml")
    assert list(folder.iterdir()) == []


def test_a_status_file_that_drips_is_given_up(pki, client):
    with (
        ScriptedServer(pki, {"RETR": dripping(b"<", 0.05)}) as server,
        refused(GatewayTimeoutError, server.address, STATUS),
    ):
        client(server, **QUICK).read_status(STATUS)


def test_an_upload_that_is_taken_by_drips_is_given_up(pki, client, monkeypatch):
    monkeypatch.setattr(_transfer, "_ABORT_SECONDS", 0.3)

    def sip(talk: Conversation, _: str) -> None:
        talk._passive.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        talk.say("150 send it")
        data = talk.accept_raw()
        tls = talk.server.hold(talk.server.data_context.wrap_socket(data, server_side=True))
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(0.1):
                tls.recv(100)

    with ScriptedServer(pki, {"STOR": sip}) as server:
        gateway = client(server, **QUICK)
        with refused(TransferError, server.address, PATH, "no answer in time"):
            upload(gateway, Endless())
    assert gateway.last_transfer == Transfer.BROKEN


def drip_a_handshake(sock: socket.socket, stopping) -> None:
    sock.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KB begins
    with contextlib.suppress(OSError):
        while not stopping.wait(0.05):
            sock.sendall(b"\x02")


def test_a_handshake_that_drips_is_given_up(pki, client):
    def drip(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        drip_a_handshake(talk.control, talk.server.stopping)

    with (
        ScriptedServer(pki, {"AUTH": drip}) as server,
        refused(GatewayTimeoutError, server.address, "TLS handshake"),
    ):
        client(server, **QUICK).connect()
    assert server.lines == ["AUTH TLS"]


@pytest.mark.parametrize("says", ["150 here it comes", None])
def test_a_data_connections_handshake_that_drips_is_given_up(pki, client, says):
    def drip(talk: Conversation, _: str) -> None:
        if says:
            talk.say(says)
        drip_a_handshake(talk.accept_raw(), talk.server.stopping)

    with (
        ScriptedServer(pki, {"MLSD": drip}) as server,
        refused(GatewayTimeoutError, server.address, "/out"),
    ):
        client(server, **QUICK).list_outbox()
