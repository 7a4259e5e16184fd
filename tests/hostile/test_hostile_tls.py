"""
TLS that is not good enough, and thieves on the way: nothing goes out before TLS 1.2 is up with who was asked for, and
nothing goes over a data connection to anybody else.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import warnings

import pytest
from expectations import refused
from faulty_gateways import alert, hello
from OpenSSL import SSL
from scripted_server import Conversation, ScriptedServer, server_context
from tls_versions import OTHER_VERSIONS, other_context
from uploading import upload
from usual_answers import reset

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayUnavailableError,
    LoginRefusedError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._sockets import wrapped
from airflow_provider_icsftps.gateway.submission import Transfer

FILES = {"/out/answer.xml": b"12345"}


# ------------------------------------------------------------ TLS that is not good enough


@OTHER_VERSIONS
def test_a_client_of_that_version_is_served_so_the_servers_below_do_try_it(pki, version):
    with ScriptedServer(pki, context=other_context(pki, version)) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        plain = ssl.create_default_context(cadata=pki.ca_pem)
        plain.minimum_version = plain.maximum_version = version
        plain.set_ciphers("DEFAULT:@SECLEVEL=0")
        pki.client.load_into(plain)
        with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
            raw.recv(100)
            raw.sendall(b"AUTH TLS\r\n")
            raw.recv(100)
            with plain.wrap_socket(raw, server_hostname="127.0.0.1") as tls:
                assert tls.version() == version.name.replace("_", ".").replace("TLSv1.0", "TLSv1")


@OTHER_VERSIONS
def test_a_gateway_with_another_version_than_tls_1_2_is_refused(pki, client, version):
    with (
        ScriptedServer(pki, context=other_context(pki, version)) as server,
        refused(UntrustedGatewayError, server.address, "TLS 1.2"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


@pytest.mark.parametrize("ciphers", ["aNULL", "eNULL"])
def test_a_gateway_without_certificate_or_without_encryption_is_refused(pki, client, ciphers):
    context = server_context(pki.server_file, pki.ca_file)
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with (
        ScriptedServer(pki, context=context) as server,
        refused(UntrustedGatewayError, server.address, "TLS 1.2 with a cipher that is accepted"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


def test_a_server_whose_ca_is_unknown_is_refused(pki, strangers, client):
    context = server_context(strangers.server_file, pki.ca_file)
    with (
        ScriptedServer(pki, context=context) as server,
        refused(UntrustedGatewayError, server.address, "ca_pem"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


def test_a_server_certificate_for_another_host_is_refused(pki, client):
    other = pki.new_server_file("elsewhere", names=("gateway.example",), addresses=("192.0.2.1",))
    with (
        ScriptedServer(pki, context=server_context(other, pki.ca_file)) as server,
        refused(UntrustedGatewayError, server.address, "host name"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


def test_an_expired_server_certificate_is_refused(pki, client):
    expired = pki.new_server_file("expired", expired=True)
    with (
        ScriptedServer(pki, context=server_context(expired, pki.ca_file)) as server,
        refused(UntrustedGatewayError, server.address, "expired"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (40, UntrustedGatewayError, "TLS 1.2 with a cipher that is accepted"),  # handshake_failure
        (71, UntrustedGatewayError, "TLS 1.2 with a cipher that is accepted"),  # insufficient_security
        (112, UntrustedGatewayError, "not of this name"),  # unrecognized_name
        (49, GatewayUnavailableError, "refuses the TLS handshake (access denied)"),
        (80, GatewayUnavailableError, "internal error"),
        (44, LoginRefusedError, "certificate revoked"),
        (48, LoginRefusedError, "unknown ca"),
    ],
)
def test_an_alert_before_our_certificate_is_asked_for_is_not_about_it_unless_it_says_so(
    pki, client, number, kind, words
):
    with ScriptedServer(pki, {"AUTH": alert(number)}) as server, refused(kind, server.address, words):
        client(server).connect()


def test_a_gateway_without_safe_renegotiation_is_not_tried_again_and_told(pki, client):
    with (
        ScriptedServer(pki, {"AUTH": hello(3, 0xC02F)}) as server,
        refused(UntrustedGatewayError, server.address, "not safe enough", "unsafe legacy renegotiation disabled"),
    ):
        client(server).connect()


@pytest.mark.parametrize(
    "reply", ["500 AUTH not understood", "502 no", "534 policy", "530 Please login with USER and PASS."]
)
def test_a_gateway_without_tls_is_not_trusted_and_hears_no_username(pki, client, reply):
    with (
        ScriptedServer(pki, {"AUTH": reply}) as server,
        refused(UntrustedGatewayError, server.address, reply[:3], "TLS"),
    ):
        client(server).connect()
    assert server.lines == ["AUTH TLS"]


def test_what_is_not_tls_behind_the_234_is_no_tls(pki, client):
    def babble(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        talk.control.recv(4096)  # the ClientHello
        talk.say("220 I do not know what you mean")
        talk.control.recv(4096)

    with (
        ScriptedServer(pki, {"AUTH": babble}) as server,
        refused(GatewayProtocolError, server.address, "not TLS"),
    ):
        client(server).connect()


def test_text_in_clear_behind_the_234_is_refused_and_nothing_more_is_sent(pki, client):
    seen = bytearray()

    def inject(talk: Conversation, _: str) -> None:
        talk.say("234 go on", "230 you are logged in")  # one segment
        while block := talk.control.recv(4096):
            seen.extend(block)

    with (
        ScriptedServer(pki, {"AUTH": inject}) as server,
        refused(UntrustedGatewayError, server.address, "tampering"),
    ):
        client(server).connect()
    assert seen == b""
    assert server.in_clear == b"AUTH TLS\r\n"


def test_an_answer_that_lies_ready_before_it_is_asked_for_does_not_log_in(pki, client):
    """220 and a forged 234 in one segment: the real 234 would then be no TLS."""
    with (
        ScriptedServer(pki, {"CONNECT": "220 ready\r\n234 go on"}) as server,
        refused(GatewayProtocolError, server.address, "234 go on without being asked"),
    ):
        client(server).connect()
    assert server.lines == []


def test_a_session_that_is_not_protected_yet_has_nothing_to_resume(settings):
    assert FtpsSession(settings(1)).can_resume is False


def test_another_certificate_of_the_same_ca_is_fine_in_the_next_session(pki, client):
    """Certificates are renewed each year; a leaf is never pinned."""
    with ScriptedServer(pki, {"PASV": lambda talk, _: talk.drop()}, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        server.context = server.data_context = server_context(pki.new_server_file("renewed"), pki.ca_file)
        server.answers.clear()
        server.answers["NOOP"] = "200 fine"
        gateway._session.close()
        assert [entry.name for entry in gateway.list_outbox()] == ["answer.xml"]
    assert server.connections == 2


def test_a_stranger_in_the_next_session_hears_nothing(pki, strangers, client):
    with ScriptedServer(pki, files=FILES) as server:
        gateway = client(server)
        gateway.connect()
        server.context = server_context(strangers.server_file, pki.ca_file)
        gateway._session.close()
        with refused(UntrustedGatewayError, server.address, "does not verify"):
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
    assert server.commands.count("PASS") == 1
    assert server.commands[-1] == "AUTH"


def test_a_connection_that_is_reset_before_the_handshake_leaves_no_socket_open(settings):
    """CPython leaves it to the garbage collector, and a wait that meets that every minute runs out of files."""
    context = settings(1).tls_context
    with socket.create_server(("127.0.0.1", 0)) as listener:
        raw = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
        reset(theirs)
        assert select.select([raw], [], [], 20)[0]
        descriptor = raw.fileno()
        with pytest.raises(OSError, match=r".") as caught:
            wrapped(context, raw, "127.0.0.1")
    assert caught.value.errno in {errno.ENOTCONN, errno.ECONNRESET, errno.EINVAL}
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


# ------------------------------------------------------------ renegotiation


class OpensslSocket:
    """A socket of pyOpenSSL's, which can renegotiate; in the shape that a conversation wants."""

    def __init__(self, connection: SSL.Connection, raw) -> None:
        self.connection = connection
        self.sendall = connection.sendall
        self.close = raw.close

    def recv(self, size: int) -> bytes:
        try:
            return self.connection.recv(size)
        except SSL.Error:
            return b""


def openssl_context(certificate) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(str(certificate))
    context.use_privatekey_file(str(certificate))
    context.set_session_id(b"renegotiating")
    return context


def test_the_gateway_does_not_become_another_one_in_the_middle(pki, client):
    """A renegotiation is declined, whoever wants it. OpenSSL's servers end the connection then."""
    other = pki.new_server_file("other")
    asked = []

    def start(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        raw = talk.control
        raw.settimeout(None)
        connection = SSL.Connection(openssl_context(pki.server_file), raw)
        connection.set_accept_state()
        connection.do_handshake()
        talk.control = OpensslSocket(connection, raw)

    def renegotiate(talk: Conversation, _: str) -> None:
        connection = talk.control.connection
        connection.set_context(openssl_context(other))
        asked.append(connection.renegotiate())
        connection.do_handshake()
        talk.say("230 welcome")

    with ScriptedServer(pki, {"AUTH": start, "PASS": renegotiate}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, "closed the connection"):
            gateway.connect()
    assert asked == [True]
    assert server.commands[:3] == ["AUTH", "USER", "PASS"]
    assert "STOR" not in server.commands
