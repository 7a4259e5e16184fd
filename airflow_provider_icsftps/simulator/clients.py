"""The clients of one simulator: who issues their certificates, and which were issued."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.issued import IssuedCertificate
from airflow_provider_icsftps.simulator.pki import Authority, PublicKeyInfrastructure
from airflow_provider_icsftps.simulator.storage import Storage, write_private


class Clients:
    """
    Issues client certificates and remembers them.

    :param gateway: where they are registered.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._issued: list[IssuedCertificate] = []
        self.pki = self._restore(gateway.storage)

    def __len__(self) -> int:
        """Count the registered clients."""
        return len(self._issued)

    @property
    def default(self) -> IssuedCertificate:
        """The first client."""
        return self._issued[0]

    def find(self, certificate: ClientCertificate) -> IssuedCertificate:
        """
        Return what was issued for a certificate.

        :param certificate: the certificate.
        :raises ValueError: when it was issued elsewhere, or not registered.
        """
        for issued in self._issued:
            if issued.certificate.fingerprint == certificate.fingerprint:
                return issued
        raise ValueError(f"{certificate!r} was not issued and registered by this simulator")

    def issue(
        self,
        kind: CertificateKind,
        identifier: str | None,
        password: str | None,
        services: Sequence[str] | None,
        *,
        register: bool,
        stranger: bool,
        **options: Any,
    ) -> IssuedCertificate:
        """
        Issue a certificate; :meth:`GatewaySimulator.client_certificate` tells what each argument means.

        :param kind: what it stands for.
        :param identifier: whose; by default somebody new.
        :param password: the gateway's password; by default the account's, or a random one.
        :param services: service folders; by default all.
        :param register: whether the gateway knows it.
        :param stranger: issue it from a CA that the gateway does not trust.
        :param options: further arguments of :meth:`PublicKeyInfrastructure.issue`.
        """
        if identifier is None:
            oces2 = kind.name.startswith("OCES2")
            identifier = str(secrets.randbelow(90_000_000) + 10_000_000) if oces2 else str(uuid.uuid4())
        authority = PublicKeyInfrastructure.create("Another") if stranger else self.pki
        issued = authority.issue(kind, identifier=identifier, **options)
        gateway = self._gateway
        with gateway.lock:
            if password is None and issued.username in gateway.accounts:
                password = gateway.accounts[issued.username].password
            issued = replace(issued, password=password or secrets.token_urlsafe(12))
            if register:
                gateway.add_account(issued.username, issued.password, services)
                gateway.register(issued.certificate.fingerprint, issued.username)
                gateway.storage.append(
                    "client",
                    p12=base64.b64encode(issued.p12).decode(),
                    passphrase=issued.passphrase,
                    username=issued.username,
                    password=issued.password,
                )
                self._issued.append(issued)
        return issued

    def _restore(self, storage: Storage) -> PublicKeyInfrastructure:
        pki: PublicKeyInfrastructure | None = None
        for record in storage.records():
            if record["kind"] == "authorities":
                pems = (record[name].encode() for name in ("root", "issuing", "server"))
                pki = PublicKeyInfrastructure(*map(Authority.from_pem, pems))
            elif record["kind"] == "client":
                p12 = base64.b64decode(record["p12"])
                certificate = ClientCertificate.from_pkcs12(p12, record["passphrase"])
                self._issued.append(
                    IssuedCertificate(certificate, p12, record["passphrase"], record["username"], record["password"])
                )
        if pki is None:
            pki = PublicKeyInfrastructure.create()
            authorities = {"root": pki.root, "issuing": pki.issuing, "server": pki.server}
            storage.append("authorities", **{name: a.pem.decode() for name, a in authorities.items()})
        return pki


def airflow_connection(issued: IssuedCertificate, host: str, port: int, ca_pem: str) -> dict[str, Any]:
    """
    Return an Airflow connection as JSON-able data.

    :param issued: who connects.
    :param host: where the gateway is.
    :param port: its control port.
    :param ca_pem: the CA of its certificate.
    """
    return {
        "conn_type": "icsftps",
        "host": host,
        "port": port,
        "login": issued.username,
        "password": issued.password,
        "extra": {
            "private_key_p12": base64.b64encode(issued.p12).decode(),
            "private_key_passphrase": issued.passphrase,
            "ca_pem": ca_pem,
        },
    }


def write_credentials(
    folder: Path, issued: IssuedCertificate, ca_pem: str, connection: dict[str, Any]
) -> dict[str, Path]:
    """
    Write what other clients need, each file readable by its owner only.

    :param folder: where; made if it is not there.
    :param issued: who connects.
    :param ca_pem: the CA of the gateway's certificate.
    :param connection: the Airflow connection.
    :return: file name to path.
    """
    files = {
        "client.p12": issued.p12,
        "client.pem": issued.chain_pem,
        "client-key.pem": issued.key_pem,
        "ca.pem": ca_pem.encode(),
        "connection.json": json.dumps(connection, indent=2).encode() + b"\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        write_private(folder / name, data)
    return {name: folder / name for name in files}
