"""Servers in processes of their own, with files in their outboxes: proftpd, vsftpd and the embedded gateway."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol, Self

from transfer_clients import SERVICE
from transfer_worker import file_name

from airflow_provider_icsftps.simulator import GatewaySimulator
from airflow_provider_icsftps.simulator.clients import airflow_connection, write_credentials
from airflow_provider_icsftps.simulator.issued import IssuedCertificate

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the servers and their certificates are those of the tests

from real_servers import PASSWORD, Proftpd, RealServer, Vsftpd
from throwaway_pki import PASSPHRASE, ThrowawayPki

#: proftpd's parent may sleep that long after a session has ended before it takes the next one: that is not measured.
PROFTPD_PAUSE = 0.45


class Server(Protocol):
    """A server that runs. In ``credentials`` lies what a client needs."""

    name: str
    #: The command that this package's client lists by.
    listing: str
    pause: float
    credentials: Path

    def lay(self, count: int, size: int) -> None:
        """Lay files into the outbox, :func:`file_name` tells how they are called."""


class _Real(RealServer):
    """
    A server that lets data connections do without a resumed session: Airflow's FTPSHook cannot.

    :param beside: what starts it in another network namespace.
    """

    pause = 0.0
    addition = ""

    def __init__(self, pki: ThrowawayPki, beside: Sequence[str] = ()) -> None:
        # in a namespace of its own every port is free
        super().__init__(pki, ports=(2121, 36000, 39999) if beside else None)
        self._beside = beside
        self.credentials = self.folder / "credentials"
        issued = IssuedCertificate(pki.client, pki.client_p12, PASSPHRASE, self.username, PASSWORD)
        connection = airflow_connection(issued, self.host, self.port, pki.ca_pem)
        write_credentials(self.credentials, issued, pki.ca_pem, connection)

    def command(self) -> list[str]:
        started_by = super().command()
        config = Path(started_by[-1])
        config.write_text(config.read_text().replace("require_ssl_reuse=YES\n", "") + self.addition)
        return [*self._beside, *started_by]

    def lay(self, count: int, size: int) -> None:
        for number in range(count):
            self.give(self.root / "out" / file_name(size, number), bytes(size))


class BenchProftpd(_Real, Proftpd):
    """proftpd; it keeps a log of all commands."""

    listing = "MLSD"
    pause = PROFTPD_PAUSE

    def command(self) -> list[str]:
        self.commands = self.folder / "commands.log"
        self.addition = (
            f'TLSOptions NoSessionReuseRequired\nLogFormat commands "%m"\nExtendedLog {self.commands} ALL commands\n'
        )
        return super().command()


class BenchVsftpd(_Real, Vsftpd):
    """vsftpd."""

    listing = "LIST"
    addition = "require_ssl_reuse=NO\n"


class EmbeddedGateway(AbstractContextManager["EmbeddedGateway"]):
    """The embedded gateway; it demands resumed sessions, and it ends when this process does."""

    name = "embedded"
    listing = "MLSD"
    pause = 0.0

    def __init__(self, beside: Sequence[str] = ()) -> None:
        self._beside = beside
        self._folder = Path(tempfile.mkdtemp(prefix="icsftps-embedded-"))
        self.credentials = self._folder / "credentials"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [*self._beside, sys.executable, __file__, str(self.credentials)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._outbox = Path(self._process.stdout.readline().strip())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def lay(self, count: int, size: int) -> None:
        for number in range(count):
            (self._outbox / file_name(size, number)).write_bytes(bytes(size))


def real_servers(pki: ThrowawayPki, beside: Sequence[str] = ()) -> list[Any]:
    """Return those that can be run here, not started."""
    return [kind(pki, beside) for kind in (BenchProftpd, BenchVsftpd) if not kind.missing()]


def missing_servers() -> list[str]:
    """Say which cannot be run here, and why."""
    return [reason for kind in (BenchProftpd, BenchVsftpd) if (reason := kind.missing())]


def _serve(credentials: str) -> None:
    """Run the embedded gateway; write where its outbox is."""
    nobody_answers = dict.fromkeys((1, 2, 3))
    with GatewaySimulator(services=[SERVICE], delays=nobody_answers) as simulator:
        simulator.write_credentials(Path(credentials))
        print(simulator._gateway.storage.outbox(simulator.default_client.username), flush=True)
        for _ in sys.stdin:
            pass


if __name__ == "__main__":
    _serve(sys.argv[1])
