"""Waiting at scale: two hundred filings wait in one triggerer at the same time, over one connection."""

from __future__ import annotations

import re
import time

import pytest
from airflow_api import until
from airflow_parts import Airflow
from filings import Filings

FILINGS = 200
POKE_INTERVAL = 3  # as in the DAG
HOLD = 12.0  # seconds in which all wait and nothing else happens
BLOCKED = re.compile(r"async thread was blocked for ([\d.]+) seconds")
# Airflow warns from 0.2 s on, by which any process on a busy machine is late now and then; two hundred triggers that
# looked on the event loop themselves would hold it up for longer, and at each look
LONGEST_BLOCK = 2.0


@pytest.mark.timeout(1800)
def test_two_hundred_filings_wait_over_one_connection(simulator, tmp_path):
    begun = time.monotonic()
    simulator.start_outage()  # nothing is answered before all wait
    variables = {"AIRFLOW__CORE__PARALLELISM": "8", "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "8"}

    def tell(what: str) -> None:
        print(f"{time.monotonic() - begun:5.0f} s: {what}; {simulator.connections}")

    with Airflow(tmp_path / "airflow", simulator.connection(), variables) as airflow, airflow.explained():
        airflow.start("api-server")
        airflow.start("dag-processor")
        airflow.start("scheduler", "--skip-serve-logs")
        triggerer = airflow.start("triggerer", "--skip-serve-logs")
        airflow.api.log_in("scheduler", "triggerer", "dag_processor")
        tell("Airflow runs")
        filings = Filings(airflow.api, "file_and_wait", tmp_path / "manifests", FILINGS)
        filings.until_all_wait()
        tell("all wait")

        until(lambda: simulator.connections.open == 1, 120)  # the workers' sessions have ended
        before, held = simulator.connections, time.monotonic()
        while time.monotonic() < held + HOLD:
            assert simulator.connections.open == 1
            time.sleep(0.1)
        after, held = simulator.connections, time.monotonic() - held
        tell(f"{after.listings - before.listings} looks in {held:.0f} s")
        assert after.accepted == before.accepted  # it is one and the same
        assert 1 <= after.listings - before.listings <= held / POKE_INTERVAL + 1

        simulator.end_outage()
        filings.until_it_ends()
        tell("all have ended")
        filings.assert_each_is_answered()
        filings.assert_each_is_filed_once(simulator)
        assert len(simulator.uploads) == FILINGS
        blocks = [float(seconds) for seconds in BLOCKED.findall(triggerer.said())]
        tell(f"the triggerer's loop was late by {blocks} s")
        assert sum(block >= LONGEST_BLOCK for block in blocks) < HOLD / POKE_INTERVAL
