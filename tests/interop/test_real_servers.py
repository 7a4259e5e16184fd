"""
The client against proftpd and vsftpd: mutual TLS 1.2, a client certificate and session reuse demanded.

``install_servers.sh`` lays both on this machine. Without them the tests are skipped; where ``CI`` is ``true`` they
fail instead.
"""

from __future__ import annotations

import io
import os
import select
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from real_servers import PASSWORD, Proftpd, RealServer, Vsftpd

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayUnavailableError,
    LoginRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import FileNameRule, GatewayClient, GatewaySettings
from airflow_provider_icsftps.gateway.submission import Transfer

from throwaway_pki import PASSPHRASE, ThrowawayPki  # isort: skip  # real_servers says where it is

SERVERS = pytest.mark.parametrize("kind", [Proftpd, Vsftpd], ids=lambda kind: kind.name)
DANISH = "Ærø til Åbenrå, går i dag.xml"


def demand(kind: type[RealServer]) -> None:
    """Skip without this server; in CI a missing server is a failure."""
    if reason := kind.missing():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """The authority of this run."""
    return ThrowawayPki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> ThrowawayPki:
    """An authority that the servers do not know."""
    return ThrowawayPki(tmp_path_factory.mktemp("strangers"))


@pytest.fixture(scope="module", params=[Proftpd, Vsftpd], ids=lambda kind: kind.name)
def running(request: pytest.FixtureRequest, pki: ThrowawayPki) -> Iterator[RealServer]:
    """Each of the two in turn."""
    demand(request.param)
    with request.param(pki) as server:
        yield server


@pytest.fixture
def server(running: RealServer) -> RealServer:
    """The same with both folders empty."""
    running.empty()
    return running


@pytest.fixture
def client(pki: ThrowawayPki) -> Iterator[Callable[..., GatewayClient]]:
    """Make a client of a server; all are closed in the end, and every data connection resumed a session."""
    made: list[GatewayClient] = []

    def make(server: RealServer, **more: Any) -> GatewayClient:
        values: dict[str, Any] = {
            "host": server.host,
            "port": server.port,
            "certificate": pki.client,
            "password": PASSWORD,
            "ca_pem": pki.ca_pem,
            "connect_timeout": 5.0,
            "timeout": 5.0,
            "data_timeout": 5.0,
            "completion_timeout": 5.0,
            "file_name_rule": FileNameRule("A-Za-z0-9_., æøåÆØÅ-"),
        }
        made.append(GatewayClient(GatewaySettings(**(values | more))))
        return made[-1]

    yield make
    for one in made:
        if one._session is not None:
            assert one._session.data_connections == one._session.resumed
        one.close()


def connections(gateway: GatewayClient) -> tuple[int, int]:
    """Data connections over the present session, and how many of them resumed it."""
    session = gateway._session
    assert session is not None
    return session.data_connections, session.resumed


def last_transfer(server: RealServer, known: int) -> str:
    """What the server's log says about the transfer after the ones known, given a moment to say it."""
    deadline = time.monotonic() + 3
    while len(server.transfers()) <= known and time.monotonic() < deadline:
        time.sleep(0.01)
    return server.transfers()[-1]


# ------------------------------------------------------------ filing


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
    assert {"proftpd": 550, "vsftpd": 553}[server.name] == caught.value.code
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
        process.wait(5)
        assert said == b"in the middle\n"
        assert last_transfer(server, known) == "i"


# ------------------------------------------------------------ the outbox


def test_an_empty_outbox_is_an_empty_list(server, client):
    assert client(server).list_outbox() == []


def test_2_000_files_are_listed_with_sizes_and_times(server, client):
    for number in range(2_000):
        server.give(server.root / f"out/status_Manifest_{number:04}.xml_1.xml", bytes(number % 7))
    gateway = client(server)
    entries = gateway.list_outbox()
    assert [(f"status_Manifest_{n:04}.xml_1.xml", n % 7) for n in range(2_000)] == [(e.name, e.size) for e in entries]
    now = time.time()
    assert [entry for entry in entries if abs(entry.modified.timestamp() - now) > 60] == []
    assert server.mlsd == gateway._session.has_mlsd
    assert connections(gateway) == (1, 1)


def test_an_outbox_that_is_not_there_shows_as_the_server_has_it(server, client):
    """proftpd says 550. vsftpd lists nothing, as if it were empty: an empty list does not prove that there is one."""
    gateway = client(server, outbox="/nowhere")
    if server.name == "proftpd":
        with pytest.raises(FileNotAvailableError):
            gateway.list_outbox()
    else:
        assert gateway.list_outbox() == []


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


def test_a_name_that_is_no_utf_8_can_be_fetched_all_the_same(server, client, tmp_path):
    name = "g\udce5r.xml"  # the byte E5, an å in Latin-1
    server.give(server.root / "out" / name, b"hej")
    gateway = client(server)
    if [name] == [entry.name for entry in gateway.list_outbox()]:
        gateway.download(name, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == b"hej"


# ------------------------------------------------------------ who may come in


def test_a_wrong_password_is_a_refused_login(server, client):
    gateway = client(server, password="not this one")
    for _ in range(2):
        with pytest.raises(LoginRefusedError) as caught:
            gateway.connect()
        assert caught.value.code == 530


def test_a_strangers_certificate_is_a_refused_login(server, strangers, client):
    gateway = client(server, certificate=strangers.client, username=server.username)
    with pytest.raises(LoginRefusedError) as caught:
        gateway.connect()
    assert "client certificate" in str(caught.value)


# ------------------------------------------------------------ other addresses, idle sessions


@SERVERS
def test_over_ipv6_data_connections_are_asked_for_with_epsv(kind, pki, client, tmp_path):
    demand(kind)
    with kind(pki, host="::1") as server:
        gateway = client(server)
        gateway.upload(b"six", service="Manifest", file_name="a.xml")
        assert (server.root / "Manifest/a.xml").read_bytes() == b"six"
        assert gateway.list_outbox() == []
        gateway.close()


@SERVERS
def test_a_session_that_idled_away_is_replaced_for_a_look_but_not_for_an_upload(kind, pki, client):
    demand(kind)
    with kind(pki, idle=2) as server:
        server.give(server.root / "out/answer.xml", b"12345")
        gateway = client(server)
        gateway.connect()
        idle_away(gateway)
        assert [entry.name for entry in gateway.list_outbox()] == ["answer.xml"]
        idle_away(gateway)
        with pytest.raises(GatewayUnavailableError):
            gateway.upload(b"x", service="Manifest", file_name="a.xml")
        assert gateway.last_transfer == Transfer.NONE
        assert list((server.root / "Manifest").iterdir()) == []
        gateway.upload(b"x", service="Manifest", file_name="a.xml")
        gateway.close()


def idle_away(gateway: GatewayClient) -> None:
    """Wait until the server has said or done something unasked."""
    readable, _, _ = select.select([gateway._session.sock], [], [], 6)
    assert readable != []
