"""Who may come in, over which addresses, and what becomes of sessions that idle or are forgotten."""

from __future__ import annotations

import select
import time

import pytest
from needed import need
from observations import connections
from real_servers import KINDS, Proftpd, Pyftpdlib

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    GatewayUnavailableError,
    LoginRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.gateway.submission import Transfer

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


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


@EACH
def test_over_ipv6_data_connections_are_asked_for_with_epsv(kind, pki, client):
    need(kind.missing())
    with kind(pki, host="::1") as server:
        gateway = client(server)
        gateway.upload(b"six", service="Manifest", file_name="a.xml")
        assert (server.root / "Manifest/a.xml").read_bytes() == b"six"
        assert gateway.list_outbox() == []
        gateway.close()


@EACH
def test_a_session_that_idled_away_is_replaced_for_a_look_but_not_for_an_upload(kind, pki, client):
    need(kind.missing())
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
    readable, _, _ = select.select([gateway._session.sock], [], [], 20)
    assert readable != []


@EACH
def test_the_address_in_the_answer_to_pasv_is_not_believed(kind, pki, client, tmp_path):
    """Behind NAT it is wrong, and forged it is worse."""
    need(kind.missing())
    with kind(pki, advertised="192.0.2.1") as server:
        server.give(server.root / "out/answer.xml", b"12345")
        gateway = client(server)
        gateway.upload(b"x", service="Manifest", file_name="a.xml")
        gateway.download("answer.xml", tmp_path / "answer.xml")
        assert connections(gateway) == (2, 2)
        gateway.close()


# ------------------------------------------------------------ sessions that are forgotten, ends that are rude


def test_a_server_that_forgot_all_tls_sessions_is_asked_over_a_new_one(pki, client):
    """It demands reuse, and its ticket keys have changed: the old session can have no data connection any more."""
    with Pyftpdlib(pki) as server:
        gateway = client(server)
        assert gateway.list_outbox() == []
        server.forget_sessions()
        with pytest.raises(GatewayRefusedError, match="522"):
            gateway.list_outbox()
        assert gateway.list_outbox() == []
        assert connections(gateway) == (1, 1)
        gateway.upload(b"x", service="Manifest", file_name="a.xml")
        gateway.close()


def test_a_tls_session_that_is_about_to_be_forgotten_is_replaced_before_an_upload(pki, client):
    """The gateway says how long it knows one; to find out by a refused upload would be late."""
    with Pyftpdlib(pki, lifetime=2) as server:
        gateway = client(server)
        gateway.connect()
        session = gateway._session
        time.sleep(2.1)  # nobody is told when it is over
        gateway.upload(b"x", service="Manifest", file_name="a.xml")
        assert session is not gateway._session
        assert connections(gateway) == (1, 1)
        gateway.close()


def test_a_server_that_wants_to_renegotiate_is_told_no_and_serves_all_the_same(pki, client):
    """proftpd asks at every megabyte here."""
    need(Proftpd.missing())
    with Proftpd(pki, directives="TLSRenegotiate data 1024 required off timeout 3") as server:
        gateway = client(server)
        gateway.upload(bytes(3_000_000), service="Manifest", file_name="a.xml")
        assert gateway.last_transfer == Transfer.CONFIRMED
        assert gateway.list_outbox() == []
        assert "requesting TLS renegotiation on data channel" in (server.folder / "tls.log").read_text()
        assert connections(gateway) == (2, 2)
        gateway.close()


def test_a_server_without_close_notify_gives_files_whose_size_it_told_and_no_listing(pki, client, tmp_path):
    """Half a listing would look like a whole one."""
    with Pyftpdlib(pki, rude=True) as server:
        server.give(server.root / "out/answer.xml", bytes(100_000))
        gateway = client(server)
        assert gateway.download("answer.xml", tmp_path / "answer.xml") == 100_000
        gateway.upload(b"x", service="Manifest", file_name="a.xml")
        assert gateway.last_transfer == Transfer.CONFIRMED
        with pytest.raises(TransferError, match="cut after"):
            gateway.list_outbox()
        gateway.close()
