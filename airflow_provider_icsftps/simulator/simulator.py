"""The simulator as its users see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from airflow_provider_icsftps.gateway.names import HEARTBEAT_SERVICE
from airflow_provider_icsftps.simulator.access import Access
from airflow_provider_icsftps.simulator.accounts import Accounts, service_folders
from airflow_provider_icsftps.simulator.backoffice import DEFAULT_DELAYS, Rule, check_digits
from airflow_provider_icsftps.simulator.clients import Clients
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.operation import Operation
from airflow_provider_icsftps.simulator.pki import ServerCertificate
from airflow_provider_icsftps.simulator.policy import CutUploads, Policy, ReusedName, check_choice
from airflow_provider_icsftps.simulator.server import Server, TlsVersion
from airflow_provider_icsftps.simulator.storage import Storage
from airflow_provider_icsftps.simulator.transcript import ConnectionCounts, TranscriptEntry
from airflow_provider_icsftps.simulator.uploads import UploadRecord


class GatewaySimulator(Access, Operation):
    """
    The gateway on this machine: FTPS with client certificates, service folders, outboxes and customs' answers.

    A context manager; :meth:`start` and :meth:`stop` do the same.

    :param services: service folders; the gateway's heartbeat service is always there.
    :param host: loopback address to listen on, ``127.0.0.1`` or ``::1``.
    :param port: control port; 0 for any free one.
    :param data_ports: first and last passive data port; by default any free one.
    :param directory: where to keep everything, so that it survives a restart: certificates, passwords, names used,
        answers not yet given. By default a temporary directory, removed at the end.
    :param delays: seconds from an upload to each digit, such as ``{1: 0, 2: 1, 3: 2}``; ``None`` for a digit that
        never comes.
    :param responses: how many responses a filing gets.
    :param reused_name: how a name used before is turned down: ``status`` (a digit-0 file after the upload, as the
        real gateway does), or at once with reply ``553`` or ``550``.
    :param cut_uploads: how an upload that ends without close_notify is treated: ``discard``, ``keep`` (426, and the
        copy stays in the service folder) or ``accept`` (226, taken for whole). Its name is used in any case.
    :param check_xml: whether the customs systems look into what they are given: what is not well-formed XML gets
        digit 1 and then, when digit 2 would come, digit 0 with ``LAST_RECORD_INCORRECT``.
    :param require_session_reuse: whether data connections must resume the control connection's TLS session (TLS 1.2).
    :param tls_versions: versions of TLS that are spoken, such as ``["1.2", "1.3"]``.
    :param lock_after: wrong passwords that lock an account; by default it is never locked.
    :param legacy: be the old gateway: uploads are refused, files in ``/out`` can be fetched.
    :param allow_service_delete: whether files in service folders may be deleted.
    :param server_certificate: ``good``, ``expired`` or ``wrong_host``.
    :param clock: its time; by default the real time, which :meth:`SimulatedClock.advance` moves on.
    :raises ValueError: for a value that is none of those named here.
    :raises InvalidNameError: for a service folder that cannot be one.
    """

    def __init__(
        self,
        services: Sequence[str] = ("Manifest",),
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        data_ports: tuple[int, int] | None = None,
        directory: Path | None = None,
        delays: Mapping[int, float | None] | None = None,
        responses: int = 1,
        reused_name: ReusedName = "status",
        cut_uploads: CutUploads = "discard",
        check_xml: bool = False,
        require_session_reuse: bool = True,
        tls_versions: Sequence[TlsVersion] = ("1.2",),
        lock_after: int | None = None,
        legacy: bool = False,
        allow_service_delete: bool = False,
        server_certificate: ServerCertificate = "good",
        clock: SimulatedClock | None = None,
    ) -> None:
        check_choice("reused_name", reused_name, ReusedName)
        check_choice("cut_uploads", cut_uploads, CutUploads)
        check_choice("server_certificate", server_certificate, ServerCertificate)
        for version in tls_versions:
            check_choice("tls_versions", version, TlsVersion)
        check_digits(delays or {})
        self.services = service_folders([*service_folders(services), HEARTBEAT_SERVICE])
        self.clock = clock or SimulatedClock()
        self.faults = Faults()
        self._address = (host, port)
        self._data_ports = data_ports
        self._directory = directory
        self._rule = Rule({**DEFAULT_DELAYS, **(delays or {})})
        self._policy = Policy(
            self.services, legacy, reused_name, cut_uploads, allow_service_delete, responses, check_xml
        )
        self._require_session_reuse = require_session_reuse
        self._tls_versions = tuple(tls_versions)
        self._lock_after = lock_after
        self._server_certificate = server_certificate
        self._parts: tuple[Gateway, Clients, Server] | None = None
        self._running = False

    def start(self) -> Self:
        """
        Begin to serve; returns when connections are accepted.

        :raises OSError: when the port is taken.
        """
        if self._parts:
            raise RuntimeError("A simulator is started once; make another one")
        storage = Storage(self._directory)
        try:
            gateway = Gateway(storage, Accounts(self._lock_after), self._policy, self._rule, self.clock, self.faults)
            clients = Clients(gateway)
            server = Server(
                gateway,
                clients.pki,
                *self._address,
                self._data_ports,
                self._tls_versions,
                self._require_session_reuse,
                self._server_certificate,
            )
        except BaseException:
            storage.close()
            raise
        self._parts = gateway, clients, server
        if not clients:
            self.client_certificate()
        self._running = True
        server.start()
        return self

    def stop(self) -> None:
        """Stop serving: no thread and no socket is left. May be called again."""
        if self._running:
            self._running = False
            self._server.stop()
            self._gateway.storage.append("stopped", at=self.clock.now().isoformat())
            self._gateway.storage.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *error: object) -> None:
        """Stop."""
        self.stop()

    def check(self) -> None:
        """Raise an exception that happened in the simulator's thread, if there was one."""
        self._server.check()

    # --- what happened

    @property
    def uploads(self) -> list[UploadRecord]:
        """Every upload that has ended, in order, however it ended."""
        return self._gateway.uploads

    def outbox(self, username: str | None = None) -> list[str]:
        """
        List the names in an outbox now.

        :param username: whose; by default the default client's.
        :raises RuntimeError: when the simulator has been stopped.
        :raises ValueError: when nobody is called so.
        """
        if self._parts and not self._running:
            raise RuntimeError("The simulator has been stopped; look into its outbox before that")
        return self._gateway.outbox(username or self.default_client.username)

    @property
    def transcript(self) -> list[TranscriptEntry]:
        """Commands and replies, passwords starred; the last ten thousand."""
        return self._gateway.witness.transcript

    @property
    def connections(self) -> ConnectionCounts:
        """How many connections there were so far."""
        return self._gateway.witness.counts

    # --- parts

    @property
    def _gateway(self) -> Gateway:
        return self._started[0]

    @property
    def _clients(self) -> Clients:
        return self._started[1]

    @property
    def _server(self) -> Server:
        return self._started[2]

    @property
    def _started(self) -> tuple[Gateway, Clients, Server]:
        if self._parts is None:
            raise RuntimeError("The simulator has not been started; use it in a with statement")
        return self._parts
