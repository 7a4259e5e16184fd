"""The simulator's clock: the real one, plus what a test has advanced it by."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class SimulatedClock:
    """
    A clock that can be moved forward. Two days of waiting are ``clock.advance(days=2)``.

    :param start: the aware moment to start from; the clock then stands still between advances. By default it runs
        with the real clock.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._start = start
        self._advanced = timedelta()

    def now(self) -> datetime:
        """Return the simulated moment, aware (UTC)."""
        with self._lock:
            return self._now()

    def advance(self, *, days: float = 0, hours: float = 0, seconds: float = 0) -> None:
        """
        Move the clock forward.

        :param days: days of 24 hours.
        :param hours: hours.
        :param seconds: seconds.
        :raises ValueError: when the sum is negative; time does not run backwards.
        """
        step = timedelta(days=days, hours=hours, seconds=seconds)
        if step < timedelta():
            raise ValueError(f"The clock cannot be moved back (by {-step})")
        with self._lock:
            self._advanced += step

    def advance_to(self, moment: datetime) -> None:
        """
        Move the clock forward to a moment; one that has passed changes nothing.

        :param moment: the aware moment.
        """
        with self._lock:
            self._advanced += max(moment - self._now(), timedelta())

    def _now(self) -> datetime:
        return (self._start or datetime.now(UTC)).astimezone(UTC) + self._advanced
