"""
What deferred waits cost: ``python benchmarks/waiting.py [--quick] [--json FILE]``, about 8 minutes.

Triggers run in one event loop of one process, as Airflow's triggerer runs them; the gateway is another process and
tells how many connections and listings it has seen. Beside them stands the usual pattern, a connection for each wait
and look (``waiting_peer``), as far as it goes. The interval is short (3 seconds, quick: 1; the sensors' default is 60),
and so is the run: what a look costs does not depend on it.

Times depend on the machine and on what else it does: the longest delay of the event loop stands beside that of a
process with nothing to do. With ``--repeats N`` a row holds the median of N runs.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

import airflow_home  # isort: skip  # noqa: F401 - before all that imports Airflow
from servers import CountingProftpd, EmbeddedGateway
from waiting_cases import Case, Result, measure, memory

if TYPE_CHECKING:
    from servers import CountingServer

_SMALL = [Case("shared", 10, 10, 5), Case("shared", 200, 500, 50, 50), Case("each", 10, 10, 5)]
_EMBEDDED = [
    Case("idle", 10_000, 0),
    *(Case("shared", waits, 1000, min(waits // 2, 1000)) for waits in (10, 100, 1000)),
    Case("shared", 10_000, 1000, 1000, 1000),
    *(Case("shared", 1000, files, 500) for files in (10, 10_000, 50_000)),
    *(Case("each", waits, 1000, min(waits // 2, 1000)) for waits in (10, 100, 1000)),
]
_PROFTPD = [
    Case("shared", 10_000, 1000, 1000, 1000),
    Case("shared", 10_000, 50_000, 1000, 1000),
    Case("each", 100, 1000, 50),
]
_PATTERNS = {"shared": "shared", "each": "one each", "idle": "no looks"}


def plan(quick: bool) -> Iterator[tuple[AbstractContextManager[CountingServer], list[Case]]]:
    """Yield each server that is here, and its cases."""
    yield EmbeddedGateway(), _SMALL if quick else _EMBEDDED
    if not quick and not CountingProftpd.missing():
        yield CountingProftpd.here(), _PROFTPD


def run(quick: bool, repeats: int, console: Console) -> dict[str, Any]:
    """
    Measure everything.

    :param quick: only a little of it.
    :param repeats: how many times each.
    :param console: where rows appear.
    :return: JSON-able.
    """
    results: list[Result] = []
    taken: list[dict[str, Any]] = []
    for server, cases in plan(quick):
        with server as running:
            for case in cases:
                several = [measure(running, case, 1.0 if quick else 3.0, 3) for _ in range(repeats)]
                results.append(middle(several))
                console.print(_line(results[-1]), style="dim")
            if not taken:
                ours, idle = memory(running, 300 if quick else 3000)
                taken.append({"server": running.name, "ours": ours._asdict(), "idle": idle._asdict()})
    machine = f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    rows = [asdict(result) | {"looks_taken": result.looks_taken} for result in results]
    console.print(table(results))
    console.print(memory_table(taken))
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "cases": rows, "memory_of_one_wait": taken}


def middle(results: list[Result]) -> Result:
    """Return the median of each figure of several runs; of a count, one that was there."""
    several = {field.name: [getattr(result, field.name) for result in results] for field in fields(Result)}
    values = {
        name: (statistics.median_low if isinstance(each[0], int) else statistics.median)(each)
        for name, each in several.items()
        if isinstance(each[0], int | float)
    }
    return replace(results[0], **values)


def _line(result: Result) -> str:
    case = result.case
    return f"{result.server}, {_PATTERNS[case.pattern]}, {case.waits} waits, {case.files} files: done"


def table(results: list[Result]) -> Table:
    """Lay the results out."""
    shown = Table(title="Waits in one process", caption="loop: longest delay of the event loop; idle: of an idle one")
    for heading in (
        "gateway", "sessions", "waits", "files", "connections", "listings\nper interval", "looks\ntaken",
        "CPU s\nper interval", "file to event s\nmedian", "\n99 %", "loop s\nrunning", "\nstarting", "idle s",
        "peak MB",
    ):  # fmt: skip
        shown.add_column(heading, justify="left" if heading in {"gateway", "sessions"} else "right")
    for result in results:
        case, idle = result.case, result.case.pattern == "idle"
        looks = ["", "", ""] if idle else [
            str(result.connections), f"{result.listings / result.intervals:.1f}", f"{result.looks_taken:.0%}"
        ]  # fmt: skip
        shown.add_row(
            result.server, _PATTERNS[case.pattern], f"{case.waits:,}", f"{case.files:,}", *looks,
            f"{result.cpu:.3f}", _seconds(result.delay_median), _seconds(result.delay_p99), _seconds(result.lag),
            _seconds(result.start_lag), _seconds(result.idle_lag), f"{result.peak / 1e6:.0f}",
        )  # fmt: skip
    return shown


def memory_table(taken: list[dict[str, Any]]) -> Table:
    """Lay out what one wait takes."""
    shown = Table(title="Memory of one wait, bytes")
    for heading in ("", "resident", "allocated"):
        shown.add_column(heading, justify="right" if heading else "left")
    for each in taken:
        ours, idle = each["ours"], each["idle"]
        rows = {"a wait": ours, "a trigger that does nothing": idle}
        rows["beyond that"] = {kind: ours[kind] - idle[kind] for kind in ours}
        for name, values in rows.items():
            shown.add_row(name, *(f"{values[kind]:,.0f}" for kind in ("resident", "allocated")))
    return shown


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.2f}"


def main() -> None:
    """Run, tell, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a little of it, in less than a minute")
    parser.add_argument("--repeats", type=int, default=1, help="runs of each case; the median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    given = parser.parse_args()
    figures = run(given.quick, given.repeats, Console(width=None if os.isatty(1) else 160))
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
