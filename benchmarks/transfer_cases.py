"""Cases: which client does what at which server; and rounds, in which the clients take turns."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from transfer_servers import BenchProftpd, Server
from transfer_worker import Cost, Work, Worker

#: Uploads of FTPSHook take 45 ms each on loopback, and curl 7.88 stalls: fewer files tell as much.
_FEW = {("FTPSHook", "upload"): 40, ("curl", "upload"): 5, ("curl", "download"): 5}


@dataclass(frozen=True)
class Case:
    """
    What is compared.

    :param title: what to call it.
    :param work: what every client does.
    :param clients: which ones.
    :param round_trip: seconds of a round trip on the link.
    """

    title: str
    work: Work
    clients: Sequence[str]
    round_trip: float = 0.0


@dataclass
class Row:
    """
    What came out at one server.

    :param server: its name.
    :param case: what was compared.
    :param costs: of each client, one for each round.
    :param failed: why a client did nothing.
    """

    server: str
    case: Case
    costs: dict[str, list[Cost]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def median(self, client: str, figure: str) -> float | None:
        """Return the median of a figure of one client over all rounds."""
        costs = self.costs.get(client)
        return statistics.median(getattr(cost, figure) for cost in costs) if costs else None

    def ratio(self, peer: str, figure: str = "wall") -> float | None:
        """Return ours over a peer's, the median over all rounds of what it was in each."""
        ours, theirs = self.costs.get("ours", []), self.costs.get(peer, [])
        if not theirs or len(ours) != len(theirs):
            return None
        return statistics.median(
            getattr(our, figure) / getattr(their, figure) for our, their in zip(ours, theirs, strict=True)
        )

    @property
    def round_trips(self) -> float | None:
        """Round trips of one file of ours: of the fastest one, since what others take longer is the machine's."""
        fastest = [cost.fastest for cost in self.costs.get("ours", [])]
        return min(fastest) / self.case.round_trip if fastest and self.case.round_trip else None


def measure(
    server: Server, cases: Sequence[Case], rounds: int, tell: Callable[[str], object], before: Callable[[Case], object]
) -> list[Row]:
    """
    Measure cases at one server.

    :param server: it runs, and its files are laid.
    :param cases: what.
    :param rounds: how many of each.
    :param tell: is told how far it is.
    :param before: is called before each case.
    """
    rows = []
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for case in cases:
            before(case)
            row = Row(server.name, case)
            for _ in range(rounds):
                for client in case.clients:
                    if client not in workers:
                        workers[client] = stack.enter_context(Worker(client, server.credentials))
                    _turn(row, workers[client], server)
            rows.append(row)
            tell(f"{server.name}, {case.title}: done")
    return rows


def commands_of_an_upload(server: BenchProftpd) -> list[str]:
    """
    Return the commands that one more upload over a session takes, in the order of their names.

    :param server: it runs, and keeps a log of all commands.
    """
    seen: list[Counter[str]] = []
    with Worker("ours", server.credentials) as worker:
        for count in (1, 2):
            before = _commands(server)
            worker.do(Work("upload", count, 5_000, pause=server.pause))
            time.sleep(server.pause)  # until QUIT is in the log
            seen.append(_commands(server) - before)
    return sorted((seen[1] - seen[0]).elements())


def _commands(server: BenchProftpd) -> Counter[str]:
    return Counter(server.commands.read_text().split() if server.commands.exists() else ())


def _turn(row: Row, worker: Worker, server: Server) -> None:
    client, work = worker.client, row.case.work
    if client in row.failed:
        return
    count = min(work.count, _FEW.get((client, work.kind), work.count))
    command = work.command or server.listing
    try:
        cost = worker.do(replace(work, count=count, command=command, pause=server.pause))
    except RuntimeError as error:
        row.failed[client] = str(error)
        row.costs.pop(client, None)
    else:
        row.costs.setdefault(client, []).append(cost)
