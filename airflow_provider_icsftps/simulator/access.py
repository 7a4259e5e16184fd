"""How clients reach a simulator: its address, their certificates, and what each kind of client is given."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.simulator.clients import Clients, airflow_connection, write_credentials
from airflow_provider_icsftps.simulator.issued import IssuedCertificate
from airflow_provider_icsftps.simulator.pki import Validity
from airflow_provider_icsftps.simulator.server import Server


class Access(abc.ABC):
    """The part of :class:`GatewaySimulator` that tells clients how to connect."""

    @property
    @abc.abstractmethod
    def _server(self) -> Server: ...

    @property
    @abc.abstractmethod
    def _clients(self) -> Clients: ...

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
        :param services: its service folders; by default all, none for an empty list.
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

    def _issued(self, certificate: IssuedCertificate | ClientCertificate | None) -> IssuedCertificate:
        if certificate is None:
            return self.default_client
        return certificate if isinstance(certificate, IssuedCertificate) else self._clients.find(certificate)
