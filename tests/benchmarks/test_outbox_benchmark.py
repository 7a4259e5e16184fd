"""The outbox benchmark's quick form runs, and what it counts is true. Times are for those who look, never for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks/outbox.py"


@pytest.mark.timeout(200)
def test_each_file_is_fetched_once_and_a_second_run_costs_one_listing(tmp_path):
    figures = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARK), "--quick", "--json", str(figures)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert "Fetching an outbox" in done.stdout
    (found,) = json.loads(figures.read_text())["rounds"]
    files = found["files"]
    first, second = found["seen"]
    assert found["kept"] == files > 0
    assert {client: cost["files"] for client, cost in found["first"].items()} == dict.fromkeys(found["first"], files)
    assert {"archive", "hook"} <= found["first"].keys()
    assert (first["listings"], first["downloads"], first["resumed"]) == (1, files, files + 1)
    assert 1 < first["connections"] <= 5  # the one that lists, and four that fetch
    assert second == {"connections": 1, "listings": 1, "downloads": 0, "resumed": 1}
    assert found["second"]["files"] == 0
