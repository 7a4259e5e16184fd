"""Outboxes on servers that nobody here wrote: listed, fetched, emptied; odd names and many."""

from __future__ import annotations

import os
import time

import pytest
from observations import connections

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    TransferError,
)

DANISH = "Ærø til Åbenrå, går i dag.xml"


def test_an_empty_outbox_is_an_empty_list(server, client):
    assert client(server).list_outbox() == []


def test_10_000_files_are_listed_with_their_sizes(server, client):
    names = [f"status_Manifest_{number:05}.xml_1.xml" for number in range(10_000)]
    for number, name in enumerate(names):
        if number < 7:
            server.give(server.root / "out" / name, bytes(number))
        else:
            os.link(server.root / "out" / names[number % 7], server.root / "out" / name)
    gateway = client(server, timeout=20.0, data_timeout=20.0, completion_timeout=20.0)
    entries = gateway.list_outbox(times=False)
    assert [(name, number % 7) for number, name in enumerate(names)] == [(e.name, e.size) for e in entries]
    assert server.mlsd == gateway._session.has_mlsd
    assert connections(gateway) == (1, 1)


def test_files_are_listed_with_their_times(server, client):
    """vsftpd has no MLSD, so each file's time is asked for."""
    for number in range(200):
        server.give(server.root / f"out/{number}.xml", b"")
    entries = client(server).list_outbox()
    now = time.time()
    assert len(entries) == 200
    assert [entry for entry in entries if abs(entry.modified.timestamp() - now) > 60] == []


def test_an_outbox_that_is_not_there_shows_as_the_server_has_it(server, client):
    """Most say 550. vsftpd lists nothing, as if it were empty: an empty list does not prove that there is one."""
    gateway = client(server, outbox="/nowhere")
    if server.name == "vsftpd":
        assert gateway.list_outbox() == []
    else:
        with pytest.raises(FileNotAvailableError):
            gateway.list_outbox()


@pytest.mark.parametrize("size", [0, 5_000, 2_000_000])
def test_a_download_is_the_file_to_the_byte(server, client, tmp_path, size):
    content = os.urandom(size)
    server.give(server.root / "out/answer.xml", content)
    gateway = client(server)
    assert size == gateway.download("answer.xml", tmp_path / "answer.xml")
    assert content == (tmp_path / "answer.xml").read_bytes()


def test_a_download_of_another_size_than_listed_is_no_file(server, client, tmp_path):
    server.give(server.root / "out/answer.xml", b"12345")
    with pytest.raises(TransferError):
        client(server).download("answer.xml", tmp_path / "answer.xml", size=6)
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_file_is_gone(server, client):
    server.give(server.root / "out/answer.xml", b"12345")
    gateway = client(server)
    gateway.delete("answer.xml")
    assert list((server.root / "out").iterdir()) == []
    with pytest.raises(FileNotAvailableError):
        gateway.delete("answer.xml")


def test_a_file_that_is_not_there_is_not_available_and_the_session_goes_on(server, client, tmp_path):
    gateway = client(server)
    with pytest.raises(FileNotAvailableError):
        gateway.download("answer.xml", tmp_path / "answer.xml")
    server.give(server.root / "out/answer.xml", b"12345")
    session = gateway._session
    gateway.download("answer.xml", tmp_path / "answer.xml")
    assert session is gateway._session
    assert [tmp_path / "answer.xml"] == list(tmp_path.iterdir())


def test_names_with_blanks_and_danish_letters_pass_both_ways(server, client, tmp_path):
    gateway = client(server)
    gateway.upload(b"hej", service="Manifest", file_name=DANISH)
    assert [path.name for path in (server.root / "Manifest").iterdir()] == [DANISH]
    server.give(server.root / "out" / DANISH, b"farvel")
    assert [(entry.name, entry.size) for entry in gateway.list_outbox()] == [(DANISH, 6)]
    gateway.download(DANISH, tmp_path / "fetched")
    assert (tmp_path / "fetched").read_bytes() == b"farvel"
    gateway.delete(DANISH)
    assert gateway.list_outbox() == []


ODD = [
    " leading", "two  blanks", "-rf", "~root", "a*b", "[ab]", "a?b", "{a,b}", "a'b\"c", "%41%00", "a;type=dir; b", "#a",
    "a:b", "a=b", "a,b", "$HOME", "`id`", "|ls", "日本", "😀", "total 7", "æ" * 100, "x" * 250,
]  # fmt: skip


def test_odd_names_are_listed_fetched_and_deleted(server, client, tmp_path):
    for number, name in enumerate(ODD):
        server.give(server.root / "out" / name, b"%d" % number)
    gateway = client(server)
    assert {entry.name for entry in gateway.list_outbox()} == set(ODD)
    for number, name in enumerate(ODD):
        gateway.download(name, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == b"%d" % number
        gateway.delete(name)
    assert list((server.root / "out").iterdir()) == []


def test_names_with_control_characters_are_left_out_and_the_others_are_not(server, client):
    for name in ("a\rb", "a\x1b[2Jb", "a\tb", "a\x7fb", "good.xml"):
        server.give(server.root / "out" / name, b"1")
    names = [entry.name for entry in client(server).list_outbox()]
    assert "good.xml" in names
    assert [name for name in names if not name.isprintable()] == []


def test_a_name_that_is_no_utf_8_can_be_fetched_if_the_server_tells_it(server, client, tmp_path):
    """pyftpdlib shows a question mark instead of the letter, and knows no file by that name."""
    name = "g\udce5r.xml"  # the byte E5, an å in Latin-1
    server.give(server.root / "out" / name, b"hej")
    gateway = client(server)
    (shown,) = [entry.name for entry in gateway.list_outbox()]
    if server.name == "pyftpdlib":
        assert shown == "g?r.xml"
        with pytest.raises(FileNotAvailableError):
            gateway.download(shown, tmp_path / "fetched")
    else:
        assert shown == name
        gateway.download(name, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == b"hej"
