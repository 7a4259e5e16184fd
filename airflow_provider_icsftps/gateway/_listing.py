"""
Folder listings: MLSD and LIST lines into entries. Pure functions; what comes from a server is not trusted.

A name that could not be one file name here (a path, control characters) is left out and told in the log: it must
neither escape a folder nor keep the other files from being fetched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_provider_icsftps.exceptions import GatewayProtocolError, InvalidNameError, one_line
from airflow_provider_icsftps.gateway.names import check_server_name

log = logging.getLogger(__name__)

_UNIX = re.compile(
    r"(?P<type>[-dlbcps])[-rwxsStT]{9}[+.@]?\s+\d+\s+\S+\s+\S+\s+(?P<size>\d+)\s+"
    r"\w{3}\s+\d{1,2}\s+(?:\d{4}|\d{1,2}:\d{2})\s(?P<name>.+)"
)
#: So many of the names that a listing left out are told, and then how many more.
MOST_LEFT_OUT = 20
_DOS = re.compile(r"\d\d-\d\d-\d{2,4}\s+\d\d:\d\d(?:[AP]M)?\s+(?:(?P<dir><DIR>)|(?P<size>\d+))\s+(?P<name>.+)")
_NO_FILE = re.compile(r"(?:total \d+)?")

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.\d+)?", re.ASCII)


@dataclass(frozen=True, order=True)
class OutboxEntry:
    """
    A file in the outbox.

    :param name: without folder.
    :param size: bytes; ``None`` where the gateway does not tell.
    :param modified: when the gateway says it was laid there, aware (UTC); ``None`` where it does not tell.
    """

    name: str
    size: int | None = None
    modified: datetime | None = None


def mlsd_entries(lines: Iterable[str], tried: str, left_out: list[OutboxEntry] | None = None) -> Iterator[OutboxEntry]:
    """
    Read the lines of an MLSD listing (RFC 3659, section 7); folders are left out, and facts that are not known here.

    :param lines: without line ends.
    :param tried: which listing, for an error's line.
    :param left_out: gets the first entries whose names cannot be used here.
    :return: one entry after the other, as they are read.
    :raises GatewayProtocolError: for a line that is none.
    """
    sieve = _Sieve(left_out)
    for line in lines:
        facts_text, blank, name = line.partition(" ")
        if not blank:
            raise GatewayProtocolError(f"{tried} holds a line that is no MLSD line: {one_line(line)[:200]!r}")
        facts = {key.lower(): value for key, _, value in (f.partition("=") for f in facts_text.split(";"))}
        if facts.get("type", "file").lower() == "file":
            size = facts.get("size", "")
            entry = OutboxEntry(name, int(size) if is_number(size) else None, parse_time(facts.get("modify")))
            if sieve.lets_through(entry):
                yield entry
    sieve.tell_the_rest()


def has_list_shape(lines: Iterable[str]) -> bool:
    """
    Tell whether a LIST listing can be read: no RFC says how it looks, so another shape than two is not guessed at.

    :param lines: without line ends.
    :return: whether each of them has the shape of Unix's ``ls -l`` or of Windows' ``dir``.
    """
    return all(_UNIX.fullmatch(line) or _DOS.fullmatch(line) or _NO_FILE.fullmatch(line) for line in lines)


def list_entries(lines: Iterable[str], left_out: list[OutboxEntry] | None = None) -> Iterator[OutboxEntry]:
    """
    Read the lines of a LIST listing; folders and links are left out, and what has neither shape.

    Times in such a listing have no zone and often no year, so none is given.

    :param lines: without line ends.
    :param left_out: gets the first entries whose names cannot be used here.
    :return: one entry after the other, as they are read.
    """
    sieve = _Sieve(left_out)
    for line in lines:
        match = _UNIX.fullmatch(line) or _DOS.fullmatch(line)
        if match is None:
            continue
        found = match.groupdict()
        is_file = found["size"] is not None and found.get("type", "-") == "-"
        if is_file and is_number(found["size"]):
            entry = OutboxEntry(found["name"], int(found["size"]))
            if sieve.lets_through(entry):
                yield entry
    sieve.tell_the_rest()


def parse_names(lines: Iterable[str], left_out: list[OutboxEntry] | None = None) -> list[str]:
    """
    Read the lines of an NLST listing: some servers put the folder before each name, some list ``.`` and ``..``.

    :param lines: without line ends.
    :param left_out: gets the first entries whose names cannot be used here.
    :return: names alone, in the same order; those of folders are among them.
    """
    sieve = _Sieve(left_out)
    names = (line.rpartition("/")[2] for line in lines)
    usable = [name for name in names if name not in {"", ".", ".."} and sieve.lets_through(OutboxEntry(name))]
    sieve.tell_the_rest()
    return usable


def parse_time(text: str | None) -> datetime | None:
    """
    Read the time value of MLSD and MDTM (RFC 3659, section 2.3): ``YYYYMMDDHHMMSS[.sss]`` in UTC.

    :param text: the value.
    :return: aware (UTC), fractions of a second left out; ``None`` for what is no time.
    """
    match = _TIME.fullmatch(text or "")
    if match is None:
        return None
    try:
        # strptime takes longer than all the rest of a line
        year, month, day, hour, minute, second = map(int, match.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def split_lines(data: bytes, encoding: str) -> Iterator[str]:
    """
    Split a listing at line feeds only; other characters that Unicode calls line ends belong to a name.

    :param data: the listing as received.
    :param encoding: of the names; bytes that are none are kept as lone surrogates, so that the same name can be
        asked for again.
    :return: lines without their ends, empty ones left out.
    """
    for line in data.decode(encoding, "surrogateescape").split("\n"):
        if stripped := line.rstrip("\r"):
            yield stripped


def is_number(text: str) -> bool:
    """
    Tell whether a server's text is a plain number of sensible length.

    :param text: the text.
    :return: whether it is at most 19 ASCII digits, and nothing else.
    """
    return text.isascii() and text.isdigit() and len(text) < 20


class _Sieve:
    """Keeps back names that cannot be used here, and tells the log; not without end, however many there are."""

    def __init__(self, left_out: list[OutboxEntry] | None) -> None:
        self._kept_back = 0
        self._left_out = [] if left_out is None else left_out

    def lets_through(self, entry: OutboxEntry) -> bool:
        try:
            check_server_name(entry.name)
        except InvalidNameError as error:
            self._kept_back += 1
            if self._kept_back <= MOST_LEFT_OUT:
                log.warning("Left out of the listing: %s", error)
                self._left_out.append(entry)
            return False
        return True

    def tell_the_rest(self) -> None:
        if self._kept_back > MOST_LEFT_OUT:
            log.warning(
                "Left out of the listing: %d more names that cannot be used here", self._kept_back - MOST_LEFT_OUT
            )
