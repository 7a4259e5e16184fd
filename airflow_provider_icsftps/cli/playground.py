"""``icsftps playground``: Airflow with its UI, beside an embedded gateway, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from airflow_provider_icsftps.cli.airflow_home import environment
from airflow_provider_icsftps.cli.console import plain
from airflow_provider_icsftps.cli.demo import REJECTED
from airflow_provider_icsftps.cli.simulate import new_simulator, started

_SECONDS_TO_STOP = 30


def playground(
    directory: Annotated[Path, typer.Option(help="Folder for Airflow's and the gateway's data.")] = Path(
        ".demo/playground"
    ),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of Airflow's UI on loopback; 0 for any free one.")
    ] = 0,
    seconds: Annotated[float, typer.Option(min=0, help="Stop by itself after this long; 0 runs until Ctrl-C.")] = 0,
) -> None:
    """Run Airflow with its UI on loopback, with the connection and the example DAGs, and an embedded gateway."""
    console = plain()
    home = directory.resolve()
    home.mkdir(parents=True, exist_ok=True)
    port = port or _free_port()
    simulator = new_simulator(services=["Manifest"], delays={1: 0, 2: 5, 3: 15}, directory=home / "gateway")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with started(simulator), (home / "airflow.log").open("wb") as log:
        simulator.reject(REJECTED)
        variables = environment(home, simulator.connection()) | {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            # the usual ports are those of another Airflow on this machine
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            # everybody on this machine is let in: it is a playground, on loopback
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        }
        airflow = shutil.which("airflow", path=str(Path(sys.executable).parent)) or "airflow"
        process = subprocess.Popen(
            [airflow, "standalone"], env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        console.print(
            f"Airflow starts (some 20 s): http://127.0.0.1:{port}\n"
            "DAG manifest_submission and connection icsftps_default are ready: trigger the DAG\n"
            f"Embedded gateway on {simulator.host}:{simulator.port}; log in {home / 'airflow.log'}; Ctrl-C stops all"
        )
        try:
            _wait(process, stop, seconds)
        finally:
            _end(process)
    if process.returncode not in {0, -signal.SIGINT} and not stop.is_set() and not seconds:
        console.print(f"Airflow ended with {process.returncode}; see {home / 'airflow.log'}", style="red")
        raise typer.Exit(1)


def _wait(process: subprocess.Popen[bytes], stop: threading.Event, seconds: float) -> None:
    waited = 0.0
    while process.poll() is None and not (seconds and waited >= seconds) and not stop.wait(0.5):
        waited += 0.5


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with all that it has started
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
