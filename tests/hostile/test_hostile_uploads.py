"""Uploads whose end is good, and those whose end nobody knows: ``last_transfer`` never claims more than is known."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import select
import threading
import time
from pathlib import Path

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer
from uploading import CONTENT, PATH, ending_with, upload
from usual_answers import receive, reset

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayTimeoutError,
    GatewayUnavailableError,
)
from airflow_provider_icsftps.gateway import _transfer
from airflow_provider_icsftps.gateway._data_connection import end_politely
from airflow_provider_icsftps.gateway.submission import Transfer

# ------------------------------------------------------------ ends that are good


def test_a_whole_upload_ends_with_close_notify_over_a_resumed_session(pki, client):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        for size in (0, 1, 300_000):
            assert size == upload(gateway, CONTENT[:size])
            assert CONTENT[:size] == server.files[PATH]
            assert gateway.last_transfer == Transfer.CONFIRMED
        session = gateway._session
        assert (session.data_connections, session.resumed) == (3, 3)
    assert server.endings == ["close_notify"] * 3
    assert server.resumed == [True] * 3


def test_a_process_with_more_than_a_thousand_open_files_transfers_as_any_other(pki, client, folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            files.enter_context(Path(os.devnull).open())
        with ScriptedServer(pki) as server:
            gateway = client(server)
            assert upload(gateway) == len(CONTENT)
            assert gateway.list_outbox() == []


def test_a_server_that_closes_without_close_notify_has_confirmed_all_the_same(pki, client):
    def rude(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        talk.say("226 got it")
        data.close()

    with ScriptedServer(pki, {"STOR": rude}) as server:
        gateway = client(server)
        assert len(CONTENT) == upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED
    assert server.endings == ["close_notify"]


def test_a_server_that_never_closes_has_confirmed_at_once(pki, client):
    def clinging(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        talk.server.endings.append(receive(talk.accept_data(), bytearray()))
        talk.say("226 got it")  # the data connection stays open on this side

    with ScriptedServer(pki, {"STOR": clinging}) as server:
        gateway = client(server)
        gateway.connect()
        started = time.monotonic()
        upload(gateway)
        took = time.monotonic() - started
    assert took < 7  # its time limits are longer
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_a_server_that_answers_only_after_our_fin_is_answered_at_once(pki, client):
    def waits_for_fin(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        raw = data.detach()
        try:
            readable, _, _ = select.select([raw], [], [], 6)
            talk.server.endings.append("fin" if readable else "nothing")
        finally:
            os.close(raw)
        talk.say("226 got it")

    with ScriptedServer(pki, {"STOR": waits_for_fin}) as server:
        gateway = client(server)
        upload(gateway)
    assert server.endings == ["close_notify", "fin"]
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_the_250_of_some_servers_confirms_as_the_226_does(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with("250 stored")}) as server:
        gateway = client(server)
        upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_150_may_come_only_after_the_handshake(pki, client):
    def late(talk: Conversation, path: str) -> None:
        data = talk.accept_data()
        talk.say("150 send it")
        receive(data, bytearray())
        data.close()
        talk.say("226 got it")

    with ScriptedServer(pki, {"STOR": late}) as server:
        gateway = client(server)
        upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED


# ------------------------------------------------------------ ends that leave the outcome open


def test_a_226_over_a_data_connection_that_was_reset_confirms_nothing(pki, client, caplog, monkeypatch):
    """The gateway says yes to whatever it got; that it has seen the end cannot be known."""
    was_reset, at_the_end = threading.Event(), threading.Event()

    def content_with_less(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=1000)
        reset(data)
        was_reset.set()
        assert at_the_end.wait(7)
        talk.say("226-\x1b[2Jso", *["226-and so on"] * 300, "226 got it")

    class Last(io.BytesIO):
        """Comes to its end when the gateway has reset the connection."""

        def readinto(self, buffer) -> int:
            count = super().readinto(buffer)
            assert count or was_reset.wait(7)
            return count

    def telling(data, seconds: float) -> bool:
        could_be_sent = end_politely(data, seconds)
        at_the_end.set()
        return could_be_sent

    monkeypatch.setattr(_transfer, "end_politely", telling)
    with ScriptedServer(pki, {"STOR": content_with_less}) as server:
        gateway = client(server)
        assert upload(gateway, Last(b"x" * 1000)) == 1000
    assert gateway.last_transfer == Transfer.SENT
    (told,) = [record.getMessage() for record in caplog.records if "was reset" in record.getMessage()]
    assert "the gateway says 226- [2Jso 226-and so on 226-and" in told
    assert told.isprintable()
    assert len(told) < 2500


def test_without_a_226_the_outcome_is_unknown(pki, client):
    with (
        ScriptedServer(pki, {"STOR": ending_with()}) as server,
    ):
        gateway = client(server, **QUICK)
        with refused(GatewayTimeoutError, server.address, PATH, "no answer in time"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT
    assert server.commands.count("STOR") == 1


def test_with_the_control_connection_gone_before_the_226_the_outcome_is_unknown(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with(drop=True)}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "closed the connection"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT
    assert server.commands.count("STOR") == 1
    assert server.connections == 1


@pytest.mark.parametrize("reply", ["hello", "110 restart marker", "331 who are you", "200 noop", "221 bye", "2 bytes"])
def test_an_answer_that_is_neither_yes_nor_no_leaves_the_outcome_unknown(pki, client, reply):
    """All bytes were taken: to call that broken would let the same file be sent a second time under another name."""
    with ScriptedServer(pki, {"STOR": ending_with(reply)}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, PATH, "makes no sense", "looks first"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT


def test_421_after_all_data_is_about_the_service_and_leaves_the_outcome_unknown(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with("421 shutting down", drop=True)}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, "421 shutting down"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT
