"""What an error must be like."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_icsftps.exceptions import IcsFtpsError

PASSWORD = "kodeord-7391"
#: Settings for a test in which something takes too long.
QUICK = {"connect_timeout": 0.4, "timeout": 0.4, "data_timeout": 0.4, "completion_timeout": 0.5}


@contextlib.contextmanager
def refused(kind: type[IcsFtpsError], *words: str, seconds: float = 4.0) -> Iterator[Any]:
    """
    Expect exactly this class of error, in time, as one line with these words, and the password nowhere in it.

    :param kind: the class itself, no class derived from it.
    :param words: address, what came back, what to do.
    :param seconds: the longest that may take.
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
