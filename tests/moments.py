"""Waiting for what another thread or process does, and for a day that is long enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo


def within(seconds: float, happened: Callable[[], object]) -> bool:
    """Wait until something has happened, and say whether it has."""
    ends = time.monotonic() + seconds
    while not (has := happened()) and time.monotonic() < ends:
        time.sleep(0.005)
    return bool(has)


def keep_off_midnight(zone: tzinfo, seconds: float = 30) -> None:
    """Wait past midnight if it is nearer than so many seconds: what follows is to begin and end on one day."""
    now = datetime.now(zone)
    midnight = (now + timedelta(seconds=seconds)).replace(hour=0, minute=0, second=0, microsecond=0)
    time.sleep(max(0.0, (midnight + timedelta(seconds=2) - now).total_seconds()))
