"""Data connections of a thief, in clear, of another TLS version, without the session: who gets a file and who none."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest
from expectations import refused
from scripted_server import HOST, Conversation, ScriptedServer, server_context
from tls_versions import OTHER_VERSIONS, other_context
from uploading import CONTENT, PATH, upload
from usual_answers import receive

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    GatewayUnavailableError,
    LoginRefusedError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway import _data_connection
from airflow_provider_icsftps.gateway._data_connection import end_politely
from airflow_provider_icsftps.gateway._sockets import ready
from airflow_provider_icsftps.gateway.submission import Transfer

FILES = {"/out/answer.xml": b"12345"}
VERBS = pytest.mark.parametrize("verb", ["STOR", "RETR", "MLSD"])


def transfer(gateway, verb: str, folder) -> None:
    """Do what opens a data connection with this command."""
    if verb == "STOR":
        upload(gateway)
    elif verb == "RETR":
        gateway.download("answer.xml", folder / "answer.xml")
    else:
        gateway.list_outbox()


@VERBS
@OTHER_VERSIONS
def test_a_data_connection_with_another_version_than_tls_1_2_is_refused(pki, client, folder, version, verb):
    with ScriptedServer(pki, files=FILES, data_context=other_context(pki, version)) as server:
        gateway = client(server)
        # an old server finds no cipher first, and what it says then may have other causes
        new = version is ssl.TLSVersion.TLSv1_3
        kind, words = (UntrustedGatewayError, "TLS 1.2") if new else (GatewayUnavailableError, "handshake failure")
        with refused(kind, server.address, words):
            transfer(gateway, verb, folder)
    assert PATH not in server.files
    assert list(folder.iterdir()) == []


@VERBS
def test_a_data_connection_in_clear_is_refused_whatever_prot_p_was_answered(pki, client, folder, verb):
    """As a gateway has it that stays at PROT C, and a thief who cannot do TLS."""
    got = bytearray()

    def in_clear(talk: Conversation, _: str) -> None:
        talk.say("150 here we go")
        raw = talk.accept_raw()
        raw.sendall(b"type=file;size=1; a.xml\r\n" * 10)
        receive(raw, got)
        talk.say("226 that was it")

    with ScriptedServer(pki, {verb: in_clear}, files=FILES) as server:
        gateway = client(server)
        with refused(UntrustedGatewayError, server.address, verb, "not TLS"):
            transfer(gateway, verb, folder)
    assert CONTENT[:100] not in got
    assert list(folder.iterdir()) == []
    assert "PROT C" not in server.lines


@VERBS
def test_a_data_connection_with_another_certificate_of_the_same_ca_is_refused(pki, client, folder, verb):
    got = bytearray()

    def impostor(talk: Conversation, _: str) -> None:
        talk.say("150 here we go")
        data = talk.accept_data()
        receive(data, got)
        talk.say("226 thanks")

    second = server_context(pki.new_server_file(f"second-{verb}"), pki.ca_file)
    with ScriptedServer(pki, {verb: impostor}, files=FILES, data_context=second) as server:
        gateway = client(server)
        with refused(UntrustedGatewayError, server.address, verb, "another server certificate", "tampering"):
            transfer(gateway, verb, folder)
    assert got == b""
    assert list(folder.iterdir()) == []
    assert server.resumed == [False]


@VERBS
def test_a_data_connection_of_a_stranger_is_refused(pki, strangers, client, folder, verb):
    context = server_context(strangers.server_file, pki.ca_file)
    with ScriptedServer(pki, files=FILES, data_context=context) as server:
        gateway = client(server)
        with refused(UntrustedGatewayError, server.address, "does not verify"):
            transfer(gateway, verb, folder)
    assert PATH not in server.files
    assert server.resumed == []


@VERBS
def test_a_session_that_the_gateway_forgot_is_made_anew_with_the_same_certificate(pki, client, folder, verb):
    """Keys of tickets change, caches run full: a gateway that does not insist is served all the same."""
    forgetful = server_context(pki.server_file, pki.ca_file)
    with ScriptedServer(pki, files=FILES, data_context=forgetful) as server:
        gateway = client(server)
        transfer(gateway, verb, folder)
        assert gateway._session.resumed == 0
    assert server.resumed == [False]
    assert server.connections == 1


@pytest.mark.parametrize("verb", ["PASV", "EPSV"])
def test_a_gateway_that_gives_no_data_port_says_nothing_about_the_file(pki, client, folder, verb):
    """vsftpd answers so without its passive mode; a 550 to RETR would mean that the file is gone."""
    with ScriptedServer(pki, {"PASV": "500 no", verb: "550 Permission denied."}, files=FILES) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, "550 Permission denied.", verb, "support") as caught:
            gateway.download("answer.xml", folder / "answer.xml")
        assert (caught.value.command, caught.value.code) == (verb, 550)
        with refused(GatewayRefusedError, server.address, verb):
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
    assert ("EPSV" in server.commands) == (verb == "EPSV")
    assert not {"RETR", "STOR"} & set(server.commands)


def test_a_login_that_is_over_when_a_data_port_is_asked_for_is_a_refused_login(pki, client):
    with ScriptedServer(pki, {"PASV": "530 Please log in."}) as server:
        gateway = client(server)
        with refused(LoginRefusedError, server.address, "530 Please log in."):
            gateway.list_outbox()
    assert "EPSV" not in server.commands


@pytest.mark.parametrize("reply", ["522 session reuse required", "425 Unable to build data connection"])
def test_a_gateway_that_insists_on_a_session_that_it_forgot_gets_a_new_one(pki, client, reply):
    """Else a wait that keeps its session would fail for ever after."""
    forgetful = server_context(pki.server_file, pki.ca_file)

    def insisting(talk: Conversation, folder: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        if data.session_reused:
            data.unwrap()
            data.close()
            talk.say("226 that was it")
        else:
            data.close()
            talk.say(reply)

    with ScriptedServer(pki, {"MLSD": insisting}) as server:
        gateway = client(server)
        assert gateway.list_outbox() == []
        server.data_context = forgetful
        with pytest.raises((GatewayRefusedError, GatewayUnavailableError), match=reply):
            gateway.list_outbox()
        server.context = server.data_context = forgetful
        assert gateway.list_outbox() == []
    assert server.connections in {2, 3}


# ------------------------------------------------------------ the end of a connection that takes nothing more


@pytest.fixture
def full_line(pki, settings):
    """Two ends of a protected connection, the first one's buffer full to the last byte; and how much is in it."""
    with socket.create_server((HOST, 0)) as listener, socket.create_connection(listener.getsockname()) as raw:
        accepted, _ = listener.accept()
        served = []

        def serve() -> None:
            served.append(server_context(pki.server_file, pki.ca_file).wrap_socket(accepted, server_side=True))

        server = threading.Thread(target=serve)
        server.start()
        ours = settings(1).tls_context.wrap_socket(raw, server_hostname=HOST)
        server.join()
        with ours, served[0] as theirs:
            ours.settimeout(0)
            filled = 0
            for size in (65536, 1):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        filled += socket.socket.send(ours, b"x" * size)
            yield ours, theirs, filled


def test_an_end_that_finds_no_room_is_given_up_in_time(full_line):
    ours, _, _ = full_line
    with pytest.raises(TimeoutError, match="does not take the close_notify"):
        end_politely(ours, 0.05)


def test_an_end_waits_for_room_and_is_sent_then(full_line, monkeypatch):
    ours, theirs, filled = full_line
    received = bytearray()

    def read() -> None:
        theirs.settimeout(5)
        while block := socket.socket.recv(theirs, 1_000_000):
            received.extend(block)

    reader = threading.Thread(target=read)

    def room(readable, writable, seconds):
        reader.start()
        return ready(readable, writable, seconds)

    monkeypatch.setattr(_data_connection, "ready", room)
    assert end_politely(ours, 5)
    reader.join()
    assert bytes(received[filled : filled + 3]) == b"\x15\x03\x03"  # an alert of TLS 1.2: the close_notify
