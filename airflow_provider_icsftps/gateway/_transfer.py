"""
Uploads over one session, and above all how each of them ends.

* What counts for an upload is the gateway's 226 or 250. Its end is sent at once (close_notify, then FIN) and the
  gateway's own close_notify is not waited for: some servers say 226 only after they saw ours, some never close.
* An upload that cannot be finished is never closed politely: most servers take a bare FIN for the end of a whole
  file. ABOR is sent, the data connection is reset, and the session is given up.
"""

from __future__ import annotations

import contextlib
import errno
import ftplib
import logging
import socket
import ssl
import struct
from typing import Protocol

from airflow_provider_icsftps.exceptions import IcsFtpsError, TransferError, one_line
from airflow_provider_icsftps.gateway._data_connection import BLOCK, end_politely, open_data
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._wire_errors import connection_error
from airflow_provider_icsftps.gateway.sources import READ_ERRORS
from airflow_provider_icsftps.gateway.submission import Transfer

log = logging.getLogger(__name__)

_ABORT_SECONDS = 3.0


class Source(Protocol):
    """A binary file to upload from."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """
        Fill the buffer.

        :param buffer: for at most so many bytes as it has.
        :return: the number of bytes, 0 at the end; ``None`` when there is nothing to be had now, which is refused.
        """


class Upload:
    """
    One upload; :attr:`transfer` tells at any time how far it is known to have come.

    :param session: an open session.
    :param path: absolute path on the gateway.
    :param size: bytes that the source will give, if that is known.
    """

    def __init__(self, session: FtpsSession, path: str, size: int | None = None) -> None:
        self.session = session
        self.path = path
        self.size = size
        self.transfer = Transfer.NONE
        self.sent = 0
        self._under_way = 0
        self._certainly_cut = False

    def send(self, source: Source) -> int:
        """
        Send everything that the source gives and wait for the gateway's word.

        :param source: read to its end; what it raises aborts the upload.
        :return: bytes sent.
        :raises TransferError: when the source could not be read, the connection was cut in the middle, or the gateway
            said that it has the file before it was sent the end.
        :raises GatewayUnavailableError: when the outcome is unknown, or the gateway cannot take it now.
        :raises GatewayRefusedError: when the gateway refuses it.
        :raises GatewayProtocolError: when its answer makes no sense; the outcome is unknown then, too.
        """
        session = self.session
        tried = f"Upload to {self.path} at {session.settings.address}"
        with session.mapped(tried, "STOR"):
            try:
                data = open_data(session, f"STOR {self.path}")
            except BaseException as error:
                said_no = isinstance(error, ftplib.error_temp | ftplib.error_perm)
                refused = said_no and not session.transfer_began
                if session.command_sent and not refused:
                    # some servers make an empty file of it, which is all of an empty one
                    self.transfer = Transfer.BROKEN if self.size != 0 else Transfer.KILLED
                raise
            self.transfer = Transfer.BROKEN  # until the last byte is out
            with data:
                # from here to the end a close is a reset, even the one the kernel does when this process is killed
                _linger(data, on=True)
                try:
                    data.settimeout(session.within(session.settings.data_timeout))
                    self._send_all(data, source, tried)
                except BaseException:
                    if not self._certainly_cut and (self.size is None or self.sent + self._under_way >= self.size):
                        self.transfer = Transfer.KILLED  # interrupted when all of it may have been out
                    self._abort(data)
                    raise
                self.transfer = Transfer.SENT  # from here on the gateway may take it for whole
                early = self._answered()  # a no that came meanwhile, or a yes to what it has not seen the end of
                _linger(data, on=False)
                ended = end_politely(data, session.within(session.settings.data_timeout))
                try:
                    reply = session.completion()
                except (ftplib.error_temp, ftplib.error_perm) as error:
                    if not str(error).startswith("421"):  # that is about the service, not about this file
                        self.transfer = Transfer.BROKEN  # the gateway says that it has not got it
                    raise
                if not reply.startswith(("226", "250")):
                    raise ftplib.error_reply(reply)
                if early:
                    raise TransferError(
                        f"{tried}: the gateway said {reply!r} before it was sent the end; its copy may not be whole. "
                        "File it again, which looks first at what became of it"
                    )
                if ended and not data.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    self.transfer = Transfer.CONFIRMED
                else:  # some gateways say 226 to whatever they got
                    log.warning("%s: the gateway says %s, but the data connection was reset", tried, one_line(reply))
        return self.sent

    def _answered(self) -> bool:
        """Whether the gateway has said something by now; a connection that is gone says so when it is read."""
        try:
            return self.session.file.take_in()
        except (OSError, EOFError):
            return False

    def _send_all(self, data: ssl.SSLSocket, source: Source, tried: str) -> None:
        view = memoryview(bytearray(BLOCK))
        while True:
            if self.session.severed:
                raise ConnectionAbortedError(errno.ECONNABORTED, "broken off here")
            try:
                count = source.readinto(view)
            except READ_ERRORS as error:
                self._certainly_cut = self.size is None or self.sent < self.size
                raise TransferError(
                    f"{tried}: the file could not be read after {self.sent} bytes "
                    f"({getattr(error, 'strerror', None) or error}); the upload was aborted",
                    local=True,
                ) from error
            if count is None:
                self._certainly_cut = True
                raise TransferError(
                    f"{tried}: the file had nothing to give after {self.sent} bytes and was not at its end; "
                    "the upload was aborted. Give a file that blocks",
                    local=True,
                )
            if not count:
                return
            self._under_way = count
            try:
                data.sendall(view[:count])
            except OSError as error:
                self._certainly_cut = True  # the last record did not go out
                raise self._why_cut(tried, error) from error
            self._under_way = 0
            self.sent += count

    def _why_cut(self, tried: str, error: OSError) -> IcsFtpsError:
        """Return why the gateway stopped taking data; its own reply, if there is one, is raised instead."""
        # a gateway that closed the data connection has an answer ready, or will have
        if not isinstance(error, TimeoutError) or self.session.has_reply():
            with contextlib.suppress(OSError, EOFError):
                reply = self.session.completion()  # raises its 4xx or 5xx
                return TransferError(
                    f"{tried}: cut after {self.sent} bytes, though the gateway says {reply!r}; its copy is not whole"
                )
        return TransferError(f"{connection_error(f'{tried}: cut after {self.sent} bytes', error)}")

    def _abort(self, data: ssl.SSLSocket) -> None:
        """End an upload so that no server can take it for whole, and give the session up."""
        session = self.session
        with contextlib.suppress(OSError, EOFError, ftplib.Error):
            session.timeout = _ABORT_SECONDS
            session.putcmd("ABOR")
        data.close()  # a reset
        with contextlib.suppress(OSError, EOFError, ftplib.Error):
            if session.getmultiline().startswith("426"):
                session.getmultiline()  # the answer to ABOR itself
        session.close()


def _linger(data: ssl.SSLSocket, *, on: bool) -> None:
    """Let a close send RST (on) or FIN (off)."""
    data.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", int(on), 0))
