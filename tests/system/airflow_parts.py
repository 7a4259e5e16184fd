"""A real Airflow of several processes, on loopback, under one folder; it is ended whatever happens."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from airflow_api import Api
from processes import end, free_port, kill, send

from airflow_provider_icsftps.cli.airflow_home import environment

DAGS = Path(__file__).parent / "dags"
_SECONDS_TO_STOP = 20
_TAIL = 3_000
_TASK_LOGS = 5


class Part:
    """
    One of Airflow's processes, with what it starts.

    :param arguments: of the ``airflow`` command.
    :param log: where it writes what it says.
    :param variables: its environment.
    """

    def __init__(self, arguments: tuple[str, ...], log: Path, variables: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *arguments],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill it with everything below it."""
        kill(self.process)

    def pause(self) -> None:
        """Let it stand still."""
        send(signal.SIGSTOP, self.process)

    def resume(self) -> None:
        """Let it go on."""
        send(signal.SIGCONT, self.process)

    def said(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")


class Airflow:
    """
    An Airflow of its own. Use it in a ``with`` block and start its parts there.

    :param home: folder for everything.
    :param connection: the Airflow connection ``icsftps_default``.
    :param variables: more configuration, as environment variables.
    """

    def __init__(self, home: Path, connection: dict[str, Any], variables: dict[str, str]) -> None:
        self.home = home
        self.parts: list[Part] = []
        port = free_port()
        self.api = Api(port)
        self.variables = environment(home, connection) | {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.3",
            # a slot may stay taken for this long after its task has ended
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            **variables,
        }

    def __enter__(self) -> Self:
        self.home.mkdir(exist_ok=True)
        # also writes airflow.cfg with the secrets that the parts share
        done = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return self

    def __exit__(self, *error: object) -> None:
        for part in self.parts:
            part.process.send_signal(signal.SIGTERM)  # all at once, so that their ends do not add up
        for part in reversed(self.parts):
            end(part.process, _SECONDS_TO_STOP)

    def start(self, *arguments: str, name: str = "") -> Part:
        """
        Start a part.

        :param arguments: of the ``airflow`` command, such as ``scheduler``.
        :param name: what its log is called; by default the first argument.
        """
        part = Part(arguments, self.home / f"{name or arguments[0]}.log", self.variables)
        self.parts.append(part)
        return part

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Show the ends of all logs when what is inside fails, those of the last tasks too."""
        try:
            yield
        except BaseException:
            tasks = sorted((self.home / "logs").rglob("*.log"), key=lambda path: path.stat().st_mtime)
            for path in [part.log for part in self.parts] + tasks[-_TASK_LOGS:]:
                print(f"--- the end of {path.relative_to(self.home)}\n{path.read_text(errors='replace')[-_TAIL:]}")
            raise
