"""Gateways that cannot be trusted, refuse us, or are no FTPS gateway at all: nothing is sent that should not be."""

from __future__ import annotations

import socket

import pytest
from expectations import PASSWORD, QUICK, refused
from scripted_server import HOST, Conversation, ScriptedServer, server_context

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    LoginRefusedError,
)
from airflow_provider_icsftps.gateway import GatewaySettings
from airflow_provider_icsftps.gateway.submission import Transfer


def test_a_good_gateway_hears_these_commands_and_only_auth_tls_in_clear(pki, client):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        gateway.connect()
        gateway.close()
        username = gateway.settings.username
    assert server.in_clear == b"AUTH TLS\r\n"
    assert [
        "AUTH TLS",
        f"USER {username}",
        f"PASS {PASSWORD}",
        "PBSZ 0",
        "PROT P",
        "TYPE I",
        "QUIT",
    ] == server.lines


# ------------------------------------------------------------ refused


def test_a_client_certificate_that_the_gateway_does_not_know_is_a_refused_login(pki, strangers, client):
    context = server_context(pki.server_file, strangers.ca_file)
    with ScriptedServer(pki, context=context) as server:
        gateway = client(server)
        with refused(LoginRefusedError, server.address, "client certificate", "registered"):
            gateway.connect()
        with refused(LoginRefusedError, server.address, "client certificate"):
            gateway.list_outbox()
    assert server.connections == 1


def test_a_refused_password_is_sent_once_whatever_is_called_then(pki, client, folder):
    with ScriptedServer(pki, {"PASS": "530 Login incorrect."}) as server:
        gateway = client(server)
        for verb in (
            gateway.connect,
            gateway.connect,
            gateway.list_outbox,
            lambda: gateway.upload(b"x", service="Manifest", file_name="a.xml"),
            lambda: gateway.download("a.xml", folder / "a.xml"),
            lambda: gateway.delete("a.xml"),
        ):
            with refused(LoginRefusedError, server.address, "530", "password"):
                verb()
    assert server.commands.count("PASS") == 1
    assert server.connections == 1
    assert gateway.last_transfer == Transfer.NONE


def test_530_at_user_is_a_refused_login_and_no_password_is_sent(pki, client):
    with (
        ScriptedServer(pki, {"USER": "530 not you"}) as server,
        refused(LoginRefusedError, server.address, "530 not you", "username"),
    ):
        client(server).connect()
    assert server.commands.count("PASS") == 0


@pytest.mark.parametrize("reply", ["500 no", "550 no such user", "599 PASS?"])
@pytest.mark.parametrize("command", ["USER", "PASS"])
def test_any_no_to_a_login_is_a_refused_one_and_not_tried_again(pki, client, command, reply):
    with ScriptedServer(pki, {command: reply}) as server:
        gateway = client(server)
        for _ in range(2):
            with refused(LoginRefusedError, server.address, reply, "password"):
                gateway.connect()
    assert server.connections == 1


@pytest.mark.parametrize(("command", "reply"), [("USER", "150 soon"), ("PASS", "150 soon"), ("PASS", "332 account?")])
def test_what_is_no_yes_to_a_login_logs_nobody_in(pki, client, command, reply):
    with (
        ScriptedServer(pki, {command: reply}) as server,
        refused(GatewayProtocolError, server.address, reply, "makes no sense"),
    ):
        client(server).connect()
    assert server.commands[-1] == command


@pytest.mark.parametrize("reply", ["530 not from your address", "550 not from your address"])
@pytest.mark.parametrize("command", ["CONNECT", "PBSZ", "PROT", "TYPE"])
def test_a_no_on_the_way_in_is_not_about_a_file_nor_a_greeting_about_a_password(pki, client, command, reply):
    """Whoever deletes a file takes a 550 for one that has gone."""
    with ScriptedServer(pki, {command: reply}) as server:
        gateway = client(server)
        kind = LoginRefusedError if reply.startswith("530") and command != "CONNECT" else GatewayRefusedError
        with refused(kind, server.address, reply) as caught:
            gateway.delete("a.xml")
    assert ("password" in str(caught.value)) == (kind is LoginRefusedError)


def test_a_gateway_that_is_content_with_the_certificate_gets_no_password(pki, client):
    with ScriptedServer(pki, {"USER": "232 authorized by certificate"}) as server:
        client(server).connect()
    assert server.commands.count("PASS") == 0


def test_a_gateway_that_does_not_protect_data_is_not_used(pki, client):
    with (
        ScriptedServer(pki, {"PROT": "536 no such level"}) as server,
        refused(GatewayRefusedError, server.address, "536"),
    ):
        client(server).connect()
    assert server.lines[-1] == "PROT P"


# ------------------------------------------------------------ not there, or not now


def test_421_for_a_greeting_is_worth_another_try(pki, client):
    with (
        ScriptedServer(pki, {"CONNECT": "421 too many users"}) as server,
        refused(GatewayUnavailableError, server.address, "421 too many users", "later"),
    ):
        client(server).connect()
    assert server.lines == []


def test_421_for_the_password_is_no_refused_login(pki, client):
    with ScriptedServer(pki, {"PASS": "421 too many users"}) as server:
        gateway = client(server)
        for _ in range(2):
            with refused(GatewayUnavailableError, server.address, "421 too many users"):
                gateway.connect()
    assert server.connections == 2


def test_a_refused_connection_names_host_and_port(client):
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    with refused(GatewayUnavailableError, f"{HOST}:{port}", "firewall"):
        client(port).connect()


def test_a_host_that_does_not_exist_is_named(settings, client):
    with refused(GatewayUnavailableError, "no-such-host.invalid:6381", "DNS", seconds=20):
        client(6381, host="no-such-host.invalid").connect()


def test_an_implicit_tls_server_never_greets_and_times_out(pki, client):
    def implicit(talk: Conversation, _: str) -> None:
        talk.start_tls()  # waits for a ClientHello that never comes

    with (
        ScriptedServer(pki, {"CONNECT": implicit}) as server,
        refused(GatewayTimeoutError, server.address, "no answer in time"),
    ):
        client(server, **QUICK).connect()
    assert server.in_clear == b""


def test_a_handshake_that_never_goes_on_times_out(pki, client):
    def silent(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        while talk.control.recv(4096):
            pass

    with (
        ScriptedServer(pki, {"AUTH": silent}) as server,
        refused(GatewayTimeoutError, server.address, "TLS handshake"),
    ):
        client(server, **QUICK).connect()


@pytest.mark.parametrize("command", ["AUTH", "USER", "PASS", "PROT", "TYPE"])
def test_a_connection_closed_instead_of_an_answer_is_worth_another_try(pki, client, command):
    with (
        ScriptedServer(pki, {command: lambda talk, _: talk.drop()}) as server,
        refused(GatewayUnavailableError, server.address, "later"),
    ):
        client(server).connect()


def test_settings_never_print_the_password(settings):
    made: GatewaySettings = settings(6381)
    assert PASSWORD not in repr(made)
