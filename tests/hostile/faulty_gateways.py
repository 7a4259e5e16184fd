"""Every fault that a diagnosis knows, provoked: by a real server, or by what a user gives."""

from __future__ import annotations

import contextlib
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from ssl import TLSVersion
from typing import Any

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from scripted_server import HOST, Answer, Conversation, ScriptedServer, server_context
from throwaway_pki import PASSPHRASE, ThrowawayPki, pem

from airflow_provider_icsftps.gateway import CertificateKind, ClientCertificate, GatewaySettings
from airflow_provider_icsftps.gateway.diagnosis import Diagnosis, diagnose
from airflow_provider_icsftps.simulator import GatewaySimulator

#: As long as a fault may take to show here.
SECONDS = 3.0


@dataclass
class World:
    """What provocations need."""

    pki: ThrowawayPki
    strangers: ThrowawayPki
    simulator: GatewaySimulator
    settings: Callable[..., GatewaySettings]
    monkeypatch: pytest.MonkeyPatch
    #: How long the last diagnosis took, without what was made for it: keys may take long.
    took: float = 0.0

    def of(self, read: GatewaySettings | Callable[[], GatewaySettings], **more: Any) -> Diagnosis:
        began = time.monotonic()
        try:
            return diagnose(read if callable(read) else lambda: read, **({"seconds": SECONDS} | more))
        finally:
            self.took = time.monotonic() - began

    def scripted(self, answers: dict[str, Answer] | None = None, /, **more: Any) -> Diagnosis:
        """Diagnose a scripted server; ``context`` is the server's, the rest goes to settings or to the diagnosis."""
        context = more.pop("context", None)
        options = {name: more.pop(name) for name in ("services", "heartbeat", "seconds") if name in more}
        with ScriptedServer(self.pki, answers, context=context) as server:
            return self.of(self.settings(server, **more), **options)

    def simulated(self, certificate: Any = None, /, **more: Any) -> Diagnosis:
        """Diagnose the simulator."""
        options = {name: more.pop(name) for name in ("services", "heartbeat") if name in more}
        return self.of(self.simulator.settings(certificate, **more), **options)


@contextlib.contextmanager
def a_port_that_swallows() -> Iterator[int]:
    """A listening port whose queue is full: the system drops whoever knocks, as a firewall does."""
    with socket.socket() as listener, contextlib.ExitStack() as waiting:
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(8):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect(listener.getsockname())
        time.sleep(0.1)
        yield listener.getsockname()[1]


def a_closed_port() -> int:
    with socket.create_server((HOST, 0)) as taken:
        return int(taken.getsockname()[1])


def cut(talk: Conversation, _: str) -> None:
    talk.drop()


def silence(talk: Conversation, _: str) -> None:
    talk.control.recv(4096)


def nobody_comes(talk: Conversation, _: str) -> None:
    """Wait for a data connection in vain."""


def implicit(talk: Conversation, _: str) -> None:
    talk.start_tls()
    talk.say("220 ready")


def babble(talk: Conversation, _: str) -> None:
    talk.say("234 go on")
    talk.control.recv(4096)
    talk.say("220 I do not know what you mean")
    talk.control.recv(4096)


def cut_handshake(talk: Conversation, _: str) -> None:
    talk.say("234 go on")
    talk.control.recv(4096)
    talk.drop()


def late(reply: str, seconds: float = 0.8) -> Answer:
    """Give a reply so late that it is only just in time."""

    def answer(talk: Conversation, _: str) -> None:
        time.sleep(seconds)
        talk.say(reply)

    return answer


def named(port: int) -> str:
    high, low = divmod(port, 256)
    return f"227 Entering Passive Mode (127,0,0,1,{high},{low})"


def another_certificate(w: World) -> Diagnosis:
    other = server_context(w.pki.new_server_file("other"), w.pki.ca_file)
    with ScriptedServer(w.pki, data_context=other) as server:
        return w.of(w.settings(server))


def old_tls(w: World) -> Diagnosis:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that old versions are deprecated is the point
        context = server_context(w.pki.server_file, w.pki.ca_file, TLSVersion.TLSv1_1)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return w.scripted(context=context)


def alert(number: int) -> Answer:
    """Answer the first word of the handshake with an alert."""

    def answer(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        talk.control.recv(4096)
        talk.control.sendall(bytes([21, 3, 3, 0, 2, 2, number]))  # alert, TLS 1.2, fatal
        talk.drop()

    return answer


def hello(version: int, cipher: int) -> Answer:
    """Answer the first word of the handshake as a server without any extension does, not even safe renegotiation."""

    def answer(talk: Conversation, _: str) -> None:
        talk.say("234 go on")
        talk.control.recv(4096)
        body = bytes([3, version]) + bytes(32) + b"\x00" + cipher.to_bytes(2, "big") + b"\x00"
        message = b"\x02" + len(body).to_bytes(3, "big") + body
        talk.control.sendall(bytes([22, 3, version]) + len(message).to_bytes(2, "big") + message)
        talk.control.recv(4096)
        talk.drop()

    return answer


def shown_for(w: World, label: str, **options: Any) -> Diagnosis:
    """Diagnose a server with another certificate."""
    context = server_context(w.pki.server_file, w.pki.ca_file)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(w.pki.new_server_file(label, **options))
    return w.scripted(context=context)


def short_key(w: World) -> Diagnosis:
    short = ClientCertificate.from_pem(w.pki.new_server_file("short", bits=1024).read_bytes())
    return w.of(w.settings(1, certificate=short, username="somebody"))


def odd_cipher(w: World) -> Diagnosis:
    context = server_context(w.pki.server_file, w.pki.ca_file)
    context.set_ciphers("AES128-CCM8:@SECLEVEL=0")
    return w.scripted(context=context)


def certificate_file(w: World, data: bytes, passphrase: str | None = PASSPHRASE) -> Diagnosis:
    def read() -> GatewaySettings:
        read = ClientCertificate.from_pem if b"BEGIN" in data else ClientCertificate.from_pkcs12
        return w.settings(1, certificate=read(data, passphrase))

    return w.of(read)


def no_dns(w: World) -> Diagnosis:
    def slow(*_: object, **__: object) -> list[object]:
        time.sleep(2 * SECONDS)
        return []

    w.monkeypatch.setattr(socket, "getaddrinfo", slow)
    return w.of(w.settings(1))


def swallowed(w: World) -> Diagnosis:
    with a_port_that_swallows() as port:
        return w.of(w.settings(port))


def swallowed_data(w: World) -> Diagnosis:
    with a_port_that_swallows() as port:
        return w.scripted({"PASV": named(port), "NLST": nobody_comes})


def from_the_future(w: World) -> Diagnosis:
    w.simulator.clock.advance(hours=5)
    w.simulator.put_in_outbox("letter.xml", b"<letter/>")
    return w.simulated()


def locked(w: World) -> Diagnosis:
    with GatewaySimulator(lock_after=1) as sim:
        w.of(sim.settings(password="not this one"))
        return w.of(sim.settings())


def not_oces(w: World) -> Diagnosis:
    other = w.simulator.client_certificate(kind=CertificateKind.OTHER, register=False).certificate
    return w.of(lambda: w.settings(1, certificate=other))


def other_username(w: World) -> Diagnosis:
    theirs = w.simulator.client_certificate(cvr="87654321")
    return w.simulated(username=theirs.username, password=theirs.password)


def issued(w: World, **options: Any) -> Diagnosis:
    """Diagnose with a certificate that the gateway has not been told of, but has an issuer's word for, or not."""
    return w.simulated(w.simulator.client_certificate(register=False, **options))


PROVOCATIONS: dict[str, Callable[[World], Diagnosis]] = {
    "incomplete": lambda w: w.of(lambda: w.settings(1, password="")),
    "certificate_unreadable": lambda w: certificate_file(w, b"no certificate"),
    "wrong_passphrase": lambda w: certificate_file(w, w.pki.client_p12, "another"),
    "no_private_key": lambda w: certificate_file(w, pem(w.pki.root)),
    "no_certificate": lambda w: certificate_file(w, pem(w.pki.client.private_key, w.pki.root), None),
    "wrong_environment": lambda w: w.of(lambda: w.settings(1, environment="production")),
    "no_username": not_oces,
    "certificate_expired": lambda w: issued(w, validity="expired"),
    "certificate_not_yet_valid": lambda w: issued(w, validity="not_yet"),
    "certificate_unusable": short_key,
    "host_unknown": lambda w: w.of(w.settings(6381, host="no-such-gateway.invalid")),
    "name_server_silent": no_dns,
    "port_closed": lambda w: w.of(w.settings(a_closed_port())),
    "port_filtered": swallowed,
    "unreachable": lambda w: w.of(w.settings(6381, host="255.255.255.255")),
    "closed_at_once": lambda w: w.scripted({"CONNECT": cut}),
    "silent": lambda w: w.scripted({"CONNECT": silence}),
    "implicit_tls": lambda w: w.scripted({"CONNECT": implicit}),
    "not_ftp": lambda w: w.scripted({"CONNECT": "SSH-2.0-OpenSSH_9.2"}),
    "busy": lambda w: w.scripted({"CONNECT": "421 too many users"}),
    "no_tls": lambda w: w.scripted({"AUTH": "500 AUTH not understood"}),
    "text_in_clear": lambda w: w.scripted({"AUTH": lambda talk, _: talk.say("234 go on", "230 forged")}),
    "tls_too_old": old_tls,
    "tls_too_new": lambda w: w.scripted(context=server_context(w.pki.server_file, w.pki.ca_file, TLSVersion.TLSv1_3)),
    "no_common_cipher": odd_cipher,
    "tls_unsafe": lambda w: w.scripted({"AUTH": hello(3, 0xC02F)}),
    "not_tls": lambda w: w.scripted({"AUTH": babble}),
    "handshake_cut": lambda w: w.scripted({"AUTH": cut_handshake}),
    "server_ca_unknown": lambda w: w.scripted(context=server_context(w.strangers.server_file, w.pki.ca_file)),
    "server_other_host": lambda w: w.scripted(
        context=server_context(w.pki.new_server_file("elsewhere", ("gateway.example",), ("192.0.2.1",)), w.pki.ca_file)
    ),
    "server_expired": lambda w: w.scripted(
        context=server_context(w.pki.new_server_file("expired", expired=True), w.pki.ca_file)
    ),
    "server_not_yet_valid": lambda w: w.scripted(
        context=server_context(w.pki.new_server_file("early", since=timedelta(days=1)), w.pki.ca_file)
    ),
    "server_unfit": lambda w: shown_for(w, "purpose", usage=ExtendedKeyUsageOID.CLIENT_AUTH),
    "no_issuing_ca": lambda w: issued(w, with_chain=False),
    "issuer_not_accepted": lambda w: issued(w, stranger=True),
    "certificate_refused": lambda w: w.scripted({"AUTH": alert(46)}),  # certificate_unknown
    "not_registered": issued,
    "other_username": other_username,
    "account_locked": locked,
    "wrong_password": lambda w: w.simulated(password="not this one"),
    "data_in_clear": lambda w: w.scripted({"PROT": "536 no such level"}),
    "data_ports_blocked": swallowed_data,
    "data_port_closed": lambda w: w.scripted({"PASV": named(a_closed_port()), "NLST": nobody_comes}),
    "data_port_outside": lambda w: w.simulated(data_ports=(1, 2)),
    "no_data_connection": lambda w: w.scripted({"NLST": "425 cannot open the data connection"}),
    "data_connection_untrusted": another_certificate,
    "no_outbox": lambda w: w.simulated(outbox="/elsewhere"),
    "no_service": lambda w: w.simulated(services=["Ics"]),
    "read_only": lambda w: w.simulated(services=["Manifest"], read_only=True),
    "heartbeat_refused": lambda w: w.scripted({"STOR": "553 no"}, heartbeat=True),
    "clock_behind": from_the_future,
    "too_slow": lambda w: w.scripted(
        {"USER": late("331 go on"), "PASS": late("230 welcome"), "PBSZ": late("200 fine"), "PROT": late("200 fine")}
    ),
    "later": lambda w: w.scripted({"PASS": "421 too many users"}),
    "cut_off": lambda w: w.scripted({"PROT": cut}),
    "unexpected": lambda w: w.scripted({"TYPE": "what?"}),
}
