"""Processes that tests start: our own command, free ports for them, everything below them, and their end."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

#: The command `icsftps`, wherever this environment is.
ICSFTPS = [sys.executable, "-c", "from airflow_provider_icsftps.cli import main; main()"]
#: Below the ports that systems give to whoever does not care, and below those of the relays in tests/chaos.
_FREE_PORTS = range(10_000, 20_000)
_PORTS_TRIED = 200


def free_port(host: str = "127.0.0.1") -> int:
    """
    A port where nobody listens just now, for a process that may take long to begin.

    One that the system gives out would be given out again meanwhile: other tests listen and connect all the time.
    """
    for port in random.SystemRandom().sample(_FREE_PORTS, _PORTS_TRIED):
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            sock.bind((host, port))
            return port
    raise OSError(f"No free port at {host}")


def descendants(pid: int) -> list[int]:
    """Children and their children; some leave the process group."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def end(process: subprocess.Popen[bytes], seconds: float, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process that leads a group to end, and kill it and all that it started if anything is left."""
    ours = descendants(process.pid)
    process.send_signal(first)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    kill(process, ours)


def kill(process: subprocess.Popen[bytes], more: list[int] | None = None) -> None:
    """Kill a process that leads a group, and all that it started, at one blow, as a machine that dies does."""
    more = [*descendants(process.pid), *(more or [])]
    send(signal.SIGSTOP, process, more)  # nothing is started while we kill
    send(signal.SIGKILL, process, more)
    process.wait(30)


def send(number: signal.Signals, process: subprocess.Popen[bytes], more: list[int] | None = None) -> None:
    """Send a signal to a process that leads a group, to that group, and to all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    for pid in {*descendants(process.pid), *(more or [])}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
