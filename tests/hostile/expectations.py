"""What an error must be like."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_icsftps.exceptions import IcsFtpsError

PASSWORD = "kodeord-7391"
#: Settings for a test in which something takes too long; long enough for what is honest before it on a slow machine.
QUICK = {"connect_timeout": 1.5, "timeout": 1.5, "data_timeout": 1.5, "completion_timeout": 1.5}


@contextlib.contextmanager
def refused(kind: type[IcsFtpsError], *words: str, seconds: float = 7.0) -> Iterator[Any]:
    """
    Expect exactly this class of error, in time, as one line with these words, and the password nowhere in it.

    :param kind: the class itself, no class derived from it.
    :param words: address, what came back, what to do.
    :param seconds: the longest that may take; less than the limits that the other settings have.
    """
    started = time.monotonic()
    with pytest.raises(IcsFtpsError) as caught:
        yield caught
    took = time.monotonic() - started
    message = str(caught.value)
    assert kind is type(caught.value), message
    assert [word for word in words if word not in message] == [], message
    assert "\n" not in message
    assert PASSWORD not in message
    assert took < seconds, f"took {took:.1f} s"
