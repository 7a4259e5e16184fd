"""Waiting for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def within(seconds: float, happened: Callable[[], object]) -> bool:
    """Wait until something has happened, and say whether it has."""
    ends = time.monotonic() + seconds
    while not (has := happened()) and time.monotonic() < ends:
        time.sleep(0.005)
    return bool(has)
