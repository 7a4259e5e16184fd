"""
Downloads and listings over one session, and above all how each of them ends.

A download counts as whole when the gateway said so and it ended with close_notify or with the byte count that was known
beforehand. What drips, or has no end, is given up: in bytes, in lines and in time.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway._data_connection import BLOCK, end_politely, open_data
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._listing import split_lines

#: No listing is longer: a million names of a hundred bytes.
MAX_LISTING_BYTES = 100 * 1024 * 1024
MAX_LISTING_LINES = 1_000_000
#: In each ``data_timeout`` so much must come, or the end; less is silence.
_LEAST_BYTES = 16 * 1024
#: A listing or a status file must be whole within so many times ``data_timeout``.
WHOLE_WITHIN = 10


def retrieve(
    session: FtpsSession,
    command: str,
    tried: str,
    write: Callable[[memoryview], object],
    expected: int | None = None,
    *,
    seconds: float = math.inf,
) -> int:
    """
    Receive a file or a listing to its end.

    :param session: an open session.
    :param command: RETR, MLSD, LIST or NLST with its argument.
    :param tried: the first half of an error's line.
    :param write: takes each block; what it raises ends the download and is passed on.
    :param expected: bytes, if known beforehand; with the first byte more it is given up.
    :param seconds: for all of it, from its first byte to its last.
    :return: bytes received.
    :raises TransferError: when it is cut short, or has not the expected size.
    :raises GatewayTimeoutError: when it stops coming, or drips.
    """
    received = 0
    whole = True
    with session.mapped(tried, command.partition(" ")[0]):
        data = open_data(session, command)
        with data:
            pace = _Pace(data, session.within(session.settings.data_timeout), session.within(seconds))
            view = memoryview(bytearray(BLOCK))
            while True:
                try:
                    count = pace.receive_into(view)
                except (ssl.SSLEOFError, ConnectionError):
                    whole = False
                    break
                if not count:
                    break
                received += count
                if expected is not None and received > expected:
                    raise TransferError(f"{tried}: more came than the {expected} bytes announced; nothing was kept")
                try:
                    write(view[:count])
                except OSError as error:
                    session.close()  # the rest of the transfer is of no use, so neither is the session
                    raise TransferError(
                        f"{tried}: cannot be written here ({error.strerror or error}); nothing was kept",
                        local=True,
                    ) from error
            if whole:
                end_politely(data, session.within(session.settings.data_timeout))
        session.completion()
    if expected is not None and received != expected:
        raise TransferError(f"{tried}: {received} bytes came, {expected} were announced; nothing was kept")
    if not whole and expected is None:
        raise TransferError(f"{tried}: the data connection was cut after {received} bytes; nothing was kept")
    return received


def retrieve_lines(session: FtpsSession, command: str, tried: str) -> list[str]:
    """
    Receive a listing.

    :param session: an open session.
    :param command: MLSD, LIST or NLST with its argument.
    :param tried: the first half of an error's line.
    :return: lines without their ends, empty ones left out.
    :raises TransferError: when it is cut short or has no end.
    """
    lines: list[str] = []
    rest = bytearray()  # of a line whose end has not come yet
    left = MAX_LISTING_BYTES

    def take(block: memoryview) -> None:
        nonlocal left
        left -= len(block)
        if left < 0:
            raise TransferError(f"{tried}: the listing has more than {MAX_LISTING_BYTES} bytes; it was given up")
        whole, feed, more = bytes(block).rpartition(b"\n")
        if feed:
            lines.extend(split_lines(bytes(rest) + whole, session.encoding))
            rest.clear()
        rest.extend(more)
        if len(lines) > MAX_LISTING_LINES:
            raise TransferError(f"{tried}: the listing has more than {MAX_LISTING_LINES} lines; it was given up")

    retrieve(session, command, tried, take, seconds=WHOLE_WITHIN * session.settings.data_timeout)
    return [*lines, *split_lines(bytes(rest), session.encoding)]


class _Pace:
    """
    The time limits of a download: a server that drips is as bad as one that says nothing.

    :param data: the data connection.
    :param silence: seconds within which :data:`_LEAST_BYTES` must come.
    :param seconds: for all of it.
    """

    def __init__(self, data: ssl.SSLSocket, silence: float, seconds: float) -> None:
        self._data = data
        self._silence = silence
        self._ends = time.monotonic() + seconds
        self._count_anew()

    def _count_anew(self) -> None:
        self._expires = min(self._ends, time.monotonic() + self._silence)
        self._count = 0

    def receive_into(self, view: memoryview) -> int:
        """Return the number of bytes that came, 0 at the end."""
        left = self._expires - time.monotonic()
        if left <= 0:
            raise TimeoutError("the data comes too slowly")
        self._data.settimeout(left)
        count = self._data.recv_into(view)
        self._count += count
        if self._count >= _LEAST_BYTES:
            self._count_anew()
        return count
