"""One time limit shared by everything that is done in a row."""

from __future__ import annotations

import time


class Deadline:
    """
    A limit for all of it: each operation gets what it asks for, or what is left if that is less.

    :param seconds: from now.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return time.monotonic() >= self._ends

    def within(self, seconds: float) -> float:
        """
        Return how long an operation may take.

        :param seconds: its own limit.
        :raises TimeoutError: when no time is left.
        """
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for all of it is over")
        return min(seconds, left)
