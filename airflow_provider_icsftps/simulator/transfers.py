"""Transfers as a control connection sees them: when one begins, and what ends it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, ClassVar

from airflow_provider_icsftps.simulator._pyftpdlib import TLS_FTPHandler
from airflow_provider_icsftps.simulator.data import DataConnection, PassiveListener, TlsEnding
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.policy import RefusedError
from airflow_provider_icsftps.simulator.uploads import IncomingFile

LISTINGS = {"LIST", "NLST", "MLSD"}


class TransferringConnection(TlsEnding, TLS_FTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """
    A control connection as far as transfers go.

    :param conn: the client's socket.
    :param server: who accepted it.
    :param ioloop: whose turn it is served in.
    """

    gateway: ClassVar[Gateway]

    dtp_handler = DataConnection
    passive_dtp = PassiveListener
    use_sendfile = False

    # what pyftpdlib keeps in a connection; it sets these only when the client has not gone before
    username: str
    data_channel: DataConnection | None = None
    _dtp_acceptor: PassiveListener | None = None
    _in_dtp_queue: tuple[IncomingFile, str] | None = None
    _out_dtp_queue: tuple[Any, bool, Any, str] | None = None
    _restart_position: int

    def __init__(self, conn: socket.socket, server: Any, ioloop: Any = None) -> None:
        self._broken_listing: str | None = None
        #: Descriptors that keep the TCP connection of a finished upload from being closed.
        self.held_open: list[int] = []
        self._being_sent: Any = None
        super().__init__(conn, server, ioloop)

    def abandon(self) -> None:
        """Drop the connection without a word."""
        self.bare_end = True
        self.close()

    @property
    def _transferring(self) -> bool:
        return any(x is not None for x in (self.data_channel, self._in_dtp_queue, self._out_dtp_queue))

    def ftp_PASV(self, line: str) -> None:  # noqa: N802
        """
        Open a port for the data connection.

        :param line: nothing.
        """
        if self.socket.family == socket.AF_INET6:
            self.respond("522 Network protocol not supported, use EPSV.")
            return
        wrong = self.gateway.faults.take("wrong_pasv_address") is not None
        self.masquerade_address = "10.255.255.1" if wrong else None
        super().ftp_PASV(line)

    def ftp_STOR(self, file: str, mode: str = "w") -> None:  # noqa: N802
        """
        Begin an upload.

        :param file: the real path.
        :param mode: pyftpdlib's; not used.
        """
        if self._restart_position:
            self._restart_position = 0
            self.respond("551 Uploads cannot be continued; send the whole file.")
            return
        path = Path(file)
        try:
            incoming = self.gateway.begin_upload(self.username, path.parent.name, path.name)
        except RefusedError as refused:
            self.respond(str(refused))
            return
        self._in_dtp_queue = (incoming, "STOR")
        self.respond("150 File status okay. About to open data connection.")
        if self.gateway.faults.take("drop_control_after_stor") is not None:
            self.abandon()
        else:
            self._open_data_connection()

    def ftp_ABOR(self, line: str) -> None:  # noqa: N802
        """
        Cut the transfer that is in progress.

        :param line: nothing.
        """
        if self._transferring:
            self.give_up_transfer("426 Transfer aborted.")
            self.respond("226 ABOR command successful.")
        else:
            self._shutdown_connecting_dtp()
            self.respond("225 No transfer to abort.")

    def push_dtp_data(self, data: Any, isproducer: bool = False, file: Any = None, cmd: str | None = None) -> None:
        """
        Begin a download or a listing.

        :param data: the listing, or what produces the file's blocks.
        :param isproducer: which of the two.
        :param file: the open file, for a download.
        :param cmd: the command.
        """
        if cmd in LISTINGS:
            self.gateway.witness.count("listings")
            if fault := self.gateway.faults.take("half_written_listing"):
                data = _drain(data) if isproducer else data
                data, isproducer = data[: len(data) // 2], False
                self._broken_listing = fault["reply"]
        self.close_file()
        self._being_sent = file
        super().push_dtp_data(data, isproducer, file, cmd)
        self._open_data_connection()

    def _open_data_connection(self) -> None:
        if self._dtp_acceptor is not None:
            self._dtp_acceptor.open()

    def _on_dtp_connection(self) -> None:
        # pyftpdlib would begin the transfer before the TLS handshake; it begins in start_transfer
        if self._dtp_acceptor is not None:
            self._dtp_acceptor.close()
            self._dtp_acceptor = None

    def start_transfer(self) -> None:
        """Begin the transfer on a data connection whose handshake is done."""
        channel = self.data_channel
        if channel is None:
            return
        if self._out_dtp_queue is not None and self._out_dtp_queue[3] == "RETR":
            channel.limit_download()
        if self._broken_listing:
            channel.break_off(self._broken_listing)
            self._broken_listing = None
        super()._on_dtp_connection()

    def give_up_transfer(self, reply: str) -> None:
        """
        End a transfer that cannot be made or finished.

        :param reply: what to tell the client.
        """
        channel = self.data_channel
        if channel is not None:
            channel.give_up(reply)
        else:
            self.respond(reply)
        self._drop_waiting()
        self._shutdown_connecting_dtp()

    def data_connection_missed(self) -> None:
        """End the wait for a data connection that does not come."""
        if self._transferring:
            self.give_up_transfer("425 No data connection came.")
        else:
            self._shutdown_connecting_dtp()

    def end_upload(self, incoming: IncomingFile, *, whole: bool) -> str:
        """
        Hand an upload that has ended to the gateway.

        :param incoming: the upload.
        :param whole: whether close_notify came.
        :return: the reply.
        """
        reply = self.gateway.end_upload(incoming, whole=whole, ascii_mode=self._current_type == "a")
        if whole and self.gateway.faults.take("drop_control_before_226") is not None:
            self.ioloop.call_later(0, self.abandon)
            return ""
        return reply

    def close_file(self) -> None:
        """Close the file that is being sent; a connection that breaks in its handshake leaves it open otherwise."""
        if self._being_sent is not None:
            self._being_sent.close()

    def _drop_waiting(self) -> None:
        if self._in_dtp_queue is not None:
            self.gateway.drop_upload(self._in_dtp_queue[0])
            self._in_dtp_queue = None
        if self._out_dtp_queue is not None:
            if self._out_dtp_queue[2] is not None:
                self._out_dtp_queue[2].close()
            self._out_dtp_queue = None


def _drain(producer: Any) -> bytes:
    return b"".join(iter(producer.more, b""))
