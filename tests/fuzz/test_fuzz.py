"""A few seconds of what ``make fuzz`` does for as long as one likes; and whatever it once broke."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from targets import SEEDS, TARGETS, seeds

EACH = pytest.mark.parametrize("target", list(TARGETS))
#: Python's count of memory makes these last for seconds; they are many small things of the parser's own.
SLOW_TO_TRACE = {"deep XML", "deep and closed XML", "many attributes", "many responses"}
#: None of them is allowed much more than what it is given.
MEGABYTES = 60
#: Of processor time, for others may use the machine too.
SECONDS = 4.0


@EACH
def test_every_seed_is_read_or_refused(target):
    assert seeds(target) != []
    for seed in seeds(target):
        TARGETS[target](seed)


def test_every_folder_of_seeds_is_one_of_a_target():
    assert {folder.name for folder in SEEDS.iterdir()} <= set(TARGETS)


@EACH
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(st.data())
def test_a_damaged_seed_is_read_or_refused(target, data):
    damaged = bytearray(data.draw(st.sampled_from(seeds(target)), label="seed"))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    TARGETS[target](bytes(damaged))


@EACH
@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
@given(data=st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_or_refused(target, data):
    TARGETS[target](data)


LARGE = {
    "one line": b"a" * 1_000_000,
    "empty lines": b"\r\n" * 500_000,
    "blanks": b" " * 1_000_000,
    "digits": b"9" * 1_000_000,
    "replies": b"220 ready\r\n" * 90_000,
    "endless reply": b"220-more\r\n" * 100_000,
    "semicolons": b";" * 1_000_000 + b" a\r\n",
    "equal signs": b"=;" * 500_000 + b" a\r\n",
    "half a LIST line": b"-rw-r--r-- 1 " + b"1 " * 500_000,
    "blanks in a LIST line": b"-rw-r--r-- 1" + b" " * 1_000_000,
    "a DOS date": b"11-23-26  07:03AM" + b" " * 1_000_000 + b"x",
    "deep XML": b"<status><file>" + b"<a>" * 300_000,
    "deep and closed XML": b"<status><file>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</file></status>",
    "many attributes": b"<status " + b" ".join(b'a%d=""' % n for n in range(100_000)) + b"/>",
    "many responses": b"<status><file>" + b"<response/>" * 90_000 + b"</file></status>",
    "key without end": b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 1_000_000,
    "many beginnings": b"-----BEGIN PRIVATE KEY-----" * 37_000,
    "many certificates": b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n" * 15_000,
    "deep DER": b"\x30\x80" * 500_000,
    "long DER": b"\x30\x84\x7f\xff\xff\xff" + bytes(1_000_000),
}


@EACH
@pytest.mark.parametrize("large", list(LARGE))
def test_a_megabyte_of_anything_costs_little_time_and_memory(target, large):
    TARGETS[target](seeds(target)[0])  # what is imported or made once is not counted
    started = time.process_time()
    TARGETS[target](LARGE[large])
    assert time.process_time() - started < SECONDS
    if large in SLOW_TO_TRACE:
        return
    tracemalloc.start()
    try:
        TARGETS[target](LARGE[large])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEGABYTES * 1024 * 1024, f"{peak / 1e6:.0f} MB"
