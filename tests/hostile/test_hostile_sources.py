"""Uploads that fail on our side: never a polite end, and nothing that must not go out."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from expectations import PASSWORD, refused
from moments import within
from scripted_server import Conversation, ScriptedServer
from throwaway_pki import PASSPHRASE
from uploading import CONTENT, PATH, Endless, upload
from usual_answers import receive

from airflow_provider_icsftps.exceptions import (
    GatewayUnavailableError,
    InvalidNameError,
    TransferError,
)
from airflow_provider_icsftps.gateway.submission import Transfer


class Interrupted(BaseException):
    """As a task that is told to end gets it."""


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (OSError(5, "Input/output error"), TransferError),
        (EOFError("Compressed file ended before the end-of-stream marker was reached"), TransferError),
        (ValueError("I/O operation on closed file"), ValueError),
        (Interrupted(), Interrupted),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
@pytest.mark.parametrize("blocks", [0, 5])
def test_a_source_that_breaks_ends_in_abor_and_reset(pki, client, trouble, kind, blocks):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        with pytest.raises(kind):
            gateway.upload(Endless(blocks, trouble), service="Manifest", file_name="a.xml", size=10**9)
        assert gateway.last_transfer == Transfer.BROKEN
        assert server.endings == ["reset"]
        assert gateway.list_outbox() == []  # over a new connection
    assert server.commands[server.commands.index("STOR") + 1] == "ABOR"
    assert server.connections == 2


@pytest.mark.parametrize("size", [None, 5 * 256 * 1024], ids=["size unknown", "all of it given out"])
def test_an_interrupt_when_all_may_have_been_sent_proves_no_cut(pki, client, size):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        with pytest.raises(KeyboardInterrupt):
            gateway.upload(Endless(5, KeyboardInterrupt()), service="Manifest", file_name="a.xml", size=size)
        assert gateway.last_transfer == Transfer.KILLED
        assert server.endings == ["reset"]


def test_an_unreadable_source_is_named_with_what_was_sent(pki, client):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        error = OSError(5, "Input/output error")
        with refused(TransferError, server.address, PATH, str(4 * 256 * 1024), "Input/output error", "aborted"):
            upload(gateway, Endless(4, error))


def test_a_source_with_nothing_to_give_yet_is_not_at_its_end(pki, client):
    """A file that does not block returns None for that; taken for the end, half a file would be filed as a whole."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"first half")
    with ScriptedServer(pki) as server, io.FileIO(reading) as source, io.FileIO(writing, "w"):
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "aborted"):
            upload(gateway, source)
        assert server.endings == ["reset"]
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_client_that_is_killed_in_the_middle_leaves_a_reset_not_an_end(pki, settings, tmp_path):
    def wait_for_the_kill(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data, content = talk.accept_data(), bytearray()
        receive(data, content, limit=2_000_000)
        talk.server.reached.set()
        talk.server.endings.append(receive(data, content))
        talk.server.reached.clear()

    p12 = tmp_path / "client.p12"
    p12.write_bytes(pki.client_p12)
    script = textwrap.dedent(f"""
        import io, pathlib, time
        from airflow_provider_icsftps.gateway import ClientCertificate, GatewayClient, GatewaySettings

        class Slow(io.RawIOBase):
            def readinto(self, buffer):
                time.sleep(0.001)
                return len(buffer)

        certificate = ClientCertificate.from_pkcs12(pathlib.Path({str(p12)!r}).read_bytes(), {PASSPHRASE!r})
        ca_pem = pathlib.Path({str(pki.ca_file)!r}).read_text()
        settings = GatewaySettings(
            host="127.0.0.1", port=int(input()), certificate=certificate, password={PASSWORD!r}, ca_pem=ca_pem
        )
        GatewayClient(settings).upload(Slow(), service="Manifest", file_name="a.xml")
    """)
    with ScriptedServer(pki, {"STOR": wait_for_the_kill}) as server:
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            process.stdin.write(f"{server.port}\n".encode())
            process.stdin.close()
            reached = server.reached.wait(60)
            process.kill()
        assert reached
        within(20, lambda: server.endings)
        assert server.endings == ["reset"]


# ------------------------------------------------------------ before anything is sent


@pytest.mark.parametrize("name", ["a\r\nDELE b", "a\0b", "../a.xml", "a/b.xml", "", ".", "..", "a b.xml", "æ.xml"])
def test_a_name_that_must_not_go_out_never_leads_to_a_connection(pki, client, name):
    with ScriptedServer(pki) as server, pytest.raises(InvalidNameError):
        client(server).upload(CONTENT, service="Manifest", file_name=name)
    assert server.connections == 0


def test_a_dead_session_is_noticed_before_stor_and_the_upload_is_not_repeated(pki, client):
    with ScriptedServer(pki, {"TYPE": good_then_gone}) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayUnavailableError, server.address, PATH):
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
    assert server.commands.count("STOR") == 0
    assert server.connections == 1


def good_then_gone(talk: Conversation, _: str) -> None:
    talk.say("200 fine")
    talk.drop()
