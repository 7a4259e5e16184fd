"""
What transfers cost: ``python benchmarks/transfer.py [--quick] [--json FILE]``, about 15 minutes.

This package's client beside libcurl (pycurl, tuned), lftp, curl and Airflow's FTPSHook, at proftpd and vsftpd, over
a link with a round-trip time and on loopback. Each client is a process of its own; in a round they take turns, and a
ratio is the median over the rounds of what it was in each, so that a machine with other work hardly changes it.

Local files and the servers' lie in memory, where there is /dev/shm: disks are not measured. FTPSHook has no client
certificate and does not resume TLS sessions: a subclass gives it the one, and the servers do not demand the other.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from transfer_batch import compare_batch
from transfer_cases import Case, Row, commands_of_an_upload, measure
from transfer_goals import Goal, goals
from transfer_link import Link
from transfer_servers import BenchProftpd, EmbeddedGateway, Server, ThrowawayPki, missing_servers, real_servers
from transfer_worker import Work

PARTS = ("link", "loopback", "batch")
_ALL = ("ours", "pycurl", "lftp", "FTPSHook")
_QUICK = ("ours", "pycurl")
_OURS = ("ours",)
_UPLOADED, _DOWNLOADED = 20_000, 5_000


def link_cases(quick: bool) -> list[Case]:
    """What is measured with a round-trip time."""
    files, clients = (6, _QUICK) if quick else (15, _ALL)
    up, small, down = (
        Work(kind, files, size)
        for kind, size in (("upload", _UPLOADED), ("upload", _DOWNLOADED), ("download", _DOWNLOADED))
    )
    cases = [
        Case("upload 20 KB, 30 ms", up, clients, 0.03),
        Case("download 5 KB, 30 ms", down, clients, 0.03),
        Case("upload 5 KB, 30 ms", small, _QUICK, 0.03),
    ]
    if quick:
        return cases
    return [
        *cases,
        Case("login, 30 ms", Work("login", 3), clients, 0.03),
        *(
            Case(
                f"upload 20 KB, 30 ms, {sessions} sessions", Work("fleet", count, _UPLOADED, sessions), ("ours",), 0.03
            )
            for sessions, count in ((1, 15), (4, 60), (8, 200))
        ),
        *(
            Case(f"{what}, {milliseconds} ms", work, _QUICK, milliseconds / 1000)
            for milliseconds in (10, 0)
            for what, work in (("upload 20 KB", up), ("download 5 KB", down))
        ),
    ]


def embedded_cases(quick: bool) -> list[Case]:
    """What is measured at the embedded gateway, with a round-trip time."""
    files = 6 if quick else 15
    return [
        Case("upload 5 KB, 30 ms", Work("upload", files, _DOWNLOADED), _QUICK, 0.03),
        Case("download 5 KB, 30 ms", Work("download", files, _DOWNLOADED), _QUICK, 0.03),
    ]


def loopback_cases(quick: bool) -> list[Case]:
    """What is measured on loopback."""
    uploads, downloads, large = (40, 100, 20_000_000) if quick else (200, 500, 200_000_000)
    clients, with_curl, listers = (_QUICK, _QUICK, _QUICK) if quick else (_ALL, (*_ALL, "curl"), (*_QUICK, "FTPSHook"))
    return [
        Case("upload 20 KB", Work("upload", uploads, _UPLOADED), with_curl),
        Case("download 5 KB", Work("download", downloads, _DOWNLOADED), with_curl),
        Case("login", Work("login", 3 if quick else 7), clients),
        Case("upload, one large file", Work("upload", 1, large), clients),
        Case("download, one large file", Work("download", 1, large), clients),
        Case("names", Work("names"), listers),
        Case("names, the others by NLST", Work("names", command="NLST"), listers),
        Case("facts", Work("facts"), _OURS if quick else ("ours", "FTPSHook")),
    ]


def run(quick: bool, rounds: int, parts: Sequence[str], console: Console) -> dict[str, Any]:
    """
    Measure what can be measured here.

    :param quick: only a little of it.
    :param rounds: in which the clients take turns.
    :param parts: some of :data:`PARTS`.
    :param console: where progress and tables appear.
    :return: JSON-able.
    """
    load = [os.getloadavg()[0]]

    def tell(text: str) -> None:
        load.append(os.getloadavg()[0])
        console.print(text, style="dim")

    skipped = missing_servers()
    rows: list[Row] = []
    commands: dict[str, list[str]] = {}
    folder = Path(tempfile.mkdtemp(prefix="icsftps-pki-"))
    try:
        pki = ThrowawayPki(folder)
        if "link" in parts and (reason := Link.missing()):
            skipped.append(reason)
        elif "link" in parts:
            rows += over_link(pki, quick, rounds, tell)
        for server in real_servers(pki) if "loopback" in parts else []:
            with server:
                rows += measure_at(server, loopback_cases(quick), rounds, tell, 1_000 if quick else 10_000)
                if isinstance(server, BenchProftpd):
                    commands[server.name] = commands_of_an_upload(server)
        batch = compare_batch(pki, tell) if "batch" in parts and not BenchProftpd.missing() else None
    finally:
        shutil.rmtree(folder)
    reached = list(goals(rows))
    if rows:
        console.print(costs_table(rows))
        console.print(goals_table(reached))
    if batch is not None:
        console.print(batch.text())
    for reason in skipped:
        console.print(f"Not measured: {reason}")
    console.print(f"Load average meanwhile: {statistics.median(load):.1f}, at most {max(load):.1f}")
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}",
        "load_average": {"median": statistics.median(load), "most": max(load)},
        "rows": [asdict(row) for row in rows],
        "goals": [asdict(goal) | {"met": goal.is_met()} for goal in reached],
        "commands": commands,
        "batch": asdict(batch) if batch else None,
        "skipped": skipped,
    }


def over_link(pki: ThrowawayPki, quick: bool, rounds: int, tell: Callable[[str], object]) -> list[Row]:
    """Measure what is measured with a round-trip time."""
    rows = []
    with Link() as link:
        set_round_trip = lambda case: setattr(link, "round_trip", case.round_trip)  # noqa: E731 - short
        for server in real_servers(pki, link.theirs)[: 1 if quick else None]:
            link.round_trip = 0
            with server:
                rows += measure_at(server, link_cases(quick), rounds, tell, 0, set_round_trip)
        link.round_trip = 0
        with EmbeddedGateway(link.theirs) as gateway:
            rows += measure_at(gateway, embedded_cases(quick), rounds, tell, 0, set_round_trip)
    return rows


def measure_at(
    server: Server,
    cases: Sequence[Case],
    rounds: int,
    tell: Callable[[str], object],
    names: int,
    before: Callable[[Case], object] = lambda _: None,
) -> list[Row]:
    """
    Lay a server's files, and measure.

    :param server: it runs.
    :param cases: what is measured.
    :param rounds: of each.
    :param tell: is told how far it is.
    :param names: files in the outbox in all, where listings are measured.
    :param before: is called before each case.
    """
    wanted = {case.work.size: case.work.count for case in cases if case.work.kind == "download"}
    for size, count in wanted.items():
        server.lay(count, size)
    server.lay(max(0, names - sum(wanted.values())), 8)
    return measure(server, cases, rounds, tell, before)


def costs_table(rows: Sequence[Row]) -> Table:
    """Lay out what each client needed."""
    shown = Table(
        title="One file, login or listing",
        caption="round trips: of the fastest file; ours/theirs: this package's time over that client's, in a round",
    )
    for heading in ("server", "what", "client", "ms", "CPU ms", "peak MB", "extra MB", "round trips", "ours/\ntheirs"):
        shown.add_column(heading, justify="left" if heading in {"server", "what", "client"} else "right")
    for row in rows:
        for client in row.case.clients:
            if client in row.failed:
                shown.add_row(row.server, row.case.title, client, "failed", row.failed[client][:40])
                continue
            wall, ratio, fastest = row.median(client, "wall") or 0.0, row.ratio(client), row.median(client, "fastest")
            trips = f"{fastest / row.case.round_trip:.1f}" if fastest and row.case.round_trip else ""
            shown.add_row(
                row.server,
                row.case.title,
                client,
                f"{wall * 1000:.2f}",
                f"{(row.median(client, 'cpu') or 0) * 1000:.2f}",
                _megabytes(row.median(client, "peak")),
                _megabytes(row.median(client, "extra")),
                trips,
                "" if ratio is None or client == "ours" else f"{ratio:.2f}",
            )
    return shown


def _megabytes(value: float | None) -> str:
    return f"{value / 1e6:.1f}" if value else ""


def goals_table(reached: Sequence[Goal]) -> Table:
    """Lay out what was to be reached."""
    shown = Table(title="Goals")
    for heading in ("", "goal", "measured", "met"):
        shown.add_column(heading, justify="right" if heading in {"goal", "measured"} else "left")
    for goal in reached:
        sign, met = "≥" if goal.at_least else "≤", goal.is_met()
        measured = "-" if goal.measured is None else f"{goal.measured:.3g}"
        shown.add_row(goal.text, f"{sign} {goal.limit:.3g}", measured, {True: "yes", False: "NO", None: ""}[met])
    return shown


def in_memory() -> AbstractContextManager[Any]:
    """Return a folder in memory for all that is temporary, here and in what is started; it is removed at the end."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        return nullcontext()
    folder = tempfile.TemporaryDirectory(prefix="icsftps-transfer-", dir=memory, ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o755)  # the servers' users must get through
    tempfile.tempdir = os.environ["TMPDIR"] = folder.name
    return folder


def main() -> None:
    """Run, tell, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a little of it, in less than a minute")
    parser.add_argument("--rounds", type=int, default=0, help="in which the clients take turns; by default 3, quick: 1")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--only", choices=PARTS, help="a part of it; by default all, quick: all but the batch")
    given = parser.parse_args()
    parts = [given.only] if given.only else PARTS[:2] if given.quick else PARTS
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers and folders go in any case
    with in_memory(), tempfile.TemporaryDirectory(prefix="icsftps-airflow-") as home:
        os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        console = Console(width=None if os.isatty(1) else 160)
        figures = run(given.quick, given.rounds or (1 if given.quick else 3), parts, console)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
