"""``icsftps demo``: real Airflow files manifests to the embedded gateway and fetches the answers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pendulum
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_provider_icsftps.cli.airflow_home import environment, example_dags
from airflow_provider_icsftps.cli.console import plain, say_json
from airflow_provider_icsftps.cli.simulate import new_simulator, started
from airflow_provider_icsftps.gateway import Answer, GatewayClient, StatusCode, Submission
from airflow_provider_icsftps.gateway.status import GATEWAY_ZONE
from airflow_provider_icsftps.gateway.waiting import read_answer

if TYPE_CHECKING:
    from airflow_provider_icsftps.simulator import GatewaySimulator

#: The sample that the embedded customs system turns down.
REJECTED = "arrival_without_trailer*"
DAG_ID = "manifest_submission"
_LONGEST_SECONDS = 300


def demo(
    directory: Annotated[Path, typer.Option(help="Folder for the responses and Airflow's log.")] = Path(".demo"),
    as_json: Annotated[bool, typer.Option("--json", help="For a machine to read.")] = False,
) -> None:
    """File three sample manifests by real Airflow, wait, fetch the responses, and show what became of each."""
    console = plain(stderr=as_json)
    begun = time.monotonic()
    responses = directory.resolve() / "responses"
    responses.mkdir(parents=True, exist_ok=True)
    log = directory.resolve() / "airflow.log"
    simulator = new_simulator(services=["Manifest"])
    with tempfile.TemporaryDirectory(prefix="icsftps-demo-") as home, started(simulator):
        simulator.reject(
            REJECTED,
            error_code="LAST_RECORD_INCORRECT",
            message="The declaration has no trailer.",
            resolution="Add the trailer and send the file again.",
        )
        console.print(f"Embedded gateway on {simulator.host}:{simulator.port}; DAG {DAG_ID}")
        result = _run_dag(simulator, Path(home), log, {"target": str(responses)}, console)
        journeys = _journeys(simulator, result)
    if as_json:
        say_json(journeys)
    else:
        console.print(_table(journeys), soft_wrap=False)
        console.print(
            f"{time.monotonic() - begun:.0f} s. Responses are in {responses}, Airflow's log is {log}.\n"
            f"Its DAG is {example_dags() / 'manifest_submission.py'}; `icsftps connection --help` goes on from here."
        )
    outcomes = sorted(journey["outcome"] for journey in journeys)
    if outcomes != ["answered", "answered", "rejected"]:
        console.print(f"Expected two answers and one rejection, got {outcomes}; see {log}", style="red")
        raise typer.Exit(1)


def _run_dag(
    simulator: GatewaySimulator, home: Path, log: Path, conf: dict[str, Any], console: Console
) -> dict[str, Any]:
    """Run the DAG in a process of its own and tell meanwhile what the gateway sees."""
    result = home / "result.json"
    command = [sys.executable, "-m", "airflow_provider_icsftps.cli._run_dag", DAG_ID, json.dumps(conf), str(result)]
    seen: set[str] = set()
    with (
        log.open("wb") as output,
        console.status("Airflow makes its database and starts"),
        subprocess.Popen(
            command, env=environment(home, simulator.connection()), stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        ends = time.monotonic() + _LONGEST_SECONDS
        try:
            while process.poll() is None and time.monotonic() < ends:
                _tell(simulator, seen, console)
                time.sleep(0.1)
        finally:
            process.kill()  # also when this process is told to stop
        _tell(simulator, seen, console)
    if not result.exists():
        console.print(f"Airflow ended with {process.returncode} and no result; the end of {log}:", style="red")
        console.print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-15:]))
        raise typer.Exit(1)
    done: dict[str, Any] = json.loads(result.read_text())
    return done


def _tell(simulator: GatewaySimulator, seen: set[str], console: Console) -> None:
    events = [f"received  {upload.file_name}" for upload in simulator.uploads]
    events += [f"in /out   {name}" for name in simulator.outbox()]
    for event in events:
        if event not in seen:
            seen.add(event)
            console.print(f"  {pendulum.now(GATEWAY_ZONE):%H:%M:%S}  {event}")  # as in the table, and in status files


def _journeys(simulator: GatewaySimulator, result: dict[str, Any]) -> list[dict[str, Any]]:
    """Put together, for each file, what Airflow's tasks returned and what the gateway says."""
    tasks = {(task["task_id"], task["map_index"]): task for task in result["tasks"]}
    journeys = []
    with GatewayClient(simulator.settings()) as gateway:
        names = [entry.name for entry in gateway.list_outbox()]
        for (task_id, index), task in sorted(tasks.items()):
            if task_id == "journey.file" and task["returned"]:
                answer = read_answer(gateway, Submission.from_data(task["returned"]), names)
                fetched = tasks["journey.fetch", index]["returned"] or []
                journeys.append(_journey(answer, fetched))
    return journeys


def _journey(answer: Answer, fetched: list[str]) -> dict[str, Any]:
    times = {status.code: f"{status.timestamp:%H:%M:%S}" for status in answer.statuses.values() if status.timestamp}
    refused = next((status for status in answer.statuses.values() if status.code is StatusCode.ERROR), None)
    return {
        "file": Path(answer.submission.source).name,
        "name": answer.submission.file_name,
        "delivered": times.get(StatusCode.DELIVERED),
        "accepted": times.get(StatusCode.ACCEPTED),
        "answered": times.get(StatusCode.RESPONSE),
        "rejected": times.get(StatusCode.ERROR),
        "outcome": "rejected" if refused else "answered" if fetched else "waiting",
        "reason": f"{refused.error_code}: {refused.error_message}" if refused else None,
        "saved": fetched,
    }


def _table(journeys: list[dict[str, Any]]) -> Table:
    table = Table(title="What became of each file", title_justify="left", show_lines=True)
    for heading in ("File, and its name at the gateway", "Status", "Response"):
        table.add_column(heading, overflow="fold")
    for journey in journeys:
        rejected = journey["outcome"] == "rejected"
        times = [f"{key} {journey[key]}" for key in ("delivered", "accepted", "answered", "rejected") if journey[key]]
        saved = "\n".join(Path(path).name for path in journey["saved"])
        table.add_row(
            Text.assemble((journey["file"], "bold"), "\n", journey["name"]),
            "\n".join(times),
            journey["reason"] if rejected else saved or "-",
            style="red" if rejected else None,
        )
    return table
