"""
Airflow as it is run in production: Celery workers over Redis, PostgreSQL, two triggerers. Some of them are killed.

``install_servers.sh`` lays the servers on this machine. Without them the tests are skipped; where ``CI`` is ``true``
they fail instead.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from airflow_api import until
from airflow_parts import Airflow, Part
from filings import Filings
from loopback_servers import missing, postgres, redis
from needed import need

from airflow_provider_icsftps.simulator import GatewaySimulator

SLOTS = 4  # of each worker
FILINGS = 24
WAITS = 12
AT_FIRST = 5  # waits that the triggerer that is killed has taken, for it takes no more

pytestmark = pytest.mark.timeout(1200)


@dataclass
class Cluster:
    """What runs: an Airflow on Celery, and the gateway that it files to."""

    airflow: Airflow
    simulator: GatewaySimulator
    workers: list[Part]
    triggerers: list[Part]


@pytest.fixture(scope="module")
def cluster(identities: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers and two triggerers, for all tests of this module."""
    need(missing())
    home = tmp_path_factory.mktemp("celery")
    directory = shutil.copytree(identities, tmp_path_factory.mktemp("gateway") / "state")
    with (
        GatewaySimulator(services=["Manifest"], delays={1: 0, 2: 0, 3: 0}, directory=directory) as simulator,
        postgres() as database,
        redis() as broker,
        Airflow(home, simulator.connection(), configuration(database, broker)) as airflow,
        airflow.explained(),
    ):
        airflow.start("api-server")
        airflow.start("dag-processor")
        airflow.start("scheduler", "--skip-serve-logs")
        both = ("one", "other")
        worker = ("celery", "worker", "--skip-serve-logs", "--concurrency", str(SLOTS), "--celery-hostname")
        workers = [airflow.start(*worker, name, name=f"worker-{name}") for name in both]
        few = ("--capacity", str(AT_FIRST))
        looking = [
            airflow.start("triggerer", "--skip-serve-logs", *more, name=f"triggerer-{name}")
            for name, more in zip(both, (few, ()), strict=True)
        ]
        airflow.api.log_in("scheduler", "triggerer", "dag_processor", seconds=400)
        until(lambda: all(" ready." in part.said() for part in workers), 300)
        yield Cluster(airflow, simulator, workers, looking)
    simulator.check()


def configuration(database: str, broker: str) -> dict[str, str]:
    """Celery, and how soon somebody who died is missed: in seconds, where production takes minutes."""
    return {
        "AIRFLOW__CELERY__BROKER_URL": f"{broker}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"{broker}/1",
        "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT": "30",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__PARALLELISM": str(2 * SLOTS),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg:{database}",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": f"postgresql+psycopg:{database}",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
    }


def test_a_worker_is_killed_when_the_gateway_has_its_files_but_has_not_said_so(cluster, tmp_path):
    simulator = cluster.simulator
    with cluster.airflow.explained():
        simulator.start_outage()  # no status file tells the next try what became of the first
        simulator.faults.slow_completion(20, times=SLOTS)
        killed_one, other = cluster.workers
        other.pause()  # so that what the gateway has is of the worker that is killed, however slow the machine is
        filings = Filings(cluster.airflow.api, "file_then_wait", tmp_path / "worker", FILINGS)
        until(lambda: len(simulator.uploads) >= SLOTS, 240, 0.1)
        killed_one.kill()
        killed = time.monotonic()
        other.resume()
        filings.until_all_wait()
        print(f"all wait {time.monotonic() - killed:.0f} s after the worker was killed")
        simulator.end_outage()
        filings.until_it_ends()
        print(f"all have ended {time.monotonic() - killed:.0f} s after the worker was killed")
        tries = filings.tries(filings.filing)
        print(f"tries of the uploads: {dict(tries)}; uploads: {len(simulator.uploads)}")
        assert max(tries) > 1
        filings.assert_each_is_answered()
        filings.assert_each_is_filed_once(simulator)


def test_waits_of_a_triggerer_that_is_killed_move_to_the_other_and_end_once(cluster, tmp_path):
    simulator = cluster.simulator
    with cluster.airflow.explained():
        simulator.start_outage()
        # one triggerer takes as many waits as it can, then the other one takes the rest, whichever is the quicker
        killed_one, other = cluster.triggerers
        other.pause()
        filings = Filings(cluster.airflow.api, "file_then_wait", tmp_path / "triggerer", WAITS)
        filings.until_all_are_deferred()
        until(lambda: len(filings.triggerers()) == AT_FIRST, 120)
        other.resume()
        filings.until_all_wait()
        first = filings.triggerers()
        assert sorted(Counter(first.values()).values()) == [AT_FIRST, WAITS - AT_FIRST]
        until(lambda: simulator.connections.open == 2, 120)  # one for each triggerer
        killed_one.kill()
        killed = time.monotonic()
        until(lambda: len(set(filings.triggerers().values())) == 1, 240)
        [survivor] = set(filings.triggerers().values())
        moved = sum(job != survivor for job in first.values())
        print(f"{moved} of {WAITS} waits moved in {time.monotonic() - killed:.0f} s")
        assert moved == AT_FIRST
        until(lambda: simulator.connections.open == 1, 30)
        simulator.end_outage()
        filings.until_it_ends()
        filings.assert_each_is_answered()
        filings.assert_each_is_filed_once(simulator)
        # a wait that ended twice would have read its status files twice
        assert filings.tries(filings.waiting) == {1: WAITS}
        read = Counter(entry.line.rpartition("/")[2] for entry in simulator.transcript if "RETR" in entry.line)
        for n in range(WAITS):
            name = filings.run.returned(filings.waiting, n)["file_name"]
            assert [read[f"status_Manifest_{name}_{digit}.xml"] for digit in (1, 2, 3)] == [1, 1, 1]
