"""
One client that fetches an outbox, alone in a process: ``outbox_clients.py CLIENT CONNECTION FOLDER``.

It prints what that took as JSON. The client's own start (Airflow's imports) is not counted, logging in is.

* ``archive``: what the download operator does: a reconciliation with a local archive over four sessions.
* ``lftp``: ``lftp mirror --parallel=4`` into a folder; its four sessions are started as it sees fit.
* ``hook``: Airflow's own FTPSHook: one listing, then ``retrieve_file`` in a loop. It can show no client certificate and
  resumes no TLS session, so it does not get into such a gateway at all. Here a subclass does both for it, which also
  spares it the full handshake for each file.

lftp and the hook lay plain files into a folder. The archive also flushes each to the disk, computes its SHA-256 and
writes a record of it.
"""

from __future__ import annotations

import base64
import ftplib
import json
import os
import resource
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SESSIONS = 4


@dataclass(frozen=True)
class Cost:
    """
    What a run took.

    :param seconds: from the first connection to the last.
    :param cpu: seconds of the processor.
    :param peak: most resident memory, bytes.
    :param bare: the same before the run; 0 for a program that does nothing else.
    :param files: that were fetched.
    """

    seconds: float
    cpu: float
    peak: int
    bare: int
    files: int


def run(client: str, connection: dict[str, Any], folder: Path) -> Cost:
    """
    Run a client in a process of its own.

    :param client: ``archive``, ``lftp`` or ``hook``.
    :param connection: an Airflow connection as data.
    :param folder: where it puts files.
    """
    command = [sys.executable, __file__, client, json.dumps(connection), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{client} failed: {done.stderr[-2000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _measured(fetch: Callable[[], int]) -> Cost:
    bare, cpu, begun = _peak(), time.process_time(), time.monotonic()
    files = fetch()
    return Cost(time.monotonic() - begun, time.process_time() - cpu, _peak(), bare, files)


def _peak() -> int:
    """Return the most resident memory so far: getrusage would tell the parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def _archive(connection: dict[str, Any], folder: Path) -> Cost:
    os.environ["AIRFLOW_CONN_ICSFTPS_DEFAULT"] = json.dumps(connection)
    from airflow_provider_icsftps.gateway import Archive, GatewayClient, reconcile
    from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook
    from airflow_provider_icsftps.operators._download import _each

    settings = IcsFtpsHook().get_settings()

    def fetch() -> int:
        with IcsFtpsHook().get_fleet() as fleet, GatewayClient(fleet.settings) as gateway:
            if fleet.sessions != SESSIONS:
                raise RuntimeError(f"The connection allows {fleet.sessions} sessions, not {SESSIONS}")
            summary = reconcile(
                gateway, Archive(folder), each=lambda work, entries: _each(gateway, fleet, work, entries)
            )
        return len(summary.fetched)

    settings.certificate.check_validity()
    return _measured(fetch)


def _lftp(connection: dict[str, Any], folder: Path) -> Cost:
    pem = _pem_files(connection, folder.parent)
    script = (
        "set cmd:fail-exit yes; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; set ssl:check-hostname no; "
        f"set ssl:ca-file {pem['ca']}; set ssl:cert-file {pem['certificate']}; set ssl:key-file {pem['key']}; "
        "set net:max-retries 1; set net:timeout 20; "
        f"open -u {connection['login']},{connection['password']} ftp://{connection['host']}:{connection['port']}; "
        f"mirror --parallel={SESSIONS} /out {folder}"
    )
    begun = time.monotonic()
    subprocess.run(["lftp", "--norc", "-c", script], check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    files = sum(1 for _ in folder.iterdir())
    return Cost(time.monotonic() - begun, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, 0, files)


def _hook(connection: dict[str, Any], folder: Path) -> Cost:
    os.environ["AIRFLOW_CONN_FTP_DEFAULT"] = json.dumps(connection)
    from airflow.providers.ftp.hooks.ftp import FTPSHook

    pem = _pem_files(connection, folder.parent)
    folder.mkdir(exist_ok=True)

    class Resuming(ftplib.FTP_TLS):
        def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
            plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
            return self.context.wrap_socket(plain, server_hostname=self.host, session=self.sock.session), size

    class Hook(FTPSHook):
        def get_conn(self) -> ftplib.FTP:
            if self.conn is None:
                params = self.get_connection(self.ftp_conn_id)
                context = ssl.create_default_context(cafile=pem["ca"])
                context.maximum_version = ssl.TLSVersion.TLSv1_2  # sessions of 1.3 are not resumed like this
                context.load_cert_chain(pem["certificate"], pem["key"])
                self.conn = Resuming(context=context)
                self.conn.connect(params.host, params.port)
                self.conn.login(params.login, params.password)
                self.conn.prot_p()
            return self.conn

    def fetch() -> int:
        with Hook() as hook:
            names = [name.rpartition("/")[2] for name in hook.list_directory("/out")]
            for name in names:
                hook.retrieve_file(f"/out/{name}", str(folder / name))
        return len(names)

    return _measured(fetch)


def _pem_files(connection: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Write a connection's certificates for those who read nothing but PEM files."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    extra = connection["extra"]
    key, certificate, more = pkcs12.load_key_and_certificates(
        base64.b64decode(extra["private_key_p12"]), extra["private_key_passphrase"].encode()
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (certificate, *more))
    contents = {"ca": extra["ca_pem"].encode(), "certificate": chain, "key": key.private_bytes(*plain)}
    paths = {name: folder / f"{name}.pem" for name in contents}
    for name, content in contents.items():
        paths[name].write_bytes(content)
    return paths


CLIENTS = {"archive": _archive, "lftp": _lftp, "hook": _hook}

if __name__ == "__main__":
    client, connection, folder = sys.argv[1:]
    print(json.dumps(asdict(CLIENTS[client](json.loads(connection), Path(folder)))))
