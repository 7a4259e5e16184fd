"""The clients that are compared: this package's, and those that others use. Each keeps one session for many files."""

from __future__ import annotations

import ftplib
import json
import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from unittest.mock import patch

from airflow_provider_icsftps.gateway import ClientCertificate, Fleet, GatewayClient, GatewaySettings

#: The service folder of uploads, and the one that downloads come from.
SERVICE, OUTBOX = "Manifest", "out"


@dataclass(frozen=True)
class Door:
    """
    How to get in.

    :param folder: where :func:`~airflow_provider_icsftps.simulator.clients.write_credentials` laid its files.
    """

    folder: Path

    @cached_property
    def connection(self) -> dict[str, Any]:
        """The Airflow connection."""
        return json.loads((self.folder / "connection.json").read_text())

    @cached_property
    def settings(self) -> GatewaySettings:
        """The same for this package's client; the TLS context is made once."""
        values = self.connection
        return GatewaySettings(
            host=values["host"],
            port=values["port"],
            username=values["login"],
            password=values["password"],
            certificate=ClientCertificate.from_pkcs12(
                (self.folder / "client.p12").read_bytes(), values["extra"]["private_key_passphrase"]
            ),
            ca_pem=values["extra"]["ca_pem"],
        )

    def tls_context(self) -> ssl.SSLContext:
        """A TLS context with the client certificate, for clients of Python's ssl."""
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.folder / "client.pem", self.folder / "client-key.pem")
        return context


class Client(Protocol):
    """One client. Each upload has a path and the name that it gets; each download a name and the path that it gets."""

    def connect(self) -> None:
        """Connect and log in."""

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Send files."""

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        """Fetch files of a size that is known, as it is after a listing."""

    def names(self, command: str) -> int:
        """List the outbox by a command, no more than names need; return how many there are."""

    def facts(self) -> int:
        """List the outbox with sizes and times as values; return how many there are."""

    def close(self) -> None:
        """Log out and close."""


class Ours:
    """This package's client."""

    def __init__(self, door: Door) -> None:
        self.settings = door.settings
        self.settings.tls_context  # noqa: B018 - made beforehand, as the context of the others that keep one
        self._gateway = GatewayClient(self.settings)

    def connect(self) -> None:
        self._gateway = GatewayClient(self.settings)
        self._gateway.connect()

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        for path, name in files:
            self._gateway.upload(path, service=SERVICE, file_name=name)

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        for name, path in files:
            self._gateway.download(name, path, size=size)

    def names(self, command: str) -> int:
        return len(self._gateway.outbox_names())

    def facts(self) -> int:
        return len(self._gateway.list_outbox())

    def close(self) -> None:
        self._gateway.close()

    def resumed(self) -> tuple[int, int]:
        """Data connections of this session, and how many of them resumed its TLS session."""
        session = self._gateway._session
        assert session is not None
        return session.data_connections, session.resumed

    def upload_by_fleet(self, files: Sequence[tuple[Path, str]], sessions: int) -> tuple[float, float]:
        """
        Send files over parallel sessions.

        :return: seconds per file from when each session has sent its first one, and seconds from the first login.
        """
        ended: list[tuple[float, int]] = []

        def send(gateway: GatewayClient, file: tuple[Path, str]) -> None:
            gateway.upload(file[0], service=SERVICE, file_name=file[1])
            ended.append((time.perf_counter(), id(gateway)))

        begun = time.perf_counter()
        with Fleet(self.settings, sessions) as fleet:
            for done in fleet.run(send, files):
                done.get()
        firsts = {member: at for at, member in reversed(ended)}
        if len(firsts) < sessions:
            raise RuntimeError(f"only {len(firsts)} of {sessions} sessions had something to do")
        all_in, last = max(firsts.values()), ended[-1][0]
        return (last - all_in) / sum(at > all_in for at, _ in ended), last - begun


class FtpsHook:
    """Airflow's FTPSHook, which knows no client certificate: a subclass gives it a TLS context that has one."""

    def __init__(self, door: Door) -> None:
        values = {**door.connection, "conn_type": "ftps", "extra": {}}
        os.environ["AIRFLOW_CONN_BENCHMARK_FTPS"] = json.dumps(values)
        self._hook = certified_hook(door)

    def connect(self) -> None:
        self._hook.get_conn()

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        for path, name in files:
            self._hook.store_file(f"/{SERVICE}/{name}", str(path))

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        for name, path in files:
            self._hook.retrieve_file(f"/{OUTBOX}/{name}", str(path))

    def names(self, command: str) -> int:
        if command == "MLSD":
            return len(self._hook.describe_directory(f"/{OUTBOX}"))
        return len(self._hook.list_directory(f"/{OUTBOX}"))

    def facts(self) -> int:
        return len(self._hook.describe_directory(f"/{OUTBOX}"))

    def close(self) -> None:
        self._hook.close_conn()


def certified_hook(door: Door, conn_id: str = "benchmark_ftps") -> Any:
    """
    Return Airflow's FTPSHook with a client certificate.

    :param door: whose certificate.
    :param conn_id: id of an Airflow connection of the type ``ftps``.
    """
    from airflow.providers.ftp.hooks.ftp import FTPSHook

    context = door.tls_context()

    class CertifiedFtpsHook(FTPSHook):
        def get_conn(self) -> ftplib.FTP:
            with patch("ssl.create_default_context", lambda: context):
                return super().get_conn()

    return CertifiedFtpsHook(conn_id)


class Pycurl:
    """libcurl by pycurl, tuned: one handle, no CWD, PASV at once, large buffers."""

    def __init__(self, door: Door) -> None:
        import pycurl

        self._folder, self._values = door.folder, door.connection
        self._base = f"ftp://{self._values['host']}:{self._values['port']}/"
        self._curl: Any = pycurl.Curl()

    def connect(self) -> None:
        import pycurl

        curl = self._curl = pycurl.Curl()
        for option, value in {
            pycurl.USERPWD: f"{self._values['login']}:{self._values['password']}",
            pycurl.USE_SSL: pycurl.USESSL_ALL,
            pycurl.FTPSSLAUTH: pycurl.FTPAUTH_TLS,
            pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2 | pycurl.SSLVERSION_MAX_TLSv1_2,
            pycurl.CAINFO: str(self._folder / "ca.pem"),
            pycurl.SSLCERT: str(self._folder / "client.pem"),
            pycurl.SSLKEY: str(self._folder / "client-key.pem"),
            pycurl.NOSIGNAL: 1,
            pycurl.CONNECTTIMEOUT: 15,
            pycurl.FTP_SKIP_PASV_IP: 1,
            pycurl.FTP_FILEMETHOD: pycurl.FTPMETHOD_NOCWD,
            pycurl.FTP_USE_EPSV: 0,
            pycurl.BUFFERSIZE: 512 * 1024,
            pycurl.UPLOAD_BUFFERSIZE: 512 * 1024,
            pycurl.URL: self._base,
            pycurl.NOBODY: 1,
        }.items():
            curl.setopt(option, value)
        curl.perform()
        curl.setopt(pycurl.NOBODY, 0)

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        curl = self._curl
        curl.setopt(curl.UPLOAD, 1)
        for path, name in files:
            curl.setopt(curl.URL, f"{self._base}{SERVICE}/{name}")
            with path.open("rb", buffering=0) as file:
                curl.setopt(curl.INFILESIZE_LARGE, os.fstat(file.fileno()).st_size)
                curl.setopt(curl.READFUNCTION, file.read)
                curl.perform()
        curl.setopt(curl.UPLOAD, 0)

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        curl = self._curl
        for name, path in files:
            curl.setopt(curl.URL, f"{self._base}{OUTBOX}/{name}")
            with path.open("wb", buffering=0) as file:
                curl.setopt(curl.WRITEFUNCTION, file.write)
                curl.perform()

    def names(self, command: str) -> int:
        """List, and parse nothing."""
        curl = self._curl
        listing = bytearray()
        curl.setopt(curl.URL, f"{self._base}{OUTBOX}/")
        curl.setopt(curl.WRITEFUNCTION, listing.extend)
        curl.setopt(curl.CUSTOMREQUEST, command)  # libcurl adds the folder
        curl.perform()
        curl.unsetopt(curl.CUSTOMREQUEST)
        return listing.count(b"\n")

    def facts(self) -> int:
        raise NotImplementedError("libcurl reads no listing")

    def close(self) -> None:
        self._curl.close()
