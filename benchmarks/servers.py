"""Gateways in processes of their own that tell how many connections, listings and downloads they have seen."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from airflow_provider_icsftps.simulator import GatewaySimulator

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # the servers and their certificates are those of the tests

from real_servers import PASSWORD, Proftpd, RealServer, Vsftpd
from throwaway_pki import PASSPHRASE, ThrowawayPki


class Counts(NamedTuple):
    """
    What a server has seen so far.

    :param connections: control connections; of proftpd and vsftpd, those that logged in.
    :param listings: that were answered.
    :param downloads: of files.
    :param resumed: data connections that resumed a TLS session; proftpd and vsftpd let no other in, and do not count.
    """

    connections: int
    listings: int
    downloads: int
    resumed: int | None = None

    def since(self, before: Counts) -> Counts:
        """Return what came since other counts."""
        return Counts(*(None if now is None else now - then for now, then in zip(self, before, strict=True)))


class CountingServer(Protocol):
    """A gateway in another process, with one outbox. A context manager."""

    name: str
    connection: dict[str, Any]
    outbox: Path

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *error: object) -> None:
        """Stop."""

    def counts(self) -> Counts:
        """Return what it has seen so far."""


class EmbeddedGateway(AbstractContextManager["EmbeddedGateway"]):
    """The embedded gateway; it ends when this process does."""

    name = "embedded"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.connection, outbox = self._answer()
        self.outbox = Path(outbox)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def counts(self) -> Counts:
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return Counts(*self._answer())

    def _answer(self) -> Any:
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The embedded gateway has ended with exit code {self._process.wait(20)}")
        return json.loads(line)


class _CountingRealServer(RealServer):
    """A server that logs each command."""

    #: Finds session and command in a line of that log.
    command_line: re.Pattern[str]

    def __init__(self, pki: ThrowawayPki) -> None:
        super().__init__(pki)
        self.outbox = self.root / "out"
        self.commands = self.folder / "commands.log"
        self.connection = {
            "conn_type": "icsftps",
            "host": self.host,
            "port": self.port,
            "login": self.username,
            "password": PASSWORD,
            "extra": {
                "private_key_p12": base64.b64encode(pki.client_p12).decode(),
                "private_key_passphrase": PASSPHRASE,
                "ca_pem": pki.ca_pem,
            },
        }

    @classmethod
    def here(cls) -> Self:
        """Return one with certificates of its own."""
        return cls(ThrowawayPki(Path(tempfile.mkdtemp(prefix="icsftps-pki-"))))

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        shutil.rmtree(self.pki.folder, ignore_errors=True)

    def settings_of_log(self) -> str:
        """Return what makes it log each command."""
        raise NotImplementedError

    def command(self) -> list[str]:
        started_by = super().command()
        with Path(started_by[-1]).open("a") as config:
            config.write(self.settings_of_log())
        return started_by

    def counts(self) -> Counts:
        text = self.commands.read_text(errors="replace") if self.commands.exists() else ""
        found = Counter(match[1] for match in map(self.command_line.search, text.splitlines()) if match)
        listings = ("MLSD", "LIST", "NLST") if self.mlsd else ("LIST", "NLST")  # what it does not know, it refuses
        return Counts(found["PASS"], sum(found[verb] for verb in listings), found["RETR"])


class CountingProftpd(_CountingRealServer, Proftpd):
    """proftpd."""

    command_line = re.compile(r"^(\w+)")

    def settings_of_log(self) -> str:
        return f'LogFormat commands "%m"\nExtendedLog {self.commands} ALL commands\n'


class CountingVsftpd(_CountingRealServer, Vsftpd):
    """vsftpd."""

    command_line = re.compile(r'FTP command: Client "[^"]*", "(\w+)')

    def settings_of_log(self) -> str:
        return f"xferlog_std_format=NO\nlog_ftp_protocol=YES\nvsftpd_log_file={self.commands}\n"


def here() -> dict[str, Callable[[], CountingServer]]:
    """Return how to make each server that this machine has."""
    real = {kind.name: kind.here for kind in (CountingProftpd, CountingVsftpd) if not kind.missing()}
    return {"embedded": EmbeddedGateway, **real}


def lay(outbox: Path, names: Iterable[str], content: bytes = b"<status/>") -> None:
    """Let files appear in an outbox, each whole from the first moment."""
    draft = outbox.parent / "draft"
    for name in names:
        draft.write_bytes(content)
        draft.replace(outbox / name)


def _serve() -> None:
    """Run the embedded gateway: a line for the connection and the outbox, then the counts for each line read."""
    with GatewaySimulator(services=["Manifest"]) as simulator:
        outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
        print(json.dumps([simulator.connection(), str(outbox)]), flush=True)
        for _ in sys.stdin:
            seen = simulator.connections
            downloads = seen.data - seen.listings  # nothing is uploaded
            print(json.dumps([seen.accepted, seen.listings, downloads, seen.data_reused]), flush=True)


if __name__ == "__main__":
    _serve()
