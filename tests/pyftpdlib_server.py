"""
pyftpdlib as a process: ``python pyftpdlib_server.py CONFIG``, a JSON file that real_servers.py writes.

TLS 1.2 with a client certificate, and the control connection's TLS session on each data connection. On SIGUSR1 it
forgets all TLS sessions, as a server does whose ticket keys change.
"""

from __future__ import annotations

import json
import signal
import sys
import weakref
from pathlib import Path

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

OPEN: weakref.WeakSet[TLS_FTPHandler] = weakref.WeakSet()
TOLD = json.loads(Path(sys.argv[1]).read_text())


def tls_context() -> SSL.Context:
    """A context that knows no session yet."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_chain_file(TOLD["certificate"])
    context.use_privatekey_file(TOLD["certificate"])
    context.load_verify_locations(TOLD["ca"])
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *args: bool(args[-1]))
    context.set_session_id(b"interop")
    context.set_timeout(TOLD["lifetime"])
    return context


class Data(TLS_DTPHandler):
    """A data connection that demands session reuse."""

    def handle_ssl_established(self) -> None:
        if self.socket.master_key() != self.cmd_channel.socket.master_key():
            self.cmd_channel.respond("522 session reuse required")
            self.close()

    def _do_ssl_shutdown(self) -> None:
        if TOLD["rude"] and not self.receive:
            self._ssl_established = self._ssl_closing = False
            self.handle_ssl_shutdown()
        else:
            super()._do_ssl_shutdown()


class Control(TLS_FTPHandler):
    """A control connection that keeps a log in the shape of the others'."""

    dtp_handler = Data
    tls_control_required = tls_data_required = True
    use_sendfile = False
    timeout = TOLD["idle"]
    max_login_attempts = 3
    auth_failed_timeout = 0
    ssl_context = tls_context()
    passive_ports = range(TOLD["data_ports"][0], TOLD["data_ports"][1] + 1) if TOLD["data_ports"] else None
    masquerade_address = TOLD["advertised"] or None

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*args, **more)
        OPEN.add(self)

    def on_file_received(self, file: str) -> None:
        self._log(file, "c")

    def on_incomplete_file_received(self, file: str) -> None:
        self._log(file, "i")

    def _log(self, file: str, how: str) -> None:
        with Path(TOLD["log"]).open("a") as log:
            log.write(f"{file} {how}\n")


def forget(*_: object) -> None:
    """Know no TLS session any more."""
    Control.ssl_context = tls_context()
    for control in OPEN:
        control.ssl_context = Control.ssl_context
    print("all sessions forgotten", flush=True)


Control.authorizer = DummyAuthorizer()
Control.authorizer.add_user(TOLD["username"], TOLD["password"], TOLD["root"], perm="elradfmwMT")
signal.signal(signal.SIGUSR1, forget)
FTPServer((TOLD["host"], TOLD["port"]), Control).serve_forever()
