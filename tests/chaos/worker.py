"""
Functions in processes of their own, which can be killed at a moment of one's choice.

A fork server has imported Airflow and the operators, so a process costs a fork. Environment variables of Airflow are
taken over when the function is called.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

_MODULE = "airflow_provider_icsftps.operators.icsftps"
_PRELOADED = [
    *("pytest", "airflow.sdk", "airflow.sdk.module_loading", "airflow.models"),
    *("airflow_provider_icsftps.sensors.icsftps", _MODULE),
]
_ENVIRONMENT = "AIRFLOW_"
_DEATH_SECONDS = 10.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(_PRELOADED)


@dataclass(frozen=True)
class Outcome:
    """
    How a function ended: with a value, with an exception, or killed.

    :param value: what it returned.
    :param error: the exception's class and its bases, by name, up to ``Exception``; empty when there was none.
    :param message: the exception's words.
    :param trace: its traceback, for people.
    :param killed: whether the process was killed before the function had ended.
    """

    value: Any = None
    error: tuple[str, ...] = ()
    message: str = ""
    trace: str = ""
    killed: bool = False

    @property
    def error_name(self) -> str:
        """The name of the exception's class."""
        return self.error[0] if self.error else ""


class KillSwitch:
    """
    Kills the process of one :func:`run_in_worker`; :meth:`set` fits into a relay's ``Call``.

    It returns when the process is gone and the system has closed its connections, so what a relay lets pass afterwards
    was sent before.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Any = None
        self._is_set = False

    def set(self) -> None:
        """Kill it now, or as soon as it begins."""
        with self._lock:
            self._is_set = True
            if self._process is not None:
                _kill(self._process)

    def is_set(self) -> bool:
        """Say whether it was used."""
        return self._is_set

    def aim(self, process: Any) -> None:
        """Take another process as the one to kill; ``None`` for none any more."""
        with self._lock:
            self._process = process
            if self._is_set and process is not None:
                _kill(process)


def run_in_worker(
    target: Callable[..., Any], *args: Any, kill_on: KillSwitch | None = None, seconds: float = 60.0
) -> Outcome:
    """
    Run a function in a process of its own.

    :param target: a function of a module; it and its arguments are pickled.
    :param kill_on: kills the process when it is set.
    :param seconds: how long it may take.
    :raises TimeoutError: when it takes longer.
    :raises RuntimeError: when the process ends by itself without a word.
    """
    switch = kill_on or KillSwitch()
    environment = {name: value for name, value in os.environ.items() if name.startswith(_ENVIRONMENT)}
    job = pickle.dumps((target, args))
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=_work, args=(theirs, environment, job), daemon=True)
    process.start()
    theirs.close()
    try:
        switch.aim(process)
        answer = _answer(ours, target.__name__, seconds)
        switch.aim(None)  # waits for a kill that has begun
        if answer is not None:
            return Outcome(**answer)
        if switch.is_set():
            return Outcome(killed=True)
        process.join(_DEATH_SECONDS)
        raise RuntimeError(f"The process of {target.__name__} ended with code {process.exitcode}, without a word")
    finally:
        switch.aim(None)
        ours.close()
        _kill(process)
        process.join(_DEATH_SECONDS)
        process.close()


def _answer(ours: Connection, name: str, seconds: float) -> dict[str, Any] | None:
    """Say that the work may begin and return what comes of it; ``None`` when the process died before."""
    try:
        ours.send(True)
        in_time = wait([ours], seconds)
        if in_time:
            answer: dict[str, Any] = ours.recv()
            return answer
    except (EOFError, OSError):
        return None
    raise TimeoutError(f"{name} took longer than {seconds} seconds")


def _kill(process: Any) -> None:
    """Kill a process and wait until it is gone; the fork server is its parent, and closes the sentinel then."""
    try:
        os.kill(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    if not wait([process.sentinel], _DEATH_SECONDS):
        raise TimeoutError(f"Process {process.pid} does not die")


def _work(connection: Connection, environment: dict[str, str], job: bytes) -> None:
    connection.recv()  # until the switch is aimed here
    for name in [name for name in os.environ if name.startswith(_ENVIRONMENT)]:
        del os.environ[name]
    os.environ.update(environment)
    answer: dict[str, Any]
    try:
        target, args = pickle.loads(job)
        answer = {"value": target(*args)}
        pickle.dumps(answer)
    except BaseException as error:  # carried over as data
        names = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, BaseException)]
        answer = {
            "error": tuple(names[: names.index("Exception") + 1] if "Exception" in names else names),
            "message": str(error),
            "trace": traceback.format_exc(),
        }
    connection.send(answer)
    connection.close()
