"""A task's context, and deferral as Airflow does it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from state_store import StateStore


def context(try_number: int = 1, task_id: str = "task", store: StateStore | None = None) -> Any:
    """The part of a task's context that the operators read; without a store it is Airflow 3.2's."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="dag",
        task_id=task_id,
        run_id="manual__1",
        try_number=try_number,
        xcom_push=pushed.__setitem__,
        pushed=pushed,
    )
    return {"ti": ti} | ({"task_state_store": store} if store is not None else {})


def carried(payload: Any) -> Any:
    """What becomes of an event or a return value between Airflow's processes, which speak UTF-8."""
    return json.loads(json.dumps(payload, ensure_ascii=False).encode())


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event
    return None


def run_trigger(trigger: Any) -> dict[str, Any]:
    """Run a trigger as a triggerer does: made again from its serialised form, its event carried as JSON."""
    path, arguments = trigger.serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))
    event = asyncio.run(asyncio.wait_for(_first(again), 30))
    return carried(event.payload)


def run_to_the_end(operator: Any, between: Any = lambda: None, given: Any = None) -> Any:
    """Execute an operator and go through its deferrals until it returns or raises."""
    method, arguments = "execute", {}
    while True:
        try:
            return getattr(operator, method)(context=given or context(), **arguments)
        except TaskDeferred as deferred:
            between()
            method, arguments = deferred.method_name, {"event": run_trigger(deferred.trigger)}
