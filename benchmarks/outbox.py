"""
What fetching an outbox costs: ``python benchmarks/outbox.py [--quick] [--json FILE]``, about half an hour.

Files of 5 KB lie in ``/out``. The archive's download over four sessions stands beside ``lftp mirror --parallel=4`` and
beside Airflow's FTPSHook in a loop (``outbox_clients`` tells how each is run). Each run is a process of its own, and
the clients take turns, so that whatever else the machine does hits all alike: look at the ratios, not at the seconds.
After the archive's run there is a second one, which finds nothing new.

What was fetched is removed at the very end: for some minutes, ext4 makes new files slowly where many were removed. Set
``TMPDIR`` to a folder where nobody else removes files; on a file system in memory, flushing to the disk costs nothing.

Client and server share one machine: what the server takes of it, the client does not get, and there is no way between
them that several sessions could shorten.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

import airflow_home  # isort: skip  # noqa: F401 - before all that imports Airflow
from outbox_clients import Cost, run
from servers import here

if TYPE_CHECKING:
    from servers import CountingServer, Counts

SIZE = 5000
_FILES = (1000, 10_000)


@dataclass(frozen=True)
class Round:
    """
    One turn of all clients.

    :param server: name of the gateway.
    :param files: in ``/out``.
    :param first: of each client, what fetching everything took.
    :param second: what the archive's run with nothing new took.
    :param seen: of the archive's runs, what the gateway saw.
    :param kept: files that the archive had in the end, if each is there once.
    :param load: of the machine when the round began, a mean over one minute.
    """

    server: str
    files: int
    first: dict[str, Cost]
    second: Cost
    seen: tuple[Counts, Counts]
    kept: int
    load: float

    def ratio(self, client: str) -> float:
        """How many times as long as the archive another client took."""
        return self.first[client].seconds / self.first["archive"].seconds


def clients() -> list[str]:
    """Return the clients that are here."""
    return ["archive", *(["lftp"] if shutil.which("lftp") else []), "hook"]


def measure(server: CountingServer, files: int, order: Sequence[str], folder: Path) -> Round:
    """
    Let each client fetch the outbox once.

    :param server: with that many files in its outbox.
    :param files: how many.
    :param order: of the clients.
    :param folder: an empty one, where they put them.
    """
    load = os.getloadavg()[0]
    first: dict[str, Cost] = {}
    for client in order:
        target = folder / client / "fetched"
        target.parent.mkdir()
        before = server.counts()
        first[client] = run(client, server.connection, target)
        if first[client].files != files:
            raise RuntimeError(f"{client} fetched {first[client].files} of {files} files")
        if client == "archive":
            between = server.counts()
            second = run(client, server.connection, target)
            seen = between.since(before), server.counts().since(between)
            kept = target.glob("*@*/out/*/*/*/*.xml")
    return Round(server.name, files, first, second, seen, _in_both(server.outbox.iterdir(), kept), load)


def _in_both(laid: Iterable[Path], kept: Iterable[Path]) -> int:
    digests = {hashlib.sha256(path.read_bytes()).digest() for path in laid}
    found = [hashlib.sha256(path.read_bytes()).digest() for path in kept]
    return len(digests & set(found)) if len(found) == len(set(found)) else 0


def fill(outbox: Path, files: int) -> None:
    """Fill an outbox with files of 5 KB that came over the last four weeks; what lies there stays."""
    first = datetime.now(UTC) - timedelta(days=28)
    for number in range(sum(1 for _ in outbox.iterdir()), files):
        draw = random.Random(number)
        path = outbox / f"departure_2026_{number:05}-{draw.randbytes(8).hex()}_response_1.xml"
        path.write_bytes(b"<response>" + draw.randbytes(SIZE // 2).hex().encode()[: SIZE - 21] + b"</response>")
        moment = (first + draw.random() * timedelta(days=27)).timestamp()
        os.utime(path, (moment, moment))


def measure_all(servers: Sequence[str], counts: Sequence[int], rounds: int, console: Console) -> dict[str, Any]:
    """
    Measure everything.

    :param servers: their names.
    :param counts: how many files there are.
    :param rounds: turns of all clients.
    :param console: where rows appear.
    :return: JSON-able.
    """
    done: list[Round] = []
    with ExitStack() as ended_last:
        for name in servers:
            server = ended_last.enter_context(here()[name]())
            for files in sorted(counts):
                fill(server.outbox, files)
                for number in range(rounds):
                    folder = ended_last.enter_context(tempfile.TemporaryDirectory(prefix="icsftps-benchmark-"))
                    names = clients()
                    turn = number % len(names)
                    done.append(measure(server, files, names[turn:] + names[:turn], Path(folder)))
                    took = ", ".join(f"{client} {cost.seconds:.1f} s" for client, cost in done[-1].first.items())
                    console.print(f"{name}, {files:,} files, round {number + 1}: {took}", style="dim")
    console.print(table(done))
    console.print(table_of_second_runs(done))
    machine = f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    rows = [asdict(each) | {"seen": [counts._asdict() for counts in each.seen]} for each in done]
    return {"date": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine, "rounds": rows}


def _grouped(done: list[Round]) -> Iterable[tuple[str, int, list[Round]]]:
    for server, files in dict.fromkeys((each.server, each.files) for each in done):
        yield server, files, [each for each in done if (each.server, each.files) == (server, files)]


def table(done: list[Round]) -> Table:
    """Lay out what fetching everything took."""
    shown = Table(title="Fetching an outbox", caption="medians; ratio: of seconds to the archive's, in the same round")
    for heading in (
        "gateway", "files", "client", "s", "ms\nper file", "CPU ms\nper file", "ratio", "peak MB", "above\nbare MB",
        "load",
    ):  # fmt: skip
        shown.add_column(heading, justify="left" if heading in {"gateway", "client"} else "right")
    for server, files, rounds in _grouped(done):
        for client in sorted(rounds[0].first):
            costs = [each.first[client] for each in rounds]
            seconds, cpu = _median(cost.seconds for cost in costs), _median(cost.cpu for cost in costs)
            peak, bare = _median(cost.peak for cost in costs), _median(cost.bare for cost in costs)
            shown.add_row(
                server, f"{files:,}", client, f"{seconds:.2f}", f"{1000 * seconds / files:.2f}",
                f"{1000 * cpu / files:.2f}", f"{_median(each.ratio(client) for each in rounds):.2f}",
                f"{peak / 1e6:.0f}", f"{(peak - bare) / 1e6:.0f}" if bare else "",
                f"{_median(each.load for each in rounds):.1f}",
            )  # fmt: skip
    return shown


def table_of_second_runs(done: list[Round]) -> Table:
    """Lay out what a run with nothing new took."""
    shown = Table(title="The archive's next run, with nothing new")
    for heading in ("gateway", "files", "listings", "downloads", "s", "CPU s", "above\nbare MB"):
        shown.add_column(heading, justify="left" if heading == "gateway" else "right")
    for server, files, rounds in _grouped(done):
        costs, seen = [each.second for each in rounds], [each.seen[1] for each in rounds]
        shown.add_row(
            server, f"{files:,}", str(max(counts.listings for counts in seen)),
            str(max(counts.downloads for counts in seen)), f"{_median(cost.seconds for cost in costs):.2f}",
            f"{_median(cost.cpu for cost in costs):.2f}",
            f"{_median(cost.peak - cost.bare for cost in costs) / 1e6:.0f}",
        )  # fmt: skip
    return shown


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def main() -> None:
    """Run, tell, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a little of it, in less than a minute")
    parser.add_argument("--servers", nargs="+", choices=sorted(here()), default=list(here()), help="by default all")
    parser.add_argument("--files", nargs="+", type=int, default=list(_FILES), help="how many lie in the outbox")
    parser.add_argument("--rounds", type=int, default=3, help="turns of all clients; the median counts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    given = parser.parse_args()
    console = Console(width=None if os.isatty(1) else 160)
    plan = (["embedded"], [300], 1) if given.quick else (given.servers, given.files, given.rounds)
    figures = measure_all(*plan, console)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
