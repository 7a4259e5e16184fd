"""lftp and curl: programs that are started once for a batch of files."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from transfer_clients import OUTBOX, SERVICE, Door


class Program:
    """
    A program; it logs in whenever it is started.

    :param door: how to get in.
    """

    def __init__(self, door: Door) -> None:
        self._folder = door.folder
        values = door.connection
        self._at = f"{values['host']}:{values['port']}"
        self._login = values["login"], values["password"]
        self._orders: list[list[str]] = []

    def connect(self) -> None:
        """Start it, log in, end it."""
        raise NotImplementedError

    def batch(self, steps: Sequence[Callable[[], object]]) -> None:
        """
        Start it once for several files.

        :param steps: each of them one call of :meth:`upload` or :meth:`download`, which only take the order.
        """
        self._orders = []
        for step in steps:
            step()
        self._start()

    def close(self) -> None:
        """Do nothing: it has ended."""

    def names(self, command: str) -> int:
        raise NotImplementedError("programs write listings for people")

    def facts(self) -> int:
        raise NotImplementedError("programs write listings for people")

    def _start(self) -> None:
        """Start it with the orders."""
        raise NotImplementedError

    def _run(self, arguments: Sequence[str]) -> None:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-500:]}")


class Lftp(Program):
    """lftp, as Debian builds it."""

    def connect(self) -> None:
        self._script("quote NOOP")

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        self._orders += [["put", str(path), "-o", f"/{SERVICE}/{name}"] for path, name in files]

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        self._orders += [["get", f"/{OUTBOX}/{name}", "-o", str(path)] for name, path in files]

    def _start(self) -> None:
        self._script("; ".join(" ".join(order) for order in self._orders))

    def _script(self, commands: str) -> None:
        settings = {
            "cmd:fail-exit": "yes",
            "ftp:ssl-force": "yes",
            "ftp:ssl-protect-data": "yes",
            "ssl:ca-file": self._folder / "ca.pem",
            "ssl:cert-file": self._folder / "client.pem",
            "ssl:key-file": self._folder / "client-key.pem",
            "net:max-retries": 1,
            "net:timeout": 20,
            "xfer:clobber": "yes",
        }
        script = "".join(f"set {name} {value}; " for name, value in settings.items())
        self._run(["lftp", "--norc", "-c", f"{script}open -u {','.join(self._login)} ftp://{self._at}; {commands}"])


class Curl(Program):
    """curl, as Debian builds it."""

    def connect(self) -> None:
        self._transfer(["-I", f"ftp://{self._at}/"])

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        self._orders += [["-T", str(path), f"ftp://{self._at}/{SERVICE}/{name}"] for path, name in files]

    def download(self, files: Sequence[tuple[str, Path]], size: int) -> None:
        self._orders += [["-o", str(path), f"ftp://{self._at}/{OUTBOX}/{name}"] for name, path in files]

    def _start(self) -> None:
        self._transfer([part for order in self._orders for part in order])

    def _transfer(self, arguments: list[str]) -> None:
        self._run([
            "curl", "-sS", "--ssl-reqd", "--tlsv1.2", "--tls-max", "1.2", "--ftp-method", "nocwd",
            "--cacert", str(self._folder / "ca.pem"), "--cert", str(self._folder / "client.pem"),
            "--key", str(self._folder / "client-key.pem"), "-u", ":".join(self._login), *arguments,
        ])  # fmt: skip
