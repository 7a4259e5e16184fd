"""A run that finds nothing new is cheap, and memory does not grow with the outbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

READER = Path(__file__).with_name("archive_reader.py")
MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(300, marks=pytest.mark.timeout(300)),
        pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(900)]),
    ],
)
def test_a_run_with_nothing_new_costs_one_listing_and_little_else(count, simulator, tmp_path):
    outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
    start = datetime.now(UTC).timestamp() - timedelta(days=29).total_seconds()
    for number in range(count):
        path = outbox / f"status_Manifest_departure-{number:016x}.xml_{number % 3 + 1}.xml"
        path.write_bytes(b"<svar>%d</svar>" % number)
        os.utime(path, (start + number * 240,) * 2)
    done = subprocess.run(
        [sys.executable, str(READER), json.dumps(simulator.connection()), str(tmp_path / "archive")],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cost = json.loads(done.stdout)
    print(cost)
    assert cost["fetched"] == [count, 0]
    assert cost["kept_before"] == count
    assert cost["cpu"] < 1
    assert cost["memory"] < 40 * MEBIBYTE  # in the first run, too, which fetches all of them
    assert simulator.connections.data == count + 2  # a listing in each run, and the files
