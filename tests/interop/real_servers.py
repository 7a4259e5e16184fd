"""proftpd and vsftpd on free loopback ports: mutual TLS 1.2, session reuse demanded, one user with two folders."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

from processes import end, free_port

sys.path.append(str(Path(__file__).parents[1] / "hostile"))  # the certificates are the same as there

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
    """

    name = ""
    #: Whether it knows MLSD.
    mlsd = True

    def __init__(
        self, pki: ThrowawayPki, host: str = "127.0.0.1", idle: int = 300, ports: tuple[int, int, int] | None = None
    ) -> None:
        self.pki = pki
        self.host = host
        self.idle = idle
        self.port = ports[0] if ports else free_port(host)
        self.data_ports = ports[1:] if ports else None
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

    def _wait_for_greeting(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 10
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1) as sock:
                sock.settimeout(5)
                if sock.recv(3) == b"220":
                    return
            time.sleep(0.005)
        output = (self.folder / "output").read_text(errors="replace")
        raise AssertionError(f"{self.name} does not start: {output[-2000:]}")


class Proftpd(RealServer):
    """proftpd, as whoever starts it."""

    name = "proftpd"

    @classmethod
    def missing(cls) -> str:
        if shutil.which("proftpd") is None:
            return f"no proftpd here; {INSTALL}"
        if not Path("/usr/lib/proftpd/mod_tls.so").exists():
            return f"proftpd without mod_tls here; {INSTALL}"
        return ""

    def command(self) -> list[str]:
        users = self.folder / "users"
        account = self.account
        users.write_text(
            f"{self.username}:{self.crypted()}:{account.pw_uid}:{account.pw_gid}::{self.root}:/bin/false\n"
        )
        users.chmod(0o600)
        as_root = os.getuid() == 0
        server_key = self.pki.server_file
        config = self.folder / "proftpd.conf"
        config.write_text(f"""\
ServerName "interop"
ServerType standalone
DefaultServer on
ModulePath /usr/lib/proftpd
LoadModule mod_tls.c
UseIPv6 {"on" if ":" in self.host else "off"}
Port {self.port}
DefaultAddress {self.host}
SocketBindTight on
User {account.pw_name}
Group {grp.getgrgid(account.pw_gid).gr_name}
DefaultRoot {"~" if as_root else "none"}
PidFile {self.folder}/proftpd.pid
ScoreboardFile {self.folder}/scoreboard
DelayEngine off
ControlsEngine off
UseReverseDNS off
WtmpLog off
TransferLog {self.log}
SystemLog {self.folder}/proftpd.log
AuthOrder mod_auth_file.c
AuthUserFile {users}
RequireValidShell off
UseFtpUsers off
AllowOverwrite on
TimesGMT on
TimeoutIdle {self.idle}
MaxLoginAttempts 3
TLSEngine on
TLSLog {self.folder}/tls.log
TLSProtocol TLSv1.2
TLSRequired on
TLSRSACertificateFile {server_key}
TLSRSACertificateKeyFile {server_key}
TLSCACertificateFile {self.pki.ca_file}
TLSVerifyClient on
{f"PassivePorts {self.data_ports[0]} {self.data_ports[1]}" if self.data_ports else ""}
""")
        return ["proftpd", "-n", "-q", "-c", str(config)]


class Vsftpd(RealServer):
    """vsftpd, which needs root: PAM reads its services from one place only."""

    name = "vsftpd"
    mlsd = False

    @classmethod
    def program(cls) -> str | None:
        """Where it was unpacked, or is installed."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = Path(os.environ.get("VSFTPD_FOLDER") or cache / "airflow-provider-icsftps" / "vsftpd")
        unpacked = folder / "usr/sbin/vsftpd"
        return str(unpacked) if unpacked.exists() else shutil.which("vsftpd")

    @classmethod
    def missing(cls) -> str:
        if cls.program() is None:
            return f"no vsftpd here; {INSTALL}"
        if os.getuid() != 0:
            return "vsftpd needs root for its PAM service"
        if not any(Path("/").glob("lib/*/security/pam_pwdfile.so")):
            return f"no pam_pwdfile here; {INSTALL}"
        return ""

    @property
    def _service(self) -> Path:
        return Path(f"/etc/pam.d/icsftps-interop-{os.getpid()}-{self.port}")

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._service.unlink(missing_ok=True)

    def command(self) -> list[str]:
        users = self.folder / "users"
        users.write_text(f"{self.username}:{self.crypted()}\n")
        users.chmod(0o600)
        self._service.write_text(f"auth required pam_pwdfile.so pwdfile {users}\naccount required pam_permit.so\n")
        empty = self.folder / "empty"
        empty.mkdir(mode=0o555)
        listen = "listen_ipv6=YES\nlisten=NO\nlisten_address6" if ":" in self.host else "listen=YES\nlisten_address"
        config = self.folder / "vsftpd.conf"
        config.write_text(f"""\
{listen}={self.host}
listen_port={self.port}
background=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
local_umask=022
guest_enable=YES
guest_username={self.account.pw_name}
virtual_use_local_privs=YES
local_root={self.root}
chroot_local_user=YES
allow_writeable_chroot=YES
pam_service_name={self._service.name}
secure_chroot_dir={empty}
pasv_enable=YES
seccomp_sandbox=NO
xferlog_enable=YES
xferlog_std_format=YES
xferlog_file={self.log}
use_localtime=NO
idle_session_timeout={self.idle}
ssl_enable=YES
ssl_tlsv1=YES
ssl_sslv2=NO
ssl_sslv3=NO
ssl_ciphers=ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256
force_local_logins_ssl=YES
force_local_data_ssl=YES
rsa_cert_file={self.pki.server_file}
rsa_private_key_file={self.pki.server_file}
ca_certs_file={self.pki.ca_file}
ssl_request_cert=YES
require_cert=YES
validate_cert=YES
require_ssl_reuse=YES
{f"pasv_min_port={self.data_ports[0]}" if self.data_ports else ""}
{f"pasv_max_port={self.data_ports[1]}" if self.data_ports else ""}
""")
        program = self.program()
        assert program is not None
        return [program, str(config)]
