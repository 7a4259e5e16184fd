"""A server that nobody here wrote, as a process under one folder of its own: one user with two folders."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from moments import within
from processes import end, free_port
from throwaway_pki import ThrowawayPki

PASSWORD = "kodeord-7391"
INSTALL = "run tests/interop/install_servers.sh as root"


class RealServer:
    """
    One server under one folder of its own; use it in a ``with`` block.

    :param pki: for its certificates.
    :param host: loopback address.
    :param idle: seconds after which it ends an idle session.
    :param ports: control port, first and last data port; by default any that are free.
    :param advertised: the address that it names in its answer to PASV; by default its own.
    """

    name = ""
    #: Whether it knows MLSD.
    mlsd = True
    #: Whether it takes a connection that was reset for the end of a whole file.
    gullible = False

    def __init__(
        self,
        pki: ThrowawayPki,
        host: str = "127.0.0.1",
        idle: int = 300,
        ports: tuple[int, int, int] | None = None,
        advertised: str = "",
    ) -> None:
        self.pki = pki
        self.host = host
        self.idle = idle
        self.port = ports[0] if ports else free_port(host)
        self.data_ports = ports[1:] if ports else None
        self.advertised = advertised
        self.username = f"CVR_12345678_UI_{pki.username_id}"
        self.folder = Path(tempfile.mkdtemp(prefix=f"icsftps-{self.name}-"))
        self.folder.chmod(0o755)  # the server's user must get through
        self.root = self.folder / "root"
        # as root: a system account whose home exists, which vsftpd asks for
        self.account = pwd.getpwnam("daemon") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
        for each in (self.root, self.root / "Manifest", self.root / "out"):
            self.give(each, None)
        self.log = self.folder / "transfers.log"
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str:
        """Say why it cannot be run here, or nothing."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """Write what it needs, and return how it is started."""
        raise NotImplementedError

    def give(self, path: Path, content: bytes | None) -> None:
        """Lay a file, or a folder (``None``), where the server's user may do with it what it likes."""
        if content is None:
            path.mkdir()
        else:
            path.write_bytes(content)
        if os.getuid() == 0:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)

    def empty(self) -> None:
        """Leave both folders empty."""
        for folder in ("Manifest", "out"):
            for path in (self.root / folder).iterdir():
                path.unlink()

    def transfers(self) -> list[str]:
        """The last word on each transfer of a file in the server's own log: ``c`` complete, ``i`` incomplete."""
        return [line.split()[-1] for line in self.log.read_text().splitlines()] if self.log.exists() else []

    def crypted(self) -> str:
        """The password as servers keep it."""
        made = subprocess.run(
            ["openssl", "passwd", "-5", "-stdin"], input=PASSWORD, capture_output=True, text=True, check=True
        )
        return made.stdout.strip()

    def __enter__(self) -> Self:
        config = self.folder / "openssl.cnf"  # pins a server that has no setting of its own for it to TLS 1.2
        config.write_text(
            "openssl_conf = i\n[i]\nssl_conf = s\n[s]\nsystem_default = d\n"
            "[d]\nMinProtocol = TLSv1.2\nMaxProtocol = TLSv1.2\n"
        )
        with (self.folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "OPENSSL_CONF": str(config)},
                start_new_session=True,
            )
        try:
            self._wait_for_greeting(self._process)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            end(self._process, 2)
        shutil.rmtree(self.folder, ignore_errors=True)

    def send_signal(self, number: signal.Signals, answer: str) -> None:
        """Send a signal to the server, and wait until it says that it has heeded it."""
        assert self._process is not None
        output = self.folder / "output"
        known = output.read_text(errors="replace").count(answer)
        self._process.send_signal(number)
        heeded = within(20, lambda: output.read_text(errors="replace").count(answer) > known)
        assert heeded, f"{self.name} did not heed {number.name}"

    def _wait_for_greeting(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1) as sock:
                sock.settimeout(5)
                if sock.recv(3) == b"220":
                    return
            time.sleep(0.005)
        output = (self.folder / "output").read_text(errors="replace")
        raise AssertionError(f"{self.name} does not start: {output[-2000:]}")
