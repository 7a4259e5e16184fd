"""Uploads to servers that nobody here wrote: what arrives, what the server itself calls complete, and what is cut."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from observations import connections, last_transfer
from running_server import PASSWORD
from throwaway_pki import PASSPHRASE

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway.submission import Transfer


@pytest.mark.parametrize("size", [0, 1, 5_000, 2_000_000])
def test_an_upload_arrives_to_the_byte_and_the_server_calls_it_complete(server, client, size):
    content = os.urandom(size)
    known = len(server.transfers())
    gateway = client(server)
    assert size == gateway.upload(content, service="Manifest", file_name="a.xml")
    assert gateway.last_transfer == Transfer.CONFIRMED
    assert content == (server.root / "Manifest/a.xml").read_bytes()
    assert size == gateway.stored_size("Manifest", "a.xml")
    assert connections(gateway) == (1, 1)
    assert last_transfer(server, known) == "c"


def test_many_uploads_go_over_one_session(server, client):
    gateway = client(server)
    for number in range(20):
        gateway.upload(b"%d" % number, service="Manifest", file_name=f"{number}.xml")
    assert {f"{n}.xml": b"%d" % n for n in range(20)} == {
        path.name: path.read_bytes() for path in (server.root / "Manifest").iterdir()
    }
    assert connections(gateway) == (20, 20)


def test_a_service_folder_that_is_not_there_is_a_refusal_and_nothing_was_sent(server, client):
    gateway = client(server)
    with pytest.raises(GatewayRefusedError) as caught:
        gateway.upload(b"x", service="NotOurs", file_name="a.xml")
    assert {"proftpd": 550, "vsftpd": 553, "pyftpdlib": 550}[server.name] == caught.value.code
    assert gateway.last_transfer == Transfer.NONE


def test_what_is_not_stored_has_no_size(server, client):
    assert client(server).stored_size("Manifest", "a.xml") is None


def test_a_stored_copy_can_be_removed(server, client):
    gateway = client(server)
    gateway.upload(b"x", service="Manifest", file_name="a.xml")
    assert [gateway.remove_stored("Manifest", "a.xml") for _ in range(2)] == [True, False]
    assert list((server.root / "Manifest").iterdir()) == []


class Broken(io.RawIOBase):
    """A source that fails after half a megabyte."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.left = 2
        self.error = error

    def readinto(self, buffer: Any) -> int:
        if self.left == 0:
            raise self.error
        self.left -= 1
        return len(buffer)


@pytest.mark.parametrize(
    "error", [OSError(5, "Input/output error"), KeyboardInterrupt()], ids=lambda e: type(e).__name__
)
def test_an_aborted_upload_is_not_taken_for_whole(server, client, error):
    """The cut copy may stay, as most servers keep it; but the server itself calls the transfer incomplete."""
    known = len(server.transfers())
    gateway = client(server)
    with pytest.raises(TransferError if isinstance(error, OSError) else KeyboardInterrupt):
        gateway.upload(Broken(error), service="Manifest", file_name="a.xml", size=10**9)
    assert gateway.last_transfer == Transfer.BROKEN
    assert last_transfer(server, known) == "i"
    gateway.upload(b"whole", service="Manifest", file_name="b.xml")  # over a new session
    assert (server.root / "Manifest/b.xml").read_bytes() == b"whole"


def test_an_upload_whose_process_is_killed_is_not_taken_for_whole(server, pki, tmp_path):
    """But by pyftpdlib, which takes a reset for an end: such a gateway is why a killed upload proves nothing."""
    script = textwrap.dedent(f"""
        import pathlib, sys, time
        from airflow_provider_icsftps.gateway import ClientCertificate, GatewayClient, GatewaySettings

        class Stuck:
            blocks = 4

            def readinto(self, buffer):
                self.blocks -= 1
                if self.blocks == 0:
                    print("in the middle", flush=True)
                    time.sleep(30)
                return len(buffer)

        certificate = ClientCertificate.from_pkcs12(sys.stdin.buffer.read(), {PASSPHRASE!r})
        settings = GatewaySettings(
            host={server.host!r}, port={server.port}, certificate=certificate, password={PASSWORD!r},
            ca_pem=pathlib.Path({str(pki.ca_file)!r}).read_text(),
        )
        GatewayClient(settings).upload(Stuck(), service="Manifest", file_name="a.xml")
    """)
    known = len(server.transfers())
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as process:
        process.stdin.write(pki.client_p12)
        process.stdin.close()
        said = process.stdout.readline()
        process.kill()
        process.wait(30)
        assert said == b"in the middle\n"
        # a gullible one calls it whole unless it sees the end of the control connection first
        assert last_transfer(server, known) in ({"c", "i"} if server.gullible else {"i"})


class Zeros:
    """A source of this many zeros."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(self.left, len(buffer))
        self.left -= count
        return count


@pytest.mark.timeout(400)
def test_200_mb_go_there_and_back(server, client, tmp_path):
    size = 200 * 1024 * 1024
    gateway = client(server, data_timeout=30.0, completion_timeout=30.0)
    assert gateway.upload(Zeros(size), service="Manifest", file_name="large.xml", size=size) == size
    assert gateway.last_transfer == Transfer.CONFIRMED
    assert gateway.stored_size("Manifest", "large.xml") == size
    (server.root / "Manifest/large.xml").rename(server.root / "out/large.xml")
    assert gateway.download("large.xml", tmp_path / "large.xml") == size
    assert (tmp_path / "large.xml").stat().st_size == size
    assert connections(gateway) == (2, 2)
