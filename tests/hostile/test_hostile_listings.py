"""Listings from servers that lack commands, lie, or never end; and sessions that died in between."""

from __future__ import annotations

import contextlib
import os
import socket
import time

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InvalidNameError,
    LoginRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import FileNameRule, _download
from airflow_provider_icsftps.gateway._looking import list_names, size_of
from airflow_provider_icsftps.gateway.submission import Transfer

FILES = {"/out/b.xml": b"22", "/out/a.xml": b"1"}
GOOD = [("a.xml", 1), ("b.xml", 2)]


def lines(*listed: str):
    """Send these lines as a listing."""

    def listing(talk: Conversation, _: str) -> None:
        talk.send("".join(f"{line}\r\n" for line in listed).encode())
        talk.say("226 that was it")

    return listing


def short(entries):
    return [(entry.name, entry.size) for entry in entries]


def test_mlsd_is_asked_first_and_is_enough(pki, client):
    with ScriptedServer(pki, files=FILES) as server:
        assert short(client(server).list_outbox()) == GOOD
    assert server.commands[-2:] == ["PASV", "MLSD"]


def test_without_mlsd_list_is_asked_and_mlsd_never_again(pki, client):
    with ScriptedServer(pki, {"MLSD": "500 Unknown command."}, files=FILES) as server:
        gateway = client(server)
        for _ in range(2):
            entries = gateway.list_outbox()
            assert short(entries) == GOOD
            assert [entry.modified.year for entry in entries] == [2026, 2026]
    assert server.commands.count("MLSD") == 1
    assert server.commands.count("LIST") == 2
    assert server.commands.count("MDTM") == 4
    assert server.connections == 1


def test_a_list_that_cannot_be_read_gives_way_to_nlst_with_size_and_time(pki, client):
    answers = {"MLSD": "502 no", "LIST": lines("a.xml                 1 byte, of yesterday")}
    with ScriptedServer(pki, answers, files=FILES) as server:
        entries = client(server).list_outbox()
    assert short(entries) == GOOD
    assert [entry.modified.year for entry in entries] == [2026, 2026]
    assert tuple(server.commands.count(command) for command in ("NLST", "SIZE", "MDTM")) == (1, 2, 2)


@pytest.mark.parametrize("lacking", [{}, {"MLSD": "502 no"}, {"MLSD": "502 no", "LIST": lines("odd")}], ids=len)
def test_names_alone_take_one_listing_and_no_question_about_a_file(pki, client, lacking):
    with ScriptedServer(pki, lacking, files=FILES) as server:
        assert list(client(server).outbox_names()) == ["a.xml", "b.xml"]
    assert not {"SIZE", "MDTM"} & set(server.commands)


@pytest.mark.parametrize("command", ["SIZE", "MDTM"])
def test_a_login_that_is_over_is_not_taken_for_a_file_that_is_not_there(pki, client, command):
    with ScriptedServer(pki, {command: "530 Please log in."}, files=FILES) as server:
        gateway = client(server)
        with refused(LoginRefusedError, server.address, "530 Please log in."):
            gateway.look_at("a.xml")


def test_a_missing_folder_is_said(pki, client):
    with (
        ScriptedServer(pki, {"MLSD": "550 /out: no such folder"}) as server,
        refused(FileNotAvailableError, server.address, "/out", "550"),
    ):
        client(server).list_outbox()


@pytest.mark.parametrize("kind", ["MLSD", "LIST", "NLST"])
def test_names_that_lead_elsewhere_are_left_out(pki, client, kind):
    evil = ["../a.xml", "/etc/passwd", "..", ".", "a\0b", "a\x1b[2Jb", "a\rb", "a\tb", "a\x7fb", "a\\..\\b"]
    shapes = {
        "MLSD": [f"type=file;size=1; {name}" for name in [*evil, "good.xml"]],
        "LIST": [f"-rw-r--r-- 1 ftp ftp 1 Nov 01 10:00 {name}" for name in [*evil, "good.xml"]],
        "NLST": [f"/out/{name}" for name in [*evil, "good.xml"]],
    }
    answers = {"MLSD": "500 no", "LIST": lines("what?"), "NLST": lines(), "SIZE": "213 1"}
    answers[kind] = lines(*shapes[kind])
    with ScriptedServer(pki, answers) as server:
        names = [entry.name for entry in client(server).list_outbox()]
    assert "good.xml" in names
    assert [name for name in names if "/" in name or not name.isprintable() or name in {".", ".."}] == []


def test_a_line_that_is_no_mlsd_line_makes_no_sense_and_the_gateway_is_named(pki, client):
    with ScriptedServer(pki, {"MLSD": lines("type=file;size=1; a.xml", "nonsense")}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, "nonsense"):
            gateway.list_outbox()
    assert server.connections == 1


@pytest.mark.parametrize("size", ["-1", "9" * 5000, "x", ""])
def test_a_size_that_is_none_is_none(pki, client, size):
    with ScriptedServer(pki, {"MLSD": lines(f"type=file;size={size}; a.xml")}) as server:
        assert short(client(server).list_outbox()) == [("a.xml", None)]


def test_a_name_that_stands_there_twice_is_listed_twice(pki, client):
    with ScriptedServer(pki, {"MLSD": lines("type=file;size=1; b", "type=file; a", "type=file;size=1; a")}) as server:
        assert short(client(server).list_outbox()) == [("a", None), ("a", 1), ("b", 1)]


def test_half_a_listing_is_no_listing(pki, client):
    def half(talk: Conversation, _: str) -> None:
        talk.send(b"type=file;size=1; a.xml\r\ntype=fi", notify=False)
        talk.say("226 that was it")

    with (
        ScriptedServer(pki, {"MLSD": half}) as server,
        refused(TransferError, server.address, "/out", "cut after"),
    ):
        client(server).list_outbox()


def test_a_listing_without_end_is_given_up(pki, client):
    def endless(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        block = b"type=file;size=1; a.xml\r\n" * 2000
        with contextlib.suppress(OSError):
            while not talk.server.stopping.is_set():
                data.sendall(block)

    with (
        ScriptedServer(pki, {"MLSD": endless}) as server,
        refused(TransferError, server.address, "/out", str(_download.MAX_LISTING_LINES), seconds=60),
    ):
        client(server).list_outbox()


def test_a_line_without_end_is_given_up(pki, client, monkeypatch):
    monkeypatch.setattr(_download, "MAX_LISTING_BYTES", 1_000_000)

    def endless(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        with contextlib.suppress(OSError):
            while not talk.server.stopping.is_set():
                data.sendall(b"x" * 65536)

    with (
        ScriptedServer(pki, {"MLSD": endless}) as server,
        refused(TransferError, server.address, "/out", "more than 1000000 bytes"),
    ):
        client(server).list_outbox()


def test_a_listing_that_stops_in_the_middle_times_out(pki, client):
    def stuck(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        talk.accept_data().sendall(b"type=file;size=1; a.xml\r\n")
        talk.listen()

    with (
        ScriptedServer(pki, {"MLSD": stuck}) as server,
        refused(GatewayTimeoutError, server.address, "/out"),
    ):
        client(server, **QUICK).list_outbox()


# ------------------------------------------------------------ sessions that died in between


def first_only(action):
    """Do this on the first connection; the second one is good."""

    def after_login(talk: Conversation, _: str) -> None:
        talk.say("200 fine")
        if talk.server.connections == 1:
            action(talk)

    return after_login


def say_421(talk: Conversation) -> None:
    talk.say("421 idle for too long")
    talk.drop()


def notify(talk: Conversation) -> None:
    with contextlib.suppress(OSError):
        talk.control.settimeout(0)
        talk.control.unwrap()  # close_notify
    talk.drop()


def oops(talk: Conversation) -> None:
    """Answer the next command outside of TLS, as vsftpd does when its child dies."""
    talk.control.recv(100)
    with socket.socket(fileno=os.dup(talk.control.fileno())) as raw:
        raw.sendall(b"500 OOPS: child died\r\n")
    talk.drop()


def alarm(talk: Conversation) -> None:
    """Answer the next command with a fatal TLS alert, as servers do that end in a hurry."""
    with socket.socket(fileno=os.dup(talk.control.fileno())) as raw:
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # the client's turn to be alarmed
    talk.control.recv(100)
    talk.drop()


@pytest.mark.parametrize("death", [Conversation.drop, say_421, notify, oops, alarm], ids=lambda death: death.__name__)
def test_a_session_that_died_is_replaced_once_by_itself(pki, client, death):
    with ScriptedServer(pki, {"TYPE": first_only(death)}, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        assert short(gateway.list_outbox()) == GOOD
    assert server.connections == 2
    assert server.commands.count("PASS") == 2


def test_a_session_that_dies_again_is_not_replaced_for_ever(pki, client):
    with ScriptedServer(pki, {"PASV": lambda talk, _: talk.drop()}) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayUnavailableError, server.address, "/out"):
            gateway.list_outbox()
    assert server.connections == 2


def test_a_new_session_that_dies_is_not_replaced(pki, client):
    with (
        ScriptedServer(pki, {"PASV": lambda talk, _: talk.drop()}) as server,
        refused(GatewayUnavailableError, server.address, "/out"),
    ):
        client(server).list_outbox()
    assert server.connections == 1


def test_a_session_that_was_given_up_says_that_it_is_closed(pki, client):
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        session = gateway._session
        session.close()
        with refused(GatewayUnavailableError, server.address, "/out", "closed"):
            list_names(session, "/out")
        with refused(GatewayUnavailableError, server.address, "a.xml", "closed"):
            size_of(session, "/out/a.xml")


def test_a_farewell_without_an_answer_is_short(pki, client):
    with ScriptedServer(pki, {"QUIT": lambda talk, _: talk.listen()}) as server:
        gateway = client(server, **QUICK)
        gateway.connect()
        started = time.monotonic()
        gateway.close()
        took = time.monotonic() - started
    assert took < 7


def test_a_deletion_is_not_repeated(pki, client):
    """The first one may have been done; nobody would know."""
    with ScriptedServer(pki, {"DELE": lambda talk, _: talk.drop()}, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayUnavailableError, server.address, "a.xml"):
            gateway.delete("a.xml")
    assert server.commands.count("DELE") == 1


@pytest.mark.parametrize(("reply", "removed"), [("250 gone", True), ("550 no", False), ("502 not here", False)])
def test_a_cut_copy_is_removed_if_the_gateway_lets_us(pki, client, reply, removed):
    with ScriptedServer(pki, {"DELE": reply}) as server:
        assert client(server).remove_stored("Manifest", "a.xml") is removed
    assert "DELE /Manifest/a.xml" in server.lines


@pytest.mark.parametrize("verb", ["STOR", "RETR", "SIZE"])
def test_a_name_that_the_gateways_encoding_does_not_have_is_ours_to_correct(pki, client, folder, verb):
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server, encoding="latin-1", file_name_rule=FileNameRule(characters="a-z0-9.€"))
        with refused(InvalidNameError, server.address, "latin-1", "'€'", "correct the name"):
            if verb == "STOR":
                gateway.upload(b"x", service="Manifest", file_name="€.xml")
            elif verb == "RETR":
                gateway.download("€.xml", folder / "€.xml", size=1)
            else:
                gateway.look_at("€.xml")
    assert server.lines[-1] == "TYPE I"
    assert gateway.last_transfer == Transfer.NONE


@pytest.mark.parametrize("line", ["DELE /out/a.xml\r\nDELE /out/b.xml", "NOOP\n", "\rNOOP"])
def test_a_second_command_behind_a_line_break_is_never_sent(pki, client, line):
    """Names are checked long before; this is the last door."""
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        with pytest.raises(ValueError, match="line breaks"):
            gateway._session.sendcmd(line)
        assert short(gateway.list_outbox()) == GOOD
    assert not {"DELE", "NOOP"} & set(server.commands)
