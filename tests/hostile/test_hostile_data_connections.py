"""Data connections of a thief, in clear, of another TLS version, without the session: who gets a file and who none."""

from __future__ import annotations

import ssl

import pytest
from expectations import refused
from scripted_server import Conversation, ScriptedServer, server_context
from tls_versions import OTHER_VERSIONS, other_context
from uploading import CONTENT, PATH, upload
from usual_answers import receive

from airflow_provider_icsftps.exceptions import GatewayRefusedError, GatewayUnavailableError, UntrustedGatewayError

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
