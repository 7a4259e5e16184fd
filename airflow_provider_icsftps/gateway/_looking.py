"""Looking at a folder: listings and questions about files, by whatever commands the gateway has."""

from __future__ import annotations

import ftplib
import time
from collections.abc import Iterator
from datetime import datetime

from airflow_provider_icsftps.exceptions import GatewayRefusedError, GatewayTimeoutError
from airflow_provider_icsftps.gateway._download import WHOLE_WITHIN, retrieve_lines
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._listing import (
    OutboxEntry,
    has_list_shape,
    is_number,
    list_entries,
    mlsd_entries,
    parse_names,
    parse_time,
)

#: What single questions about files may take on average, besides what any listing has.
SECONDS_A_FILE = 1.0
_NOT_IMPLEMENTED = {500, 501, 502, 504}


def list_folder(
    session: FtpsSession, folder: str, *, times: bool, left_out: list[OutboxEntry] | None = None
) -> list[OutboxEntry]:
    """
    List the files in a folder: MLSD where the gateway has it, else LIST, else NLST with a SIZE for each file.

    :param session: an open session.
    :param folder: absolute path.
    :param times: without MLSD, ask for the time of each file by MDTM.
    :param left_out: gets the first entries whose names cannot be used here.
    :return: in the gateway's order; a size or time that it does not tell is ``None``.
    :raises FileNotAvailableError: when there is no such folder, where the gateway tells; some show an empty one.
    :raises TransferError: when the listing is cut short or has no end.
    :raises GatewayTimeoutError: when the listing, or the answers about single files, come too slowly.
    """
    entries = list(entries_in(session, folder, left_out))
    if session.has_mlsd:
        return entries
    tried = _tried(session, folder)
    if any(entry.size is None for entry in entries):
        asked = _in_time(session, entries, tried)
        entries = [OutboxEntry(e.name, size_of(session, f"{folder}/{e.name}")) for e in asked]
    if times:
        asked = _in_time(session, entries, tried)
        entries = [OutboxEntry(e.name, e.size, time_of(session, f"{folder}/{e.name}")) for e in asked]
    return entries


def names_in(session: FtpsSession, folder: str) -> list[str]:
    """
    List the names in a folder by NLST, those of folders included on most servers.

    :param session: an open session.
    :param folder: absolute path.
    :return: names without their folder, in the gateway's order.
    :raises FileNotAvailableError: when there is no such folder, where the gateway tells.
    :raises TransferError: when the listing is cut short or has no end.
    """
    return parse_names(retrieve_lines(session, f"NLST {folder}", _tried(session, folder)))


def list_names(session: FtpsSession, folder: str) -> list[str]:
    """
    List the names of the files in a folder: MLSD, else LIST, else NLST.

    :param session: an open session.
    :param folder: absolute path.
    :return: in the gateway's order.
    :raises FileNotAvailableError: when there is no such folder, where the gateway tells.
    :raises TransferError: when the listing is cut short or has no end.
    """
    # texts alone: ten thousand other objects would set the garbage collector off, and that halts every thread
    return [entry.name for entry in entries_in(session, folder)]


def entries_in(session: FtpsSession, folder: str, left_out: list[OutboxEntry] | None = None) -> Iterator[OutboxEntry]:
    """
    List the files in a folder as far as one listing tells: MLSD, else LIST without times, else NLST with names alone.

    :param session: an open session.
    :param folder: absolute path.
    :param left_out: gets the first entries whose names cannot be used here.
    :return: one after the other, in the gateway's order; the listing has been received when this returns.
    :raises FileNotAvailableError: when there is no such folder, where the gateway tells.
    :raises TransferError: when the listing is cut short or has no end.
    """
    tried = _tried(session, folder)
    if session.has_mlsd:
        try:
            return mlsd_entries(retrieve_lines(session, f"MLSD {folder}", tried), tried, left_out)
        except GatewayRefusedError as error:
            if error.code not in _NOT_IMPLEMENTED:
                raise
            session.has_mlsd = False  # it is not asked for again in this session
    lines = retrieve_lines(session, f"LIST {folder}", tried)
    if has_list_shape(lines):
        return list_entries(lines, left_out)
    return map(OutboxEntry, parse_names(retrieve_lines(session, f"NLST {folder}", tried), left_out))


def _tried(session: FtpsSession, folder: str) -> str:
    return f"Listing of {folder} at {session.settings.address}"


def _in_time(session: FtpsSession, entries: list[OutboxEntry], tried: str) -> Iterator[OutboxEntry]:
    """Give one entry after the other, while there is time."""
    expires = time.monotonic() + WHOLE_WITHIN * session.settings.data_timeout + SECONDS_A_FILE * len(entries)
    for entry in entries:
        if time.monotonic() > expires:
            raise GatewayTimeoutError(f"{tried}: the answers about single files come too slowly; try again later")
        yield entry


def size_of(session: FtpsSession, path: str) -> int | None:
    """
    Ask for the size of a file.

    :param session: an open session.
    :param path: absolute path.
    :return: bytes; ``None`` when the gateway does not tell.
    """
    answer = _ask(session, f"SIZE {path}")
    return int(answer) if is_number(answer) else None


def time_of(session: FtpsSession, path: str) -> datetime | None:
    """
    Ask for a file's time of modification.

    :param session: an open session.
    :param path: absolute path.
    :return: aware (UTC); ``None`` when the gateway does not tell.
    """
    return parse_time(_ask(session, f"MDTM {path}"))


def _ask(session: FtpsSession, command: str) -> str:
    """Return the value in a 213 reply, or nothing when the gateway refuses to tell."""
    with session.mapped(f"{command} at {session.settings.address}", command.partition(" ")[0]):
        try:
            reply = session.sendcmd(command)
        except ftplib.error_perm as error:
            if str(error).startswith("530"):
                raise
            return ""
    return reply[4:].strip() if reply.startswith("213 ") else ""
