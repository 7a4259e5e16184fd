"""The simulator's thread: one event loop, one listening socket, and what they serve."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from OpenSSL import SSL

from airflow_provider_icsftps.simulator._pyftpdlib import FTPServer, IOLoop
from airflow_provider_icsftps.simulator.control import ControlConnection
from airflow_provider_icsftps.simulator.data import DataConnection
from airflow_provider_icsftps.simulator.folders import Permissions
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.pki import PublicKeyInfrastructure, ServerCertificate

TlsVersion = Literal["1.0", "1.1", "1.2", "1.3"]

_TICK = 0.05  # seconds until the thread notices that it is to stop
_SECONDS_TO_END = 30  # a large upload that ends meanwhile is looked into first
_VERSIONS: dict[TlsVersion, int] = {
    "1.0": SSL.TLS1_VERSION,
    "1.1": SSL.TLS1_1_VERSION,
    "1.2": SSL.TLS1_2_VERSION,
    "1.3": SSL.TLS1_3_VERSION,
}


class _Listener(FTPServer):  # type: ignore[misc]  # pyftpdlib has no types
    def handle_accepted(self, sock: socket.socket, addr: Any) -> None:
        connection = self.handler(sock, self, ioloop=self.ioloop)
        if connection.connected:
            self.ip_map.append(addr[0])
            connection.handle()
        else:
            sock.close()  # the client has gone again, and pyftpdlib forgets its socket

    def handle_error(self) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, ConnectionError):
            self.handler.keep_error(error)


class Server:
    """
    The sockets of one simulator.

    :param gateway: what is served.
    :param pki: who signs.
    :param host: address to listen on.
    :param port: port to listen on; 0 for any free one.
    :param data_ports: first and last passive data port; by default any free one.
    :param tls_versions: versions of TLS that are spoken.
    :param require_session_reuse: whether data connections must resume the control connection's session.
    :param certificate: which server certificate to show.
    """

    def __init__(
        self,
        gateway: Gateway,
        pki: PublicKeyInfrastructure,
        host: str,
        port: int,
        data_ports: tuple[int, int] | None,
        tls_versions: Sequence[TlsVersion],
        require_session_reuse: bool,
        certificate: ServerCertificate,
    ) -> None:
        self._gateway = gateway
        self._pki = pki
        self._tls_versions = tuple(tls_versions)
        self._certificate = certificate
        self._contexts: dict[ServerCertificate, SSL.Context] = {}
        self._errors: list[BaseException] = []
        self._stopping = threading.Event()
        # classes of this simulator's own, because pyftpdlib takes its settings from class attributes
        data_connection = type("DataConnection", (DataConnection,), {"require_session_reuse": require_session_reuse})
        control_connection = type(
            "ControlConnection",
            (ControlConnection,),
            {
                "gateway": gateway,
                "authorizer": Permissions(gateway),
                "keep_error": self._errors.append,
                "choose_context": self._choose_context,
                "ssl_context": self._context(certificate),
                "dtp_handler": data_connection,
                "passive_ports": range(data_ports[0], data_ports[1] + 1) if data_ports else None,
                "masquerade_address_map": {},
            },
        )
        self._loop = type("Loop", (IOLoop,), {})()
        try:
            self._listener = _Listener((host, port), control_connection, ioloop=self._loop)
        except OSError:
            self._loop.close()
            raise
        self.host, self.port = self._listener.address
        self._thread = threading.Thread(target=self._run, name=f"icsftps-simulator-{self.port}", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """
        Close every socket and end the thread.

        :raises RuntimeError: when the thread does not end.
        """
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_SECONDS_TO_END)
            if self._thread.is_alive():
                raise RuntimeError(f"The simulator's thread did not end within {_SECONDS_TO_END} s")

    def check(self) -> None:
        """Raise the first exception that happened in the thread."""
        if self._errors:
            raise self._errors.pop(0)

    def _run(self) -> None:
        # not ioloop.loop(): it would set up logging for the whole process
        wait = 0.0
        try:
            while not self._stopping.is_set():
                self._loop.poll(min(wait, _TICK))
                due_in = self._loop.sched.poll()
                wait = _TICK if due_in is None else due_in
        except Exception as error:  # kept for check()
            self._errors.append(error)
        finally:
            for connection in list(self._loop.socket_map.values()):
                if isinstance(connection, ControlConnection):
                    with contextlib.suppress(OSError, SSL.Error):
                        connection.close()
            self._loop.close()

    def _choose_context(self) -> SSL.Context:
        faults = self._gateway.faults
        if faults.take("expired_server_certificate") is not None:
            return self._context("expired")
        if faults.take("wrong_host_certificate") is not None:
            return self._context("wrong_host")
        return self._context(self._certificate)

    def _context(self, certificate: ServerCertificate) -> SSL.Context:
        if certificate not in self._contexts:
            storage = self._gateway.storage
            self._contexts[certificate] = _tls_context(
                storage.tls_file(f"server-{certificate}.pem", self._pki.server_pem(certificate)),
                storage.tls_file("client-ca.pem", self._pki.client_ca_pem),
                self._tls_versions,
            )
        return self._contexts[certificate]


def _tls_context(server_pem: Path, client_ca_pem: Path, versions: Sequence[TlsVersion]) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    numbers = sorted(_VERSIONS[version] for version in versions)
    context.set_min_proto_version(numbers[0])
    context.set_max_proto_version(numbers[-1])
    if numbers[0] < SSL.TLS1_2_VERSION:
        context.set_cipher_list(b"ALL:@SECLEVEL=0")  # OpenSSL 3 speaks the old versions at no other level
    context.use_certificate_chain_file(str(server_pem))
    context.use_privatekey_file(str(server_pem))
    context.load_verify_locations(str(client_ca_pem))
    context.load_client_ca(str(client_ca_pem).encode())
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    # without a session id context OpenSSL fails a resumption when a client certificate is asked for
    context.set_session_id(b"icsftps-simulator")
    context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    return context
