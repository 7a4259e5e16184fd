"""Downloads that go wrong: a file appears whole or not at all."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import socket

import pytest
from expectations import PASSWORD, QUICK, refused
from scripted_server import HOST, Conversation, ScriptedServer
from throwaway_pki import PASSPHRASE
from typer.testing import CliRunner
from usual_answers import reset

from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InvalidNameError,
    StatusFileError,
    TransferError,
)
from airflow_provider_icsftps.gateway._download import retrieve

NAME = "answer.xml"
CONTENT = os.urandom(100_000)
FILES = {f"/out/{NAME}": CONTENT}
NO_SIZE = {"SIZE": "502 no SIZE here"}


def sending(content: bytes, *replies: str, notify: bool = True, shot: bool = False):
    """Send this over the data connection, close it so, and say that."""

    def retr(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        data.sendall(content)
        if notify:
            with contextlib.suppress(OSError):
                data.unwrap()
        if shot:
            reset(data)
        data.close()
        talk.say(*(replies or ("226 that was it",)))

    return retr


def test_a_whole_download_lands_over_a_resumed_session(pki, client, folder):
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server)
        assert len(CONTENT) == gateway.download(NAME, folder / NAME)
        session = gateway._session
        assert (session.data_connections, session.resumed) == (1, 1)
    assert (folder / NAME).read_bytes() == CONTENT
    assert [folder / NAME] == list(folder.iterdir())
    assert server.resumed == [True]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("shot", [True, False])
def test_half_a_file_without_close_notify_is_no_file(pki, client, folder, known, shot):
    answers = {"RETR": sending(CONTENT[:50_000], notify=False, shot=shot)} | ({} if known else NO_SIZE)
    with ScriptedServer(pki, answers, files=FILES) as server:
        gateway = client(server)
        with refused(TransferError, server.address, NAME, "nothing was kept"):
            gateway.download(NAME, folder / NAME)
        assert [entry.name for entry in gateway.list_outbox()] == [NAME]  # the session is still in step
    assert list(folder.iterdir()) == []
    assert server.connections == 1


def test_a_whole_file_without_close_notify_is_whole_when_its_size_was_known(pki, client, folder):
    with ScriptedServer(pki, {"RETR": sending(CONTENT, notify=False)}, files=FILES) as server:
        client(server).download(NAME, folder / NAME)
    assert (folder / NAME).read_bytes() == CONTENT


def test_a_whole_file_without_close_notify_is_no_file_when_nothing_told_its_size(pki, client, folder):
    answers = {"RETR": sending(CONTENT, notify=False)} | NO_SIZE
    with (
        ScriptedServer(pki, answers, files=FILES) as server,
        refused(TransferError, server.address, NAME, "nothing was kept"),
    ):
        client(server).download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("length", [0, 99_999, 100_001, 150_000])
@pytest.mark.parametrize("told_by", ["listing", "gateway"])
def test_another_length_than_announced_is_no_file(pki, client, folder, length, told_by):
    answers = {"RETR": sending((CONTENT * 2)[:length])}
    told = ["more came than the 100000 bytes"] if length > 100_000 else [f"{length} bytes came", "100000 were"]
    with (
        ScriptedServer(pki, answers, files=FILES) as server,
        refused(TransferError, server.address, NAME, *told, "announced", "nothing was kept"),
    ):
        client(server).download(NAME, folder / NAME, size=100_000 if told_by == "listing" else None)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("reply", ["426 cut off", "451 disk trouble"])
def test_a_no_behind_the_data_is_no_file(pki, client, folder, reply):
    with (
        ScriptedServer(pki, {"RETR": sending(CONTENT, reply)}, files=FILES) as server,
        refused(GatewayUnavailableError, server.address, NAME, reply),
    ):
        client(server).download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


def test_an_existing_target_stays_as_it_was_when_the_download_fails(pki, client, folder):
    (folder / NAME).write_text("yesterday's")
    with (
        ScriptedServer(pki, {"RETR": sending(CONTENT[:50], notify=False)}, files=FILES) as server,
        refused(TransferError, server.address),
    ):
        client(server).download(NAME, folder / NAME)
    assert (folder / NAME).read_text() == "yesterday's"
    assert [folder / NAME] == list(folder.iterdir())


def test_data_that_stops_coming_times_out(pki, client, folder):
    def stuck(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        talk.accept_data().sendall(CONTENT[:20_000])
        talk.listen()

    with (
        ScriptedServer(pki, {"RETR": stuck}, files=FILES) as server,
        refused(GatewayTimeoutError, server.address, NAME, "no answer in time"),
    ):
        client(server, **QUICK).download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


def test_a_download_whose_226_never_comes_is_no_file(pki, client, folder):
    def mute(talk: Conversation, path: str) -> None:
        talk.send(CONTENT)
        talk.listen()

    with (
        ScriptedServer(pki, {"RETR": mute}, files=FILES) as server,
        refused(GatewayTimeoutError, server.address, NAME),
    ):
        client(server, **QUICK).download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


def test_what_is_not_there_is_said_and_the_session_goes_on(pki, client, folder):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        with refused(FileNotAvailableError, server.address, NAME, "550"):
            gateway.download(NAME, folder / NAME)
        with refused(FileNotAvailableError, server.address, NAME, "550"):
            gateway.delete(NAME)
        assert gateway.list_outbox() == []
    assert list(folder.iterdir()) == []
    assert server.connections == 1


def test_what_is_not_there_is_said_also_when_the_data_port_is_closed_by_then(pki, client, folder):
    """A server that refuses a command gives its data port up, often before we have come to connect to it."""

    with ScriptedServer(
        pki, {"PASV": Conversation.name_a_closed_port, "RETR": "550 no such file"}, files=FILES
    ) as server:
        gateway = client(server)
        with refused(FileNotAvailableError, server.address, NAME, "550 no such file"):
            gateway.download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


def test_the_address_in_a_227_is_ignored(pki, client, folder):
    def elsewhere(talk: Conversation, _: str) -> None:
        high, low = divmod(talk.listen_for_data(), 256)
        talk.say(f"227 Entering Passive Mode (192,0,2,1,{high},{low})")

    with ScriptedServer(pki, {"PASV": elsewhere}, files=FILES) as server:
        client(server).download(NAME, folder / NAME)
    assert (folder / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("reply", ["500 no PASV", "502 no PASV", "522 EPSV, please"])
def test_without_pasv_epsv_is_used(pki, client, folder, reply):
    with ScriptedServer(pki, {"PASV": reply}, files=FILES) as server:
        client(server).download(NAME, folder / NAME)
    assert (folder / NAME).read_bytes() == CONTENT
    assert "EPSV" in server.commands


def test_a_data_port_out_of_range_is_not_followed(pki, client, folder):
    with (
        ScriptedServer(pki, {"PASV": "227 Entering Passive Mode (127,0,0,1,0,25)"}, files=FILES) as server,
        refused(GatewayProtocolError, server.address, "port 25", "36000-39999"),
    ):
        client(server, data_ports=(36000, 39999)).download(NAME, folder / NAME)
    assert "RETR" not in server.commands


def test_tls_trouble_on_a_data_connection_is_no_refused_login(pki, client, folder):
    """Login was long ago; to call it refused would keep a task from trying again."""

    def garbled(talk: Conversation, path: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        raw = talk.server.hold(socket.socket(fileno=os.dup(data.fileno())))
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that cannot be decrypted
        talk.listen()

    with ScriptedServer(pki, {"RETR": garbled}, files=FILES) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, NAME):
            gateway.download(NAME, folder / NAME)
    assert list(folder.iterdir()) == []


def test_a_download_whose_time_is_over_when_the_first_bytes_come_is_given_up(pki, client):
    received = bytearray()
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayTimeoutError, "Download of it", "no answer in time"):
            retrieve(gateway._session, f"RETR /out/{NAME}", "Download of it", received.extend, seconds=0.0)
    assert received == b""


def test_a_disk_that_takes_no_more_in_the_middle_is_our_trouble(pki, client, folder):
    """The rest of the file is of no use then, so the session is given up; the next verb opens a new one."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ScriptedServer(pki, files={"/out/a.xml": bytes(500_000)}) as server, contextlib.ExitStack() as limits:
        gateway = client(server)
        gateway.connect()
        limits.callback(resource.setrlimit, resource.RLIMIT_FSIZE, usual)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, usual[1]))
        with refused(TransferError, server.address, "a.xml", "File too large", "nothing was kept") as caught:
            gateway.download("a.xml", folder / "a.xml")
        limits.close()
        assert caught.value.local
        assert list(folder.iterdir()) == []
        assert gateway.download("a.xml", folder / "a.xml") == 500_000
    assert server.connections == 2


def test_a_target_that_cannot_be_written_is_our_trouble(pki, client, folder):
    with (
        ScriptedServer(pki, files=FILES) as server,
        refused(TransferError, "cannot write it"),
    ):
        (folder / "file").write_text("in the way")
        client(server).download(NAME, folder / "file" / NAME)


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a\r\nDELE b", "a\0", "", ".", ".."])
def test_a_name_that_leads_elsewhere_is_never_asked_for(pki, client, folder, name):
    with ScriptedServer(pki) as server, pytest.raises(InvalidNameError):
        client(server).download(name, folder / "a")
    assert server.connections == 0
    assert list(folder.iterdir()) == []


def test_a_status_file_without_end_is_given_up(pki, client):
    def endless(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        with contextlib.suppress(OSError):
            while not talk.server.stopping.is_set():
                data.sendall(bytes(65536))

    with (
        ScriptedServer(pki, {"RETR": endless}) as server,
        refused(StatusFileError, "was not read"),
    ):
        client(server).read_status("status_Manifest_a.xml_1.xml")


def test_a_dead_session_is_replaced_once_for_a_download(pki, client, folder):
    def once(talk: Conversation, _: str) -> None:
        talk.say("200 fine")
        if talk.server.connections == 1:
            talk.drop()

    with ScriptedServer(pki, {"TYPE": once}, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        gateway.download(NAME, folder / NAME)
    assert (folder / NAME).read_bytes() == CONTENT
    assert server.connections == 2


def test_a_name_that_is_too_long_for_the_disk_keeps_no_other_file_from_being_fetched(pki, tmp_path):
    files = {f"/out/{'æ' * 200}": b"1", "/out/b.xml": b"2"}
    with ScriptedServer(pki, files=files) as server:
        values = {
            "conn_type": "icsftps",
            "host": HOST,
            "port": server.port,
            "password": PASSWORD,
            "extra": {
                "private_key_p12": base64.b64encode(pki.client_p12).decode(),
                "private_key_passphrase": PASSPHRASE,
                "ca_pem": pki.ca_pem,
                "sessions": 1,
            },
        }
        (tmp_path / "connection.json").write_text(json.dumps(values))
        given = ["download", "--connection", str(tmp_path / "connection.json"), "--target", str(tmp_path / "in")]
        done = CliRunner().invoke(app, given)
    assert (done.exit_code, [path.name for path in (tmp_path / "in").iterdir()]) == (1, ["b.xml"]), done.output
    assert "cannot write it (File name too long); nothing was kept" in done.output
