"""
What is wrong between this machine and a gateway, and who can mend it.

One diagnosis for the Test button and ``icsftps check``. Its steps are those of the session that a task opens, taken one
by one; the first that fails ends it. Nothing is uploaded unless a ping is asked for. One time limit holds for all of
it, whatever the other side does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from airflow_provider_icsftps.exceptions import IcsFtpsError, one_line
from airflow_provider_icsftps.gateway._walk import Found, Skipped, Walk
from airflow_provider_icsftps.gateway.faults import FAULTS, STEPS
from airflow_provider_icsftps.gateway.settings import GatewaySettings

#: The sentence of a step behind the one that failed.
NOT_REACHED = "Not reached"
#: The Test button may take 10 seconds, with all that is around it.
SECONDS = 9.0


class State(StrEnum):
    """How a step ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Step:
    """
    One step of a diagnosis.

    :param name: one of :data:`~airflow_provider_icsftps.gateway.faults.STEPS`.
    :param state: how it ended.
    :param seconds: how long it took.
    :param sentence: what was found; or what is wrong and what to do; or why there was nothing to do.
    :param who: who can mend it; empty unless it failed.
    :param fault: which of :data:`~airflow_provider_icsftps.gateway.faults.FAULTS` it is; empty unless it failed.
    """

    name: str
    state: State
    seconds: float = 0.0
    sentence: str = ""
    who: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """
    All steps, in their order; after one that failed the others are skipped.

    :param steps: the steps.
    """

    steps: tuple[Step, ...]

    @property
    def failure(self) -> Step | None:
        """The step that failed."""
        return next((step for step in self.steps if step.state is State.FAILED), None)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.failure is None

    @property
    def seconds(self) -> float:
        """How long all of it took."""
        return sum(step.seconds for step in self.steps)

    @property
    def message(self) -> str:
        """The outcome in one line."""
        if self.failure is not None:
            return f"{self.failure.sentence}. Who can mend it: {self.failure.who} (step: {self.failure.name})"
        said = {step.name: step.sentence for step in self.steps if step.state is State.OK}
        told = ("login", "outbox", "service folders", "certificate file")
        return "; ".join(said[name] for name in told if name in said)

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types: ``ok``, ``seconds``, ``message`` and ``steps``."""
        steps = [asdict(step) | {"state": step.state.value, "seconds": round(step.seconds, 4)} for step in self.steps]
        return {"ok": self.ok, "seconds": round(self.seconds, 4), "message": self.message, "steps": steps}


def diagnose(
    read: Callable[[], GatewaySettings],
    *,
    services: Sequence[str] = (),
    heartbeat: bool = False,
    seconds: float = SECONDS,
    tell: Callable[[Step], object] | None = None,
) -> Diagnosis:
    """
    Walk to a gateway, and say what is wrong at the first step that fails. Logs in once at most.

    :param read: makes the settings; what it raises is the first thing that can be wrong.
    :param services: service folders that must be there.
    :param heartbeat: upload a ping into the gateway's service for that.
    :param seconds: a limit for all of it; a connection may take a third of it, an answer two.
    :param tell: is told of each step when it has ended.
    :return: all steps; what is wrong is in it and is not raised.
    """
    walk = Walk(read, services, heartbeat=heartbeat, seconds=seconds)
    steps: list[Step] = []
    failed = False
    try:
        for name in STEPS:
            step = Step(name, State.SKIPPED, sentence=NOT_REACHED) if failed else _taken(walk, name)
            failed |= step.state is State.FAILED
            if tell is not None:
                tell(step)
            steps.append(step)
    finally:
        walk.leave()
    return Diagnosis(tuple(steps))


def _taken(walk: Walk, name: str) -> Step:
    began = time.monotonic()
    try:
        sentence = walk.take(name)
    except Skipped as skipped:
        return Step(name, State.SKIPPED, time.monotonic() - began, one_line(str(skipped)))
    except Found as found:
        failure = found
    except IcsFtpsError as error:
        failure = Found(walk.fault_of(name, error), error)
    else:
        return Step(name, State.OK, time.monotonic() - began, one_line(sentence))
    fault = FAULTS[failure.fault]
    sentence = one_line(fault.sentence.format_map(walk.words(failure.error))).rstrip(". ")
    return Step(name, State.FAILED, time.monotonic() - began, sentence, fault.mender.value, fault.key)
