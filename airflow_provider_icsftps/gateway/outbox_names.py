"""
Names in an outbox: which of them answer an upload, which match a pattern.

Answers come as ``status_<service>_<uploaded file name, extension included>_<digit>.xml`` in the outbox. Both parts may
hold underscores, so such a name is built and compared, never split. docs/gateway.md says how sure that is.
"""

from __future__ import annotations

import fnmatch
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Set

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.names import MAX_GENERATION

# a repeated digit-3 name must differ somehow; how is not known, so the shapes a server would choose are read
_REPEAT = r"(?:[._-]\d{1,6}| ?\(\d{1,6}\))?"
_TAIL = re.compile(rf"_(?P<digit>[0-3]){_REPEAT}\.xml", re.ASCII)
_WILDCARD = re.compile(r"[*?\[]")


class OutboxNames(Set[str]):
    """
    The names in an outbox at one moment, in order, with a quick way to those that somebody asks for.

    Thousands of waits ask one listing of tens of thousands of names. They lie in one list, where names that begin
    alike stand together: an index of small lists would set off the garbage collector, which halts every thread.

    :param names: what a listing showed.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = sorted(set(names))
        self._by_pattern: dict[str, list[str]] = {}

    def __contains__(self, name: object) -> bool:
        """Tell whether a file lay there."""
        return isinstance(name, str) and name in self._beginning(name)

    def __iter__(self) -> Iterator[str]:
        """Go through the names, in order."""
        return iter(self._names)

    def __len__(self) -> int:
        """Count the names."""
        return len(self._names)

    def matching(self, pattern: str) -> list[str]:
        """
        Return the names that match a glob pattern, sorted.

        :param pattern: such as ``Manifest_*.xml``; upper and lower case differ.
        """
        if pattern not in self._by_pattern:
            names = self._beginning(_WILDCARD.split(pattern)[0])
            if names:  # patterns for which there is nothing are not worth their compilation
                matches = re.compile(fnmatch.translate(pattern)).match
                names = [name for name in names if matches(name)]
            self._by_pattern[pattern] = names
        return self._by_pattern[pattern]

    def like_status_files_of(self, service: str, file_name: str) -> list[str]:
        """
        Return the names that :func:`status_digit` has to look at; every status file of the upload is among them.

        :param service: the service folder of the upload.
        :param file_name: the uploaded file's name, extension included.
        """
        return self._beginning(f"{_stem(service, file_name)}_")

    def _beginning(self, text: str) -> list[str]:
        """Return the names that begin with a text."""
        first, length = bisect_left(self._names, text), len(text)
        return self._names[first : bisect_right(self._names, text, key=lambda name: name[:length])]


def _stem(service: str, file_name: str) -> str:
    return f"status_{service}_{file_name}"


def names_with_key(names: Iterable[str], service: str, key: str) -> list[str]:
    """
    Find the upload names of one filing that status files speak of, whatever the user called the file then.

    :param names: names from the outbox.
    :param service: the service folder of the upload.
    :param key: what :func:`upload_key` returned.
    """
    pattern = re.compile(
        rf"status_{re.escape(service)}_(?P<name>.+?{key}(?:[-_]?g[2-{MAX_GENERATION}])?(?:\.[^.]*?)?){_TAIL.pattern}",
        re.ASCII,
    )
    return sorted({match["name"] for name in names if key in name and (match := pattern.fullmatch(name))})


def status_file_name(service: str, file_name: str, digit: int, repeat: int = 1) -> str:
    """
    Build the name of a status file.

    :param service: the service folder.
    :param file_name: the uploaded file's name, extension included.
    :param digit: 0 to 3.
    :param repeat: 2 and up for further files of one digit; how the gateway tells them apart is a guess.
    """
    return f"{_stem(service, file_name)}_{digit}{f'_{repeat}' if repeat > 1 else ''}.xml"


def status_digit(name: str, service: str, file_name: str) -> int | None:
    """
    Return the digit of a status file if it belongs to one upload, else ``None``.

    :param name: a name from the outbox.
    :param service: the service folder of the upload.
    :param file_name: the uploaded file's name, extension included.
    """
    prefix = _stem(service, file_name)
    if not name.startswith(prefix):
        return None
    match = _TAIL.fullmatch(name, len(prefix))
    return int(match["digit"]) if match else None


def status_files(names: Iterable[str], service: str, file_name: str) -> dict[str, int]:
    """
    Find the status files of one upload in a listing.

    :param names: names from the outbox.
    :param service: the service folder of the upload.
    :param file_name: the uploaded file's name, extension included.
    :return: name to digit, in the order of the digits.
    """
    if isinstance(names, OutboxNames):
        names = names.like_status_files_of(service, file_name)
    digits = ((name, status_digit(name, service, file_name)) for name in names)
    # the names differ from the digit on, so their order is that of the digits
    return dict(sorted((name, digit) for name, digit in digits if digit is not None))


def as_text(name: str) -> str:
    r"""
    Return a name as plain text, for those who only read it: bytes that are no text become such as ``\udce6``.

    :param name: a name from the outbox.
    """
    return name.encode(errors="backslashreplace").decode()


def check_text(names: list[str]) -> list[str]:
    """
    Return names that can be passed on: Airflow's processes speak UTF-8, and one that cannot say a name ends.

    :param names: names from the outbox.
    :raises ConfigurationError: when one has bytes that are no text in the connection's encoding.
    """
    for name in names:
        if (shown := as_text(name)) != name:
            raise ConfigurationError(
                f"'{shown}' in the outbox is no text in this connection's encoding, so no task can be told of it; set "
                "the connection's extra 'encoding', to latin-1 for an old server"
            )
    return names


def digit_of(name: str) -> int | None:
    """
    Return the digit at the end of a status file's name, whatever upload it belongs to.

    :param name: a name from the outbox; ``None`` comes back for what is no status file.
    """
    match = re.fullmatch(rf"status_.+?{_TAIL.pattern}", name, re.ASCII)
    return int(match["digit"]) if match else None
