"""The quick form of each benchmark runs, and what it counts is true. Times are for those who look, never for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.timeout(300)


def test_waits_share_one_connection_and_one_listing(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "waiting.py"), "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert "Waits in one process" in done.stdout
    found = json.loads(figures.read_text())
    cases = [(row["case"]["pattern"], row["case"]["waits"], row) for row in found["cases"]]
    assert {pattern for pattern, _, _ in cases} == {"shared", "each"}
    for pattern, waits, row in cases:
        assert row["answered"] == row["case"]["answers"] + row["case"]["burst"]
        assert row["listings"] <= (row["intervals"] + 1) * (waits if pattern == "each" else 1)
        if pattern == "shared":
            assert row["connections"] == 1
            assert row["listings"] >= 3
        else:
            assert row["connections"] == pytest.approx(row["listings"], abs=waits)
            assert row["connections"] > 0  # each look has one: those of before are not counted
    (memory,) = found["memory_of_one_wait"]
    assert memory["ours"]["allocated"] > memory["idle"]["allocated"] > 0
