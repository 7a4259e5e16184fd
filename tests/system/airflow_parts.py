"""Airflow in parts that can be killed and started again one by one: database, API server, scheduler and so on."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from airflow_api import Api, until

from airflow_provider_icsftps.cli.airflow_home import environment

PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
_SERVE_LOGS = {"scheduler", "triggerer"}  # on ports of their own, which others on this machine may have
_AIRFLOW = shutil.which("airflow", path=str(Path(sys.executable).parent)) or "airflow"


class Airflow:
    """Its parts by name, each with its processes in a session of its own and a log."""

    def __init__(self, home: Path, variables: dict[str, str], api: Api) -> None:
        self.home = home
        self.api = api
        self.variables = variables
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        for name in names:
            with (self.home / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [_AIRFLOW, name, *(["--skip-serve-logs"] if name in _SERVE_LOGS else [])],
                    env=self.variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    def kill(self, *names: str) -> None:
        """As a machine that loses its power."""
        for name in names:
            process = self._running.pop(name)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)

    def stop(self, *names: str) -> None:
        """As an administrator does; what is left of a part after that is killed."""
        for name in names:
            self._running[name].send_signal(signal.SIGINT)
        for name in names:
            with suppress(subprocess.TimeoutExpired):
                self._running[name].wait(15)
            self.kill(name)

    def is_healthy(self) -> bool:
        health = self.api.call("GET", "/api/v2/monitor/health")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health[part]["status"] == "healthy" for part in parts)

    def tails(self) -> str:
        logs = sorted(self.home.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    @contextmanager
    def serving(self) -> Iterator[None]:
        """All parts, until the end of the block; the ends of their logs come with what fails in it."""
        try:
            subprocess.run(
                [_AIRFLOW, "db", "migrate"], env=self.variables, capture_output=True, timeout=100, check=True
            )
            self.start(*PARTS)
            until(self.is_healthy, 120)
            self.api.token = self.api.call("GET", "/auth/token")["access_token"]
            yield
        except BaseException as error:
            error.add_note(self.tails())
            raise
        finally:
            self.stop(*list(self._running))


def airflow_in_parts(home: Path, dags: Path, connection: dict[str, Any], *, parallelism: int = 2) -> Airflow:
    """Airflow on loopback, quick to notice what changes; everybody on this machine is let in."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    variables = environment(home, connection) | {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__CORE__PARALLELISM": str(parallelism),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "2",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "8",
    }
    return Airflow(home, variables, Api(port))
