"""One filing from its first try to its end, with faults on the way, and what the gateway says about it."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

from relay import Action, Call, Place
from relayed import Relayed
from worker import KillSwitch, run_in_worker

TRIES = 5
#: A refused name without any other answer is waited for so long, in seconds.
WAIT = 3.0
#: Seconds that the client waits for a gateway from which nothing comes, as extras of the connection.
QUICK = {"connect_timeout": 1.0, "timeout": 1.0, "data_timeout": 1.0, "completion_timeout": 1.0}
#: The same, and the longest wait, where something must come, however slow the machine is.
PATIENT = 60.0


class FileStore:
    """A task state store as Airflow 3.3 has it: JSON values that outlive a killed process."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def get(self, key: str, default: Any = None) -> Any:
        return self._read().get(key, default)

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps(self._read() | {key: value}))
        temporary.replace(self.path)

    def _read(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text()))
        except FileNotFoundError:
            return {}


def one_try(
    source: str | list[str],
    number: int,
    store: str | None,
    run_id: str,
    resubmission: int,
    wait_until: Literal["delivered", "accepted", "response"] | None = "accepted",
    timeout: float = WAIT,
) -> Any:
    """What one try of the task does, for one file or a list; runs in this process or in one that is killed."""
    from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator

    operator = IcsFtpsUploadOperator(
        task_id="file",
        source=source,
        service="Manifest",
        wait_until=wait_until,
        poke_interval=0.02,
        timeout=timeout,
        outage_timeout=0,
        resubmission=resubmission,
    )
    ti = SimpleNamespace(dag_id="dag", task_id="file", run_id=run_id, try_number=number, xcom_push=lambda *_: None)
    context = {"ti": ti} | ({"task_state_store": FileStore(store)} if store else {})
    return operator.execute(context)


def file_without_a_fault(source: str | list[str]) -> None:
    """File once over the way to the gateway that is set, with limits that tell nothing but a hang from an answer."""
    variable = "AIRFLOW_CONN_ICSFTPS_DEFAULT"
    usual = os.environ[variable]
    values = json.loads(usual)
    os.environ[variable] = json.dumps(values | {"extra": values["extra"] | dict.fromkeys(QUICK, PATIENT)})
    try:
        one_try(source, 1, None, "clean", 0, timeout=PATIENT)
    finally:
        os.environ[variable] = usual


@dataclass(frozen=True)
class Ended:
    """
    How a filing ended.

    :param error: the name of the error that failed the task; empty when it succeeded.
    :param message: its words.
    :param tries: how many tries it took.
    :param filed: how often the gateway took each whole content for a filing.
    :param struck: how many faults struck.
    """

    error: str
    message: str
    tries: int
    filed: tuple[int, ...]
    struck: int

    @property
    def verdict(self) -> str:
        """``filed once`` (each), ``filed twice`` (any), ``stopped`` (with a named error, not all filed) or ``lost``."""
        if max(self.filed) > 1:
            return "filed twice"
        if min(self.filed) == 1:
            return "filed once"
        return "stopped" if self.error in {"AirflowFailException", "NamedError"} else "lost"


def manifest(number: str, size: int) -> bytes:
    """A well-formed manifest of its own, of about that size; a part of it is not well-formed."""
    line = b"<line>" + hashlib.sha256(number.encode()).hexdigest().encode() + b"</line>\n"
    return b"<manifest>" + line * max(1, size // len(line)) + b"</manifest>"


def journey(
    relayed: Relayed,
    folder: Path,
    number: str,
    faults: Sequence[tuple[Place, Action | str]],
    *,
    durable: bool = True,
    size: int = 120_000,
    files: int = 1,
) -> Ended:
    """
    File one manifest, or many over parallel sessions, and try again as Airflow does, until it ends.

    :param relayed: a gateway behind a relay; the Airflow connection leads through the relay.
    :param folder: for the file and the store.
    :param number: makes the content and the run unlike all others.
    :param faults: what happens on the way; the action ``kill`` kills the process of the try.
    :param durable: whether a state store outlives a try.
    :param size: of each manifest, in bytes.
    :param files: how many.
    """
    contents = [manifest(f"{number}-{n}", size) for n in range(files)]
    paths = [folder / f"{number}-{n}.xml" for n in range(files)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    source = [str(path) for path in paths] if files > 1 else str(paths[0])
    store = str(folder / f"{number}.json") if durable else None
    before = len(relayed.simulator.uploads)
    relayed.relay.reset()
    switch = KillSwitch()
    kills = any(action == "kill" for _, action in faults)
    planned = [
        relayed.relay.plan(place, Call(switch.set) if isinstance(action, str) else action) for place, action in faults
    ]
    error = message = ""
    tries = 0
    for tries in range(1, TRIES + 1):
        arguments = (source, tries, store, number, 0)
        if kills and not switch.is_set():
            outcome = run_in_worker(one_try, *arguments, kill_on=switch)
            error, message = ("Killed", "") if outcome.killed else (outcome.error_name, outcome.message)
        else:
            error, message = _in_this_process(one_try, *arguments)
        relayed.relay.end_stalls()
        if not error or error == "AirflowFailException":
            break
    filed = Counter(upload.sha256 for upload in relayed.simulator.uploads[before:] if upload.filed)
    struck = sum(bool(fault.struck) for fault in planned)
    for leftover in (*paths, *([Path(store)] if store else [])):
        with suppress(FileNotFoundError):
            leftover.unlink()
    counts = tuple(filed[hashlib.sha256(content).hexdigest()] for content in contents)
    return Ended(error, message, tries, counts, struck)


def _in_this_process(function: Callable[..., Any], *arguments: Any) -> tuple[str, str]:
    try:
        function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)
    return "", ""
