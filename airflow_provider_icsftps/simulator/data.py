"""
Data connections, stricter than pyftpdlib's own.

* The TCP connection waits in the listen queue until a command wants it; the TLS handshake begins only then.
* The control connection's TLS session must be resumed.
* An upload is whole only when the client's close_notify came; FIN, reset or ABOR cut it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from typing import TYPE_CHECKING, Any

from OpenSSL import SSL

from airflow_provider_icsftps.simulator._pyftpdlib import PassiveDTP, RetryError, TLS_DTPHandler
from airflow_provider_icsftps.simulator.uploads import IncomingFile

if TYPE_CHECKING:
    from airflow_provider_icsftps.simulator.transfers import TransferringConnection


class PassiveListener(PassiveDTP):  # type: ignore[misc]  # pyftpdlib has no types
    """
    The socket behind PASV or EPSV. It accepts only after :meth:`open`.

    :param cmd_channel: the control connection.
    :param extmode: whether EPSV asked for it, not PASV.
    """

    cmd_channel: TransferringConnection

    def __init__(self, cmd_channel: TransferringConnection, extmode: bool = False) -> None:
        super().__init__(cmd_channel, extmode)
        self.del_channel()

    def open(self) -> None:
        """Accept the client's connection, perhaps waiting in the queue already."""
        self.add_channel()

    def handle_accepted(self, sock: socket.socket, addr: tuple[Any, ...]) -> None:
        """
        Begin a data connection; pyftpdlib forgets the socket of a client that has gone again.

        :param sock: the client's socket.
        :param addr: its address.
        """
        super().handle_accepted(sock, addr)
        if self.cmd_channel.data_channel is None:
            sock.close()

    def handle_timeout(self) -> None:
        """Give up waiting for the client."""
        self.cmd_channel.data_connection_missed()

    def handle_error(self) -> None:
        """Keep what went wrong."""
        self.cmd_channel.log_exception(self)
        self.close()


class TlsEnding:
    """How a TLS connection ends: close_notify, then TCP, without waiting for the other side."""

    socket: Any
    _ssl_established: bool
    _ssl_closing: bool
    _ssl_want_write: bool
    #: End with TCP alone.
    bare_end = False

    def _do_ssl_shutdown(self) -> None:
        self._ssl_closing = True
        if not self.bare_end:
            try:
                # as if the client's had come: there is nothing to wait for
                self.socket.set_shutdown(self.socket.get_shutdown() | SSL.RECEIVED_SHUTDOWN)
                self.socket.shutdown()
            except SSL.WantWriteError:
                if self._flushes_before_end():
                    self._ssl_want_write = True
                    return
            except (SSL.Error, OSError):
                pass  # the connection is gone, and with it the need to end it
        self._ssl_established = self._ssl_closing = False
        self.handle_ssl_shutdown()  # type: ignore[attr-defined]  # pyftpdlib's, closes the socket

    def _flushes_before_end(self) -> bool:
        return False


class DataConnection(TlsEnding, TLS_DTPHandler):  # type: ignore[misc]  # pyftpdlib has no types
    """
    One data connection.

    :param sock: the client's socket.
    :param cmd_channel: the control connection.
    """

    cmd_channel: TransferringConnection
    # what pyftpdlib keeps in a connection
    file_obj: Any
    receive: bool
    transfer_finished: bool
    _resp: tuple[Any, ...]
    _closed: bool

    #: Whether TLS session reuse is demanded; set for each simulator.
    require_session_reuse = True

    def __init__(self, sock: socket.socket, cmd_channel: TransferringConnection) -> None:
        self._close_notify = False
        self._concluded = False
        self._shaken = False
        self._limit: dict[str, Any] | None = None
        self._final_reply = "226 Transfer complete."
        with contextlib.suppress(OSError):  # the client is gone already
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock, cmd_channel)

    def handle_ssl_established(self) -> None:
        """Check the session and begin the transfer."""
        self._shaken = True
        channel = self.cmd_channel
        # pyOpenSSL cannot tell whether a session was resumed; the master key of a resumed one is the control's
        reused = self.socket.master_key() == channel.socket.master_key()
        if self.require_session_reuse and not reused and self.socket.get_protocol_version_name() == "TLSv1.2":
            self.close()
            channel.give_up_transfer("522 SSL connection failed: session reuse required.")
            return
        channel.gateway.witness.count("data")
        if reused:
            channel.gateway.witness.count("data_reused")
        channel.start_transfer()

    def handle_failed_ssl_handshake(self) -> None:
        """Tell the client on the control connection."""
        self._shaken = True
        self.close()
        self.cmd_channel.give_up_transfer("522 SSL handshake failed.")

    def enable_receiving(self, type: str, cmd: str) -> None:  # noqa: A002  # pyftpdlib's name
        """
        Begin to take an upload.

        :param type: ``a`` or ``i``, as TYPE has it.
        :param cmd: the command.
        """
        self._limit = self.cmd_channel.gateway.faults.take("drop_upload")
        super().enable_receiving(type, cmd)

    def limit_download(self) -> None:
        """Cut this download if that fault is switched on."""
        self._limit = self.cmd_channel.gateway.faults.take("drop_download")

    def break_off(self, reply: str) -> None:
        """
        End this listing without close_notify.

        :param reply: what is said all the same.
        """
        self.bare_end = True
        self._final_reply = reply

    def give_up(self, reply: str) -> None:
        """
        Cut the transfer.

        :param reply: what is said on the control connection.
        """
        self.bare_end = True
        self._resp = (reply, None)
        self.close()

    def recv(self, buffer_size: int) -> bytes:
        """
        Read a block, and see whether the client ended by close_notify.

        :param buffer_size: bytes at most.
        """
        try:
            data: bytes = self.socket.recv(buffer_size)
        except SSL.WantReadError as error:
            self._ssl_want_read = True
            raise RetryError from error
        except SSL.WantWriteError as error:
            self._ssl_want_write = True
            raise RetryError from error
        except SSL.ZeroReturnError:
            self._close_notify = True
            data = b""
        except (SSL.Error, OSError):
            data = b""  # FIN or reset without close_notify
        if not data:
            self.handle_close()
            return b""
        if self._limit and self.tot_bytes_received + len(data) >= self._limit["count"]:
            data = data[: self._limit["count"] - self.tot_bytes_received]
            self.ioloop.call_later(0, self._cut, self._limit, _errback=self.handle_error)
        return data

    def send(self, data: bytes) -> int:
        """
        Write a block.

        :param data: the block.
        """
        if self._limit:
            left = self._limit["count"] - self.tot_bytes_sent
            if left <= 0:
                self._cut(self._limit)
                return 0
            data = data[:left]
        sent: int = super().send(data)
        return sent

    def _cut(self, fault: dict[str, Any]) -> None:
        self._limit = None
        if self._closed:
            return
        if fault.get("reset"):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.give_up(fault["reply"])

    def handle_close(self) -> None:
        """End the transfer: everything was sent, or the client closed."""
        if self._closed or self._ssl_closing:
            return
        if not self.receive and not self._resp:
            self.transfer_finished = not self.producer_fifo
            self._resp = (self._final_reply if self.transfer_finished else "426 Transfer aborted.", None)
        self.close()

    def handle_error(self) -> None:
        """Keep what went wrong and end the transfer."""
        self.log_exception(self)
        self.give_up("451 Local error; transfer aborted.")

    def _flushes_before_end(self) -> bool:
        return self.transfer_finished and not self.receive

    def _do_ssl_shutdown(self) -> None:
        faults = self.cmd_channel.gateway.faults
        if not self._ssl_closing and faults.take("no_close_notify") is not None:
            self.bare_end = True
        if self.receive and self._close_notify and faults.take("never_answer_close_notify") is not None:
            self.bare_end = True
            with contextlib.suppress(OSError):
                self.cmd_channel.held_open.append(os.dup(self.socket.fileno()))
        super()._do_ssl_shutdown()

    def close(self) -> None:
        """End the connection. An upload that has not ended by itself is cut."""
        if not self._closed and isinstance(self.file_obj, IncomingFile) and not self._concluded:
            self._concluded = True
            reply = self.cmd_channel.end_upload(self.file_obj, whole=self._close_notify)
            if reply and not self._resp:
                self._resp = (reply, None)
        if not self._closed and self._resp:
            fault = self.cmd_channel.gateway.faults.take("slow_completion")
            if fault:
                self.cmd_channel.call_later(fault["seconds"], self.cmd_channel.respond, self._resp[0])
                self._resp = ()
        missed = not (self._closed or self._shaken)
        super().close()
        if missed:  # cut in its handshake
            self.cmd_channel.data_connection_missed()
