"""Uploads that a gateway refuses or cuts: the error says why, and ``last_transfer`` never claims more than is known."""

from __future__ import annotations

import contextlib

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer
from uploading import PATH, Endless, ending_with, upload
from usual_answers import receive, reset

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayUnavailableError,
    TransferError,
)
from airflow_provider_icsftps.gateway import _transfer
from airflow_provider_icsftps.gateway.submission import Transfer


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("426 cut off", GatewayUnavailableError),
        ("451 disk trouble", GatewayUnavailableError),
        ("452 no space", GatewayUnavailableError),
        ("552 quota", GatewayRefusedError),
    ],
)
def test_a_no_after_all_data_is_a_no(pki, client, reply, kind):
    with ScriptedServer(pki, {"STOR": ending_with(reply)}) as server:
        gateway = client(server)
        with refused(kind, server.address, PATH, reply):
            upload(gateway)
        assert gateway.last_transfer == Transfer.BROKEN
        assert gateway.list_outbox() == []  # the session is still in step; after a 426 it may not be, and is another
    assert server.connections == (2 if reply.startswith("426") else 1)


@pytest.mark.parametrize("close", ["fin", "reset", "left open"])
def test_552_in_the_middle_is_what_the_error_says(pki, client, close):
    def full(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        talk.say("552 quota exceeded")
        if close == "fin":
            data.close()
        elif close == "reset":
            reset(data)

    with ScriptedServer(pki, {"STOR": full}) as server:
        gateway = client(server, **QUICK)
        with refused(GatewayRefusedError, server.address, PATH, "552 quota exceeded") as caught:
            upload(gateway, Endless())
    assert caught.value.code == 552
    assert caught.value.command == "STOR"
    assert gateway.last_transfer == Transfer.BROKEN


@pytest.mark.parametrize("reply", ["553 no such name", "532 account?"])
def test_a_no_instead_of_150_means_that_nothing_was_sent(pki, client, reply):
    with ScriptedServer(pki, {"STOR": reply}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, reply) as caught:
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
        assert gateway.list_outbox() == []
    assert int(reply[:3]) == caught.value.code
    assert server.connections == 1


def test_450_instead_of_150_is_worth_another_try(pki, client):
    with ScriptedServer(pki, {"STOR": "450 busy"}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "450 busy", "later"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


@pytest.mark.parametrize("reply", ["226 done already", "hello", "331 who"])
def test_nonsense_instead_of_150_proves_nothing(pki, client, reply):
    """The command was sent, and the answer is no refusal: an empty file may lie there now."""
    with ScriptedServer(pki, {"STOR": reply}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, PATH, "makes no sense"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


@pytest.mark.parametrize("close", [True, False])
def test_425_behind_the_150_is_what_the_error_says(pki, client, close):
    def no_data(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        raw = talk.accept_raw()
        talk.say("425 Unable to build data connection: Operation not permitted")
        if close:
            raw.close()

    with ScriptedServer(pki, {"STOR": no_data}) as server:
        gateway = client(server, **QUICK)
        with refused(GatewayUnavailableError, server.address, PATH, "425 Unable to build"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_522_instead_of_a_handshake_is_what_the_error_says(pki, client):
    def no_reuse(talk: Conversation, _: str) -> None:
        talk.accept_raw().close()
        talk.say("522 session reuse required")

    with ScriptedServer(pki, {"STOR": no_reuse}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, "522 session reuse required"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


@pytest.mark.timeout(30)
def test_150_for_ever_ends_all_the_same(pki, client):
    def again(talk: Conversation, _: str) -> None:
        talk.accept_raw().close()
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(0.05):
                talk.say("150 any moment now")

    with ScriptedServer(pki, {"STOR": again}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_data_port_where_nobody_listens_is_named(pki, client):
    with ScriptedServer(pki, {"PASV": Conversation.name_a_closed_port, "STOR": "150 send it"}) as server:
        gateway = client(server, **QUICK)
        with refused(GatewayUnavailableError, server.address, PATH, "data connection to port", "refused"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_no_instead_of_150_is_heard_also_when_the_data_port_is_closed_by_then(pki, client):
    with ScriptedServer(pki, {"PASV": Conversation.name_a_closed_port, "STOR": "553 no such folder"}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, "553 no such folder"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


def test_a_data_connection_reset_in_the_middle_is_a_broken_upload(pki, client):
    def shot(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        reset(data)

    with ScriptedServer(pki, {"STOR": shot}) as server:
        gateway = client(server, **QUICK)
        with refused(TransferError, server.address, PATH, "cut after"):
            upload(gateway, Endless())
    assert gateway.last_transfer == Transfer.BROKEN
    assert server.commands.count("STOR") == 1


def test_a_226_in_the_middle_is_not_believed(pki, client):
    def hasty(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        talk.say("226 got it all")
        reset(data)

    with ScriptedServer(pki, {"STOR": hasty}) as server:
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "226 got it all", "not whole"):
            upload(gateway, Endless())
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_server_that_stops_reading_times_out(pki, client, monkeypatch):
    monkeypatch.setattr(_transfer, "_ABORT_SECONDS", 0.3)

    def stuck(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        talk.accept_data()
        while talk.listen() not in ("ABOR", None):
            pass
        talk.server.reached.set()

    with ScriptedServer(pki, {"STOR": stuck}) as server:
        gateway = client(server, **QUICK)
        with refused(TransferError, server.address, PATH, "no answer in time"):
            upload(gateway, Endless())
        assert server.reached.wait(7)
    assert gateway.last_transfer == Transfer.BROKEN
