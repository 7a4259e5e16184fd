"""Progress of a long fetch in a task's log."""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_icsftps.gateway import FetchProgress

_SECONDS = 5.0
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


class ProgressLog:
    """
    Writes a line every few seconds at most, and none for what is quick.

    :param info: a logger's method.
    :param clock: seconds from anywhere, never going back.
    """

    def __init__(self, info: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._info = info
        self._clock = clock
        self._last = clock()

    def __call__(self, progress: FetchProgress) -> None:
        """
        Tell how far it is, if the last line is long ago.

        :param progress: how far.
        """
        if self._clock() - self._last < _SECONDS:
            return
        self._last = self._clock()
        self._info(
            f"{progress.files} of {progress.of_files} files, {in_bytes(progress.bytes)} of "
            f"{in_bytes(progress.of_bytes)}, {in_bytes(progress.rate)}/s"
        )


def in_bytes(number: float) -> str:
    """
    Write a number of bytes for people.

    :param number: bytes.
    """
    for factor, unit in _UNITS:
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number:.0f} bytes"
