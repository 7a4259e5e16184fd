"""Gateways in processes of their own that tell how many connections and listings they have seen."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from airflow_provider_icsftps.simulator import GatewaySimulator

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("tests", "tests/interop", "tests/hostile")]

from real_servers import PASSWORD, Proftpd
from throwaway_pki import PASSPHRASE, ThrowawayPki


class Counts(NamedTuple):
    """What a server has seen so far: control connections, and listings that were answered."""

    connections: int
    listings: int


class CountingServer(Protocol):
    """A gateway in another process."""

    name: str
    connection: dict[str, Any]
    outbox: Path

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


class CountingProftpd(Proftpd):
    """proftpd, with a log of all commands."""

    def __init__(self, pki: ThrowawayPki) -> None:
        super().__init__(pki)
        self.outbox = self.root / "out"
        self._commands = self.folder / "commands.log"
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
    def here(cls) -> CountingProftpd:
        """Return one with certificates of its own."""
        return cls(ThrowawayPki(Path(tempfile.mkdtemp(prefix="icsftps-pki-"))))

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        shutil.rmtree(self.pki.folder, ignore_errors=True)

    def command(self) -> list[str]:
        started_by = super().command()
        with Path(started_by[-1]).open("a") as config:
            config.write(f'LogFormat commands "%P %m"\nExtendedLog {self._commands} ALL commands\n')
        return started_by

    def counts(self) -> Counts:
        said = [line.split() for line in self._commands.read_text().splitlines()] if self._commands.exists() else []
        sessions = {session for session, *command in said if command == ["PASS"]}
        return Counts(len(sessions), sum(command in (["MLSD"], ["LIST"], ["NLST"]) for _, *command in said))


def lay(outbox: Path, names: Iterable[str]) -> None:
    """Let files appear in an outbox, each whole from the first moment."""
    draft = outbox.parent / "draft"
    for name in names:
        draft.write_bytes(b"<status/>")
        draft.replace(outbox / name)


def _serve() -> None:
    """Run the embedded gateway: a line for the connection and the outbox, then the counts for each line read."""
    with GatewaySimulator(services=["Manifest"]) as simulator:
        outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
        print(json.dumps([simulator.connection(), str(outbox)]), flush=True)
        for _ in sys.stdin:
            seen = simulator.connections
            print(json.dumps([seen.accepted, seen.listings]), flush=True)


if __name__ == "__main__":
    _serve()
