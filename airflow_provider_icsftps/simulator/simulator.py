"""The simulator as its users see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
from airflow_provider_icsftps.gateway.names import HEARTBEAT_SERVICE, check_service
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.simulator.accounts import Accounts
from airflow_provider_icsftps.simulator.backoffice import DEFAULT_DELAYS, Rule
from airflow_provider_icsftps.simulator.clients import Clients, airflow_connection, write_credentials
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.issued import IssuedCertificate
from airflow_provider_icsftps.simulator.operation import Operation
from airflow_provider_icsftps.simulator.pki import ServerCertificate, Validity
from airflow_provider_icsftps.simulator.policy import CutUploads, Policy, ReusedName
from airflow_provider_icsftps.simulator.server import Server
from airflow_provider_icsftps.simulator.storage import Storage
from airflow_provider_icsftps.simulator.transcript import ConnectionCounts, TranscriptEntry
from airflow_provider_icsftps.simulator.uploads import UploadRecord


class GatewaySimulator(Operation):
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
    :param tls_versions: versions of TLS that are spoken.
    :param lock_after: wrong passwords that lock an account; by default it is never locked.
    :param legacy: be the old gateway: uploads are refused, files in ``/out`` can be fetched.
    :param allow_service_delete: whether files in service folders may be deleted.
    :param server_certificate: ``good``, ``expired`` or ``wrong_host``.
    :param clock: its time; by default the real time, which :meth:`SimulatedClock.advance` moves on.
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
        tls_versions: Sequence[str] = ("1.2",),
        lock_after: int | None = None,
        legacy: bool = False,
        allow_service_delete: bool = False,
        server_certificate: ServerCertificate = "good",
        clock: SimulatedClock | None = None,
    ) -> None:
        self.services = tuple(dict.fromkeys([*map(check_service, services), HEARTBEAT_SERVICE]))
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

    # --- how to reach it

    @property
    def host(self) -> str:
        """The address to connect to."""
        return str(self._server.host)

    @property
    def port(self) -> int:
        """The control port."""
        return int(self._server.port)

    @property
    def ca_pem(self) -> str:
        """The CA of the server certificate, as PEM text."""
        return self._clients.pki.server_ca_pem

    @property
    def default_client(self) -> IssuedCertificate:
        """The client that :meth:`settings` and :meth:`connection` are for unless told otherwise."""
        return self._clients.default

    def client_certificate(
        self,
        *,
        kind: CertificateKind = CertificateKind.OCES3_ORGANISATION,
        cvr: str = "12345678",
        identifier: str | None = None,
        company: str = "Simulator A/S",
        password: str | None = None,
        services: Sequence[str] | None = None,
        validity: Validity = "now",
        with_chain: bool = True,
        key_bits: int = 2048,
        register: bool = True,
        stranger: bool = False,
    ) -> IssuedCertificate:
        """
        Issue a client certificate and register it, with an account and folders of its own.

        The same kind, CVR number and identifier again renew a certificate: username, password and folders stay.

        :param kind: OCES3 by default; an OCES2 kind, or ``OTHER`` for a certificate that is not OCES.
        :param cvr: the company's CVR number, 8 digits.
        :param identifier: UUID (OCES3), UID, RID or FID (OCES2), otherwise the common name; by default a new one.
        :param company: the organisation's name.
        :param password: the gateway's password; by default a random one.
        :param services: its service folders; by default all.
        :param validity: ``now`` (three years), ``expired``, ``not_yet``, or the time from now to its end.
        :param with_chain: put the issuing CA into the PKCS#12 file, as real ones have it.
        :param key_bits: size of the RSA key; real OCES3 keys have 3072.
        :param register: whether the gateway knows it.
        :param stranger: issue it from another CA, which the gateway does not trust.
        """
        return self._clients.issue(
            kind,
            identifier,
            password,
            services,
            register=register,
            stranger=stranger,
            cvr=cvr,
            company=company,
            validity=validity,
            with_chain=with_chain,
            key_bits=key_bits,
        )

    def settings(
        self, certificate: IssuedCertificate | ClientCertificate | None = None, **overrides: Any
    ) -> GatewaySettings:
        """
        Return settings to connect with.

        :param certificate: who connects; by default the default client.
        :param overrides: fields of :class:`GatewaySettings` to set otherwise.
        """
        issued = self._issued(certificate)
        values: dict[str, Any] = {
            "certificate": issued.certificate,
            "host": self.host,
            "port": self.port,
            "username": issued.username,
            "password": issued.password,
            "ca_pem": self.ca_pem,
        }
        return GatewaySettings(**values | overrides)

    def connection(self, certificate: IssuedCertificate | ClientCertificate | None = None) -> dict[str, Any]:
        """
        Return an Airflow connection as JSON-able data.

        :param certificate: who connects; by default the default client.
        """
        return airflow_connection(self._issued(certificate), self.host, self.port, self.ca_pem)

    def write_credentials(
        self, folder: Path, certificate: IssuedCertificate | ClientCertificate | None = None
    ) -> dict[str, Path]:
        """
        Write what other clients need: ``client.p12``, ``client.pem``, ``client-key.pem``, ``ca.pem`` and
        ``connection.json``, each readable by its owner only.

        :param folder: where; made if it is not there.
        :param certificate: who connects; by default the default client.
        :return: file name to path.
        """
        issued = self._issued(certificate)
        return write_credentials(folder, issued, self.ca_pem, self.connection(issued))

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

    def _issued(self, certificate: IssuedCertificate | ClientCertificate | None) -> IssuedCertificate:
        if certificate is None:
            return self.default_client
        return certificate if isinstance(certificate, IssuedCertificate) else self._clients.find(certificate)
