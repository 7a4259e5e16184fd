"""A bare ftplib client: the foreign witness. It shares no line with the project's own client."""

from __future__ import annotations

import ftplib
import socket
import ssl
import struct
import tempfile
from io import BytesIO

from airflow_provider_icsftps.simulator import GatewaySimulator, IssuedCertificate


class Client(ftplib.FTP_TLS):
    """ftplib, with the control connection's TLS session offered on data connections."""

    reuse = True

    def ntransfercmd(self, cmd, rest=None):
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            session = self.sock.session if self.reuse else None
            try:
                connection = self.context.wrap_socket(connection, server_hostname=self.host, session=session)
            except OSError:
                connection.close()
                raise
        return connection, size

    def names(self, folder: str = "/out") -> list[str]:
        try:
            return self.nlst(folder)
        except ftplib.error_perm as error:
            if "No files" in str(error):
                return []
            raise

    def read(self, path: str) -> bytes:
        parts: list[bytes] = []
        self.retrbinary(f"RETR {path}", parts.append)
        return b"".join(parts)

    def store(self, path: str, data: bytes = b"<x/>") -> str:
        return self.storbinary(f"STOR {path}", BytesIO(data))

    def cut(self, path: str, data: bytes, how: str) -> str:
        """Begin an upload and end it without close_notify: ``fin``, ``reset`` or ``abor``."""
        self.voidcmd("TYPE I")
        connection = self.transfercmd(f"STOR {path}")
        connection.sendall(data)
        if how == "abor":
            self.sock.sendall(b"ABOR\r\n")
        if how in {"reset", "abor"}:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # the descriptor itself, because SSLSocket offers no way to close without its own ending
        socket.socket(fileno=connection.detach()).close()
        return self.getmultiline()


def context(
    sim: GatewaySimulator, issued: IssuedCertificate | None = None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = made.maximum_version = version
    made.load_verify_locations(cadata=sim.ca_pem)
    issued = issued or sim.default_client
    with tempfile.NamedTemporaryFile() as file:
        file.write(issued.pem)
        file.flush()
        made.load_cert_chain(file.name)
    return made


def connect(
    sim: GatewaySimulator, issued: IssuedCertificate | None = None, *, reuse: bool = True, login: bool = True
) -> Client:
    issued = issued or sim.default_client
    client = Client(context=context(sim, issued), timeout=20, encoding="utf-8")
    client.reuse = reuse
    try:
        client.connect(sim.host, sim.port)
        client.auth()
        if login:
            client.login(issued.username, issued.password)
            client.prot_p()
    except Exception:
        client.close()
        raise
    return client


def handshake(sim: GatewaySimulator, made: ssl.SSLContext) -> None:
    """Connect and begin TLS, nothing more."""
    with Client(context=made, timeout=20) as client:
        client.connect(sim.host, sim.port)
        client.auth()


def send_for_ever(connection: ssl.SSLSocket) -> None:
    """Send until the other side has had enough."""
    while True:
        connection.sendall(b"x" * 10_000)


def read_replies(client: Client) -> None:
    """Read replies until the connection ends."""
    while client.getmultiline():
        pass
