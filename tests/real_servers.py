"""proftpd, vsftpd and pyftpdlib on free loopback ports: mutual TLS 1.2, session reuse demanded."""

from __future__ import annotations

import grp
import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from running_server import INSTALL, PASSWORD, RealServer
from throwaway_pki import ThrowawayPki


class Proftpd(RealServer):
    """
    proftpd, as whoever starts it.

    :param directives: more lines for its configuration.
    """

    name = "proftpd"

    def __init__(self, pki: ThrowawayPki, *args: Any, directives: str = "", **more: Any) -> None:
        super().__init__(pki, *args, **more)
        self.directives = directives

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
{self.directives}
{f"MasqueradeAddress {self.advertised}" if self.advertised else ""}
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
{f"pasv_address={self.advertised}" if self.advertised else ""}
{f"pasv_min_port={self.data_ports[0]}" if self.data_ports else ""}
{f"pasv_max_port={self.data_ports[1]}" if self.data_ports else ""}
""")
        program = self.program()
        assert program is not None
        return [program, str(config)]


class Pyftpdlib(RealServer):
    """
    pyftpdlib, as whoever starts it.

    :param rude: end data connections without close_notify, as some servers do.
    :param lifetime: seconds for which it knows a TLS session.
    """

    name = "pyftpdlib"
    gullible = True

    def __init__(self, pki: ThrowawayPki, *args: Any, rude: bool = False, lifetime: int = 7200, **more: Any) -> None:
        super().__init__(pki, *args, **more)
        self.rude = rude
        self.lifetime = lifetime

    @classmethod
    def missing(cls) -> str:
        return ""  # it comes with the simulator

    def command(self) -> list[str]:
        told = {
            "host": self.host,
            "port": self.port,
            "root": str(self.root),
            "log": str(self.log),
            "idle": self.idle,
            "data_ports": self.data_ports,
            "advertised": self.advertised,
            "username": self.username,
            "password": PASSWORD,
            "certificate": str(self.pki.server_file),
            "ca": str(self.pki.ca_file),
            "rude": self.rude,
            "lifetime": self.lifetime,
        }
        config = self.folder / "pyftpdlib.json"
        config.write_text(json.dumps(told))
        return [sys.executable, "-W", "ignore", str(Path(__file__).with_name("pyftpdlib_server.py")), str(config)]

    def forget_sessions(self) -> None:
        """Have it forget all TLS sessions."""
        self.send_signal(signal.SIGUSR1, "all sessions forgotten")


KINDS = (Proftpd, Vsftpd, Pyftpdlib)
