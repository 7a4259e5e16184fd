"""Control connections: which commands there are, and what each is answered with."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from OpenSSL import SSL

from airflow_provider_icsftps.simulator._pyftpdlib import TLS_FTPHandler
from airflow_provider_icsftps.simulator.folders import GatewayFolders
from airflow_provider_icsftps.simulator.transfers import LISTINGS, TransferringConnection

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE_TLS = {"AUTH", "QUIT", "FEAT"}
_URGENT = {"ABOR", "STAT", "QUIT"}  # may come behind Telnet's interrupt characters
_TRANSFERS = {*LISTINGS, "RETR", "STOR"}
_LOOKING = {*_TRANSFERS, "MLST", "SIZE", "MDTM", "DELE", "STAT", "CWD"}
_NOT_OFFERED = {
    *("PORT", "EPRT", "APPE", "STOU", "MKD", "XMKD", "RMD", "XRMD", "RNFR", "RNTO", "MFMT", "REIN"),
    *("SITE", "SITE CHMOD", "SITE HELP", "ALLO"),
}


class ControlConnection(TransferringConnection):
    """
    One control connection. Each simulator makes a subclass that carries its own values.

    :param conn: the client's socket.
    :param server: who accepted it.
    :param ioloop: whose turn it is served in.
    """

    keep_error: ClassVar[Callable[[BaseException], None]]
    choose_context: ClassVar[Callable[[], SSL.Context]]

    abstracted_fs = GatewayFolders
    banner = "Simulated FTPS gateway ready."
    tls_control_required = True
    tls_data_required = True
    auth_failed_timeout = 0
    ac_in_buffer: bytes
    _in_buffer: list[bytes]

    proto_cmds: dict[str, Any] = {  # noqa: RUF012  # replaced, never changed
        name: command for name, command in TLS_FTPHandler.proto_cmds.items() if name not in _NOT_OFFERED
    }

    def __init__(self, conn: socket.socket, server: Any, ioloop: Any = None) -> None:
        self.number = self.gateway.witness.count("accepted")
        self._fingerprint = ""
        super().__init__(conn, server, ioloop)
        if self.gateway.faults.take("no_mlsd") is not None:
            self.proto_cmds = {k: v for k, v in self.proto_cmds.items() if k not in {"MLSD", "MLST"}}
        self._extra_feats = ["AUTH TLS", "PBSZ", "PROT"]

    # --- coming and going

    def handle(self) -> None:
        """Greet the client, or send it away."""
        full = self.gateway.too_many_sessions()
        if self.gateway.window == "421" or self.gateway.faults.take("busy_421") is not None:
            self.respond("421 Service not available, try again later.")
            self.close_when_done()
        elif full is not None and full.startswith("421"):
            self.respond(full)
            self.close_when_done()
        else:
            super().handle()

    def handle_ssl_established(self) -> None:
        """See who the client is."""
        certificate = self.socket.get_peer_certificate()
        if certificate is not None:
            self._fingerprint = certificate.digest("sha256").decode().replace(":", "").lower()

    def handle_failed_ssl_handshake(self) -> None:
        """Close so that the alert that OpenSSL has sent is not lost: unread input would make TCP reset."""
        with contextlib.suppress(OSError):
            self.socket.sock_shutdown(socket.SHUT_WR)
            while os.read(self.socket.fileno(), 65536):
                pass
        self.close()

    def close(self) -> None:
        """End the connection, and with it a transfer."""
        if not self._closed:
            self.gateway.witness.count("closed")
            self.bare_end = self.bare_end or self.gateway.faults.take("no_close_notify") is not None
            self._drop_waiting()
            for descriptor in self.held_open:
                os.close(descriptor)
            self.held_open.clear()
            self.gateway.sessions.discard(self.number)
        super().close()
        self.close_file()

    # --- words

    def push(self, data: str) -> None:
        """
        Send words to the client.

        :param data: one line or several, with their ends.
        """
        for line in data.splitlines():
            self.gateway.witness.saw(self.number, "gateway", line)
        super().push(data)

    def respond(self, resp: str, logfun: object = None) -> None:
        """
        Send a reply.

        :param resp: the reply, code included.
        :param logfun: pyftpdlib's; not used.
        """
        if self._closed:
            return
        self._last_response = resp
        self.push(resp + "\r\n")

    def log(self, msg: str, logfun: object = None) -> None:
        """
        Say nothing: the transcript has it.

        :param msg: pyftpdlib's words.
        :param logfun: pyftpdlib's; not used.
        """

    logline = log
    logerror = log

    def log_cmd(self, cmd: str, arg: str, respcode: int, respstr: str) -> None:
        """
        Say nothing: the transcript has it.

        :param cmd: the command.
        :param arg: what stood behind it.
        :param respcode: the reply's code.
        :param respstr: the reply.
        """

    def log_exception(self, instance: object) -> None:
        """
        Keep the exception that is being handled, unless it is only a broken connection.

        :param instance: the connection in which it happened.
        """
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, SSL.Error | ConnectionError | ssl.SSLError):
            type(self).keep_error(error)

    # --- commands

    def found_terminator(self) -> None:
        """Handle a command, perhaps late."""
        fault = self.gateway.faults.take("slow_replies", self.number)
        if fault is None:
            super().found_terminator()
            return
        line, self._in_buffer, self._in_buffer_len = self._in_buffer, [], 0
        self.call_later(fault["seconds"], self._handle_late, line)

    def _handle_late(self, line: list[bytes]) -> None:
        begun, self._in_buffer = self._in_buffer, line
        super().found_terminator()
        self._in_buffer = begun

    def pre_process_command(self, line: str, cmd: str, arg: str) -> None:
        """
        Refuse what is not offered or not in its place; see to it that what is due has come.

        :param line: the whole line.
        :param cmd: the command, in capitals.
        :param arg: what stood behind it.
        """
        self.gateway.witness.saw(self.number, "client", line)
        if not self._ssl_established and cmd not in _BEFORE_TLS:
            self.respond("550 TLS is required: send AUTH TLS first.")
        elif cmd not in self.proto_cmds and cmd not in _NOT_OFFERED and cmd[-4:] not in _URGENT:
            self.respond("500 Command not understood.")  # not repeated: it may be a mistyped PASS
        elif cmd == "USER" and self.authenticated:
            self.respond("503 Already logged in.")
        elif cmd in _NOT_OFFERED:
            self.respond("502 Command not implemented.")
        elif self.authenticated and cmd in {*_TRANSFERS, "PASV", "EPSV"} and self._transferring:
            self.respond("450 A transfer is in progress.")
        elif self.authenticated and cmd in _TRANSFERS and self._dtp_acceptor is None:
            self.respond("425 Send PASV or EPSV first.")
        elif (
            self.authenticated and cmd in _TRANSFERS and self.gateway.faults.take("refuse_data_connection") is not None
        ):
            self._shutdown_connecting_dtp()
            self.respond("425 Cannot open the data connection.")
        else:
            if self.authenticated and cmd in _LOOKING:
                self.gateway.pump()
            super().pre_process_command(line, cmd, arg)

    def ftp_AUTH(self, line: str) -> None:  # noqa: N802
        """
        Begin TLS. What stands behind the command in clear text is thrown away.

        :param line: what stood behind the command.
        """
        self.ssl_context = type(self).choose_context()
        super().ftp_AUTH(line)
        self.ac_in_buffer = b""

    def ftp_PROT(self, line: str) -> None:  # noqa: N802
        """
        Protect data connections; clear text is not offered.

        :param line: the level of protection.
        """
        if line.upper() == "C":
            self.respond("534 Data connections must be protected: PROT P.")
        else:
            super().ftp_PROT(line)

    def ftp_PASS(self, line: str) -> None:  # noqa: N802
        """
        Log in.

        :param line: the password.
        """
        if self.authenticated or not self.username:
            super().ftp_PASS(line)
            return
        refusal = self.gateway.refusal(self._fingerprint, self.username, line)
        full = self.gateway.too_many_sessions()
        if refusal is None and full is not None:
            self.username = ""
            self.respond(full)
            return
        if refusal is None:
            self.gateway.sessions.add(self.number)
            self.gateway.witness.count("logins")
            self.handle_auth_success(str(self.gateway.storage.home(self.username)), "", "Login successful.")
            return
        self.username = ""
        self.attempted_logins += 1
        self.respond(f"530 {refusal}")
        if self.attempted_logins >= self.max_login_attempts:
            self.close_when_done()
