"""How long a filing bears a gateway that is away: pauses that grow, within a limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from airflow_provider_icsftps.exceptions import IcsFtpsError

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 60.0


class Patience:
    """
    Pauses of 1, 2, 4 ... 60 seconds after failures that may pass, until they have lasted too long.

    A success in between (:meth:`renew`) begins it anew. What is not retryable, a refused login above all, is never
    borne.

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

    def renew(self) -> None:
        """Forget the failures so far."""
        self._since = None
        self._failures = 0

    def bear(self, error: IcsFtpsError) -> None:
        """
        Pause after a failure.

        :param error: the failure.
        :raises IcsFtpsError: the failure itself, when it will not pass or has lasted too long.
        """
        now = self._clock()
        self._since = now if self._since is None else self._since
        left = self._since + self.seconds - now
        if not error.retryable or left <= 0:
            raise error
        pause = min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE, left)
        self._failures += 1
        log.warning("Failure %d in a row, the next attempt in %.0f s: %s", self._failures, pause, error)
        self._sleep(pause)
