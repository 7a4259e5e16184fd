"""Replies that are too long, too slow, or no replies: bounded in memory and in time."""

from __future__ import annotations

import contextlib
import resource
import socket

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayTimeoutError,
    GatewayUnavailableError,
)
from airflow_provider_icsftps.gateway._replies import ReplyReader

PLACES = pytest.mark.parametrize("command", ["CONNECT", "AUTH", "PASS"])


@PLACES
def test_a_reply_line_of_10_mb_is_given_up(pki, client, command):
    def endless(talk: Conversation, _: str) -> None:
        with contextlib.suppress(OSError):
            for _ in range(160):
                talk.control.sendall(b"2" * 65536)

    with ScriptedServer(pki, {command: endless}) as server:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with refused(GatewayProtocolError, server.address, "8192 bytes"):
            client(server).connect()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 5 * 1024, f"{grown} KB"


@PLACES
def test_a_reply_of_100_000_lines_is_given_up(pki, client, command):
    def chatty(talk: Conversation, _: str) -> None:
        with contextlib.suppress(OSError):
            for _ in range(1000):
                talk.say(*(["230-and another thing"] * 100))
            talk.say("230 that was it")

    with (
        ScriptedServer(pki, {command: chatty}) as server,
        refused(GatewayProtocolError, server.address, "lines"),
    ):
        client(server).connect()


@PLACES
def test_a_reply_that_drips_for_ever_has_one_time_limit(pki, client, command):
    def drip(talk: Conversation, _: str) -> None:
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(0.2):
                talk.control.sendall(b"2")

    with (
        ScriptedServer(pki, {command: drip}) as server,
        refused(GatewayTimeoutError, server.address, "no answer in time"),
    ):
        client(server, **QUICK).connect()


@PLACES
def test_lines_that_drip_for_ever_have_one_time_limit(pki, client, command):
    def drip(talk: Conversation, _: str) -> None:
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(0.2):
                talk.say("220-one moment")

    with (
        ScriptedServer(pki, {command: drip}) as server,
        refused(GatewayTimeoutError, server.address),
    ):
        client(server, **QUICK).connect()


@pytest.mark.parametrize("reply", ["hello", "", "  ", "999 what", "0", "\x1b[2J", "SSH-2.0-OpenSSH_9.2", "æøå"])
def test_a_greeting_without_a_code_is_no_gateway(pki, client, reply):
    with (
        ScriptedServer(pki, {"CONNECT": reply}) as server,
        refused(GatewayProtocolError, server.address, "makes no sense") as caught,
    ):
        client(server).connect()
    assert str(caught.value).isprintable()
    assert server.lines == []


@pytest.mark.parametrize(
    ("command", "reply"),
    [("AUTH", "334 more"), ("PBSZ", "150 soon"), ("PROT", "331 who"), ("TYPE", "xyz")],
)
def test_a_code_of_the_wrong_kind_makes_no_sense(pki, client, command, reply):
    with (
        ScriptedServer(pki, {command: reply}) as server,
        refused(GatewayProtocolError, server.address, "makes no sense"),
    ):
        client(server).connect()


@PLACES
def test_a_connection_closed_in_the_middle_of_a_reply_is_worth_another_try(pki, client, command):
    def half(talk: Conversation, _: str) -> None:
        talk.say("220-first")
        talk.control.sendall(b"22")
        talk.drop()

    with (
        ScriptedServer(pki, {command: half}) as server,
        refused(GatewayUnavailableError, server.address, "closed the connection", "later"),
    ):
        client(server).connect()


@pytest.mark.parametrize("end", ["230 ", "230 welcome", "230"])
def test_a_reply_of_several_lines_ends_with_its_code(pki, client, end):
    with ScriptedServer(pki, {"PASS": f"230-Welcome\r\n 230 not yet\r\n231 nor yet\r\n230-\r\n{end}"}) as server:
        client(server).connect()
    assert server.lines[-1] == "TYPE I"


def test_a_reply_that_comes_byte_by_byte_but_in_time_is_a_reply(pki, client):
    def slow(talk: Conversation, _: str) -> None:
        for byte in b"230-hi\r\n230 there\r\n":
            talk.control.sendall(bytes([byte]))

    with ScriptedServer(pki, {"PASS": slow}) as server:
        client(server).connect()
    assert server.lines[-1] == "TYPE I"


@pytest.mark.parametrize(
    "reply",
    [
        "227 Entering Passive Mode (127,0,0,1,999,999)",
        "227 Entering Passive Mode",
        "227 Entering Passive Mode (1,2,3)",
        "226 what?",
    ],
)
def test_a_passive_reply_that_names_no_port_makes_no_sense(pki, client, reply):
    with (
        ScriptedServer(pki, {"PASV": reply}) as server,
        refused(GatewayProtocolError, server.address, "makes no sense"),
    ):
        client(server).list_outbox()
    assert "MLSD" not in server.commands


@pytest.mark.parametrize(
    "reply",
    ["229 (|||abc|)", "229 (", "229 (|||99999999|)", "229 (|||0|)", "229 ()", f"229 (|||{'9' * 5000}|)", "229 no"],
)
def test_an_extended_passive_reply_that_names_no_port_makes_no_sense(pki, client, reply):
    with (
        ScriptedServer(pki, {"PASV": "500 no", "EPSV": reply}) as server,
        refused(GatewayProtocolError, server.address, "makes no sense"),
    ):
        client(server).list_outbox()
    assert "MLSD" not in server.commands


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "1e3", "٣", "", "12 bytes"])
def test_a_size_that_is_no_number_is_no_size(pki, client, number):
    with ScriptedServer(pki, {"SIZE": f"213 {number}"}) as server:
        assert client(server).stored_size("Manifest", "a.xml") is None


def test_a_time_that_is_over_is_not_given_to_the_next_line():
    """Also where the bytes of an endless line come so fast that no single one is waited for."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"220 ready\r\n220")
        reader = ReplyReader(ours, "utf-8")
        reader.limit(10)
        assert reader.readline(100) == "220 ready\r\n"
        reader.limit(0)
        with pytest.raises(TimeoutError, match="the whole reply took too long"):
            reader.readline(100)
