"""Running what a page shows: shell blocks with stand-ins for large commands, and DAGs task by task."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import typer
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.module_loading import import_string
from typer.testing import CliRunner

from airflow_provider_icsftps.cli.app import app

# they tell what they were called with, one argument a line; nothing of theirs is needed by the rest of a block
_STAND_IN = """#!/bin/sh
{ printf '%s\\0' "$(basename "$0")" "$@"; printf '\\n\\0'; } >> "$DOCS_CALLS"
"""
_STAND_INS = {
    "airflow": "",
    "icsftps": "",
    "make": 'mkdir -p .venv/bin; ln -sf "$0" .venv/bin/python\n',  # what it sets up
    "pip": "",
    "pytest": "",  # what a page tests with it is run in tests/testing
    "git": 'for last; do :; done; mkdir -p "$last"\n',
}


class Shell:
    """A folder in which a page's shell blocks run."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        self._bin = folder / ".bin"
        self._bin.mkdir()
        for name, more in _STAND_INS.items():
            (self._bin / name).write_text(_STAND_IN + more)
            (self._bin / name).chmod(0o755)
        for name in ("curl", "lftp"):
            if shutil.which(name) is None:
                (self._bin / name).symlink_to("/bin/true")
        self._variables = variables

    def run(self, text: str) -> tuple[list[list[str]], dict[str, str]]:
        """Run a block; return the calls of commands that have a stand-in, and the variables at its end."""
        calls, variables = self._bin / "calls", self._bin / "variables"
        calls.write_bytes(b"")
        environment = os.environ | self._variables
        environment |= {"PATH": f"{self._bin}:{os.environ['PATH']}", "DOCS_CALLS": str(calls)}
        script = f"set -euo pipefail\n{text}\nenv -0 > '{variables}'\n"
        done = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0, done.stderr
        ended = dict(line.split("=", 1) for line in variables.read_text().split("\0") if line)
        return [call.rstrip("\0").split("\0") for call in calls.read_text().split("\n\0") if call], ended


def parse_icsftps(arguments: list[str]) -> str:
    """Have the command line itself parse a command, without running it; return the verb."""
    group = typer.main.get_command(app)
    if arguments in (["--help"], ["--version"]):
        return arguments[0]
    verb, *rest = arguments
    command = group.get_command(group.make_context("icsftps", arguments), verb)
    assert command is not None, f"icsftps {verb} does not exist"
    if isinstance(command, typer.core.TyperGroup):
        part, *rest = rest
        command = command.get_command(command.make_context(verb, [part]), part)
        assert command is not None, f"icsftps {verb} {part} does not exist"
    if rest[-1:] == ["--passphrase"]:
        rest.pop()  # it would be asked for
    command.make_context(verb, rest)
    return verb


def run_icsftps(arguments: list[str], passphrase: str) -> None:
    """Parse a command, and run it if it is quick."""
    verb = parse_icsftps(arguments)
    if verb not in {"archive", "certificate", "simulate"}:
        return
    if verb == "simulate":
        arguments = [*arguments, "--port", "0", "--seconds", "0.1"]
    if arguments[-1] == "--passphrase":
        arguments = arguments[:-1]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        done = CliRunner().invoke(app, arguments, env={"ICSFTPS_PASSPHRASE": passphrase}, catch_exceptions=False)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert done.exit_code == 0, done.output


def run_python(text: str, namespace: dict[str, Any], filename: str) -> Any:
    """Run a block; return the value of its last line if that is an expression."""
    tree = ast.parse(text, filename)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, filename, "exec"), namespace)
    return None if last is None else eval(compile(ast.Expression(last.value), filename, "eval"), namespace)


def run_dag(dag: DAG) -> dict[str, Any]:
    """Run a DAG's tasks one after the other, deferrals included; return what each returned."""
    returned: dict[str, Any] = {}
    pushed: dict[tuple[str, str], Any] = {}

    def pull(task_ids: str, key: str = "return_value", **_: Any) -> Any:
        return returned[task_ids] if key == "return_value" else pushed[task_ids, key]

    def pusher(task_id: str) -> Callable[[str, Any], None]:
        return lambda key, value: pushed.update({(task_id, key): json.loads(json.dumps(value))})

    for task in dag.topological_sort():
        ti = SimpleNamespace(
            dag_id=dag.dag_id,
            task_id=task.task_id,
            run_id="manual__docs",
            try_number=1,
            map_index=-1,
            task=task,
            xcom_push=pusher(task.task_id),
            xcom_pull=pull,
        )
        context: Any = {"ti": ti, "task_instance": ti, "params": dict(dag.params), "ds": "2026-11-23"}
        context |= {"expanded_ti_count": None, "outlet_events": {}, "inlet_events": {}, "run_id": ti.run_id}
        task.render_template_fields(context)
        method, arguments = "execute", {}
        while True:
            try:
                returned[task.task_id] = getattr(task, method)(context=context, **arguments)
                break
            except TaskDeferred as deferred:
                method, arguments = deferred.method_name, {"event": _event(deferred.trigger)}
    return returned


def _event(trigger: Any) -> dict[str, Any]:
    path, arguments = trigger.serialize()
    again = import_string(path)(**json.loads(json.dumps(arguments)))

    async def first() -> Any:
        async for event in again.run():
            return event
        return None

    return json.loads(json.dumps(asyncio.run(asyncio.wait_for(first(), 20)).payload))
