"""How long a filing bears a gateway that is away: pauses that grow, within a limit."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from airflow_provider_icsftps.exceptions import IcsFtpsError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


def growing_pause(failures: int, first: float, longest: float) -> float:
    """
    Return how long to pause after a failure: twice as long each time, up to a limit.

    :param failures: how many came before it, without a success in between.
    :param first: seconds after the first one.
    :param longest: seconds at most.
    """
    return min(first * 2.0 ** min(failures, 10), longest)  # after hours of failures it would be no float any more


class Patience:
    """
    Pauses of 1, 2, 4 ... 60 seconds after failures that may pass, until they have lasted too long.

    A success in between (:meth:`renew`) begins it anew. What is not retryable, a refused login above all, is never
    borne.

    Parallel sessions share one: the limit counts from the first failure after the last success of any of them, and who
    fails while another one pauses joins that pause. So an outage is waited for once, in one rhythm.

    :param seconds: how long failures in a row may last; 0 bears none.
    :param sleep: how to wait.
    :param clock: seconds from anywhere, never going back.
    """

    def __init__(
        self,
        seconds: float,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self._sleep = sleep
        self._clock = clock
        self._since: float | None = None
        self._failures = 0
        self._lock = threading.Lock()
        self._pausing = 0
        self._ends = 0.0

    def renew(self) -> None:
        """Forget the failures so far."""
        with self._lock:
            self._since = None
            self._failures = 0

    def pause(self, seconds: float) -> None:
        """
        Wait for what is no failure.

        :param seconds: how long.
        """
        self._sleep(seconds)

    def bear(self, error: IcsFtpsError) -> None:
        """
        Pause after a failure.

        :param error: the failure.
        :raises IcsFtpsError: the failure itself, when it will not pass or has lasted too long.
        """
        with self._lock:
            pause = self._pause(error)
            self._pausing += 1
        try:
            self._sleep(pause)
        finally:
            with self._lock:
                self._pausing -= 1

    def _pause(self, error: IcsFtpsError) -> float:
        """Return the seconds to pause, or raise the error."""
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = self._since + self.seconds - now
        if not error.retryable or left <= 0:
            raise error
        if self._pausing:
            return max(0.0, self._ends - now)
        pause = min(growing_pause(self._failures, _FIRST_PAUSE, _LONGEST_PAUSE), left)
        self._failures += 1
        self._ends = now + pause
        log.warning("Failure %d in a row, the next attempt in %.0f s: %s", self._failures, pause, error)
        return pause
