"""What the transfers are to reach, and whether they did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from transfer_cases import Row

_MB = 1_000_000


@dataclass(frozen=True)
class Goal:
    """
    One goal at one server.

    :param text: what is compared.
    :param limit: what it is to be.
    :param measured: what it is; ``None`` when it was not measured.
    :param at_least: whether the limit is a lower one.
    :param counted: whether it is counted, so that a busy machine changes little of it.
    """

    text: str
    limit: float
    measured: float | None
    at_least: bool = False
    counted: bool = False

    def is_met(self, slack: float = 1.0) -> bool | None:
        """
        Tell whether it is met; ``None`` when it was not measured.

        :param slack: how many times the limit is enough.
        """
        if self.measured is None:
            return None
        return self.measured >= self.limit / slack if self.at_least else self.measured <= self.limit * slack


#: Title of a case, peer, figure, and the limit of ours over the peer's at proftpd and at vsftpd.
_RATIOS = [
    ("upload 20 KB, 30 ms", "pycurl", "wall", 0.9, 0.9),
    ("upload 20 KB, 30 ms", "lftp", "wall", 0.7, 0.7),
    ("upload 20 KB, 30 ms", "FTPSHook", "wall", 0.6, 0.6),
    ("download 5 KB, 30 ms", "pycurl", "wall", 0.9, 0.9),
    ("download 5 KB, 30 ms", "lftp", "wall", 0.7, 0.7),
    ("download 5 KB, 30 ms", "FTPSHook", "wall", 0.6, 0.6),
    ("upload 20 KB", "pycurl", "wall", 1.1, 1.1),
    ("upload 20 KB", "lftp", "wall", 1 / 2, 1 / 2),
    ("upload 20 KB", "FTPSHook", "wall", 1 / 15, 1 / 15),
    ("download 5 KB", "pycurl", "wall", 1.1, 1.3),
    ("download 5 KB", "FTPSHook", "wall", 1 / 2, 1 / 2),
    ("upload 20 KB", "pycurl", "cpu", 1.3, 1.3),
    ("upload 20 KB", "lftp", "cpu", 1 / 2, 1 / 2),
    ("download 5 KB", "pycurl", "cpu", 1.3, 1.3),
    ("download 5 KB", "lftp", "cpu", 1 / 2, 1 / 2),
    ("login", "pycurl", "wall", 1.35, 1.35),
    ("upload, one large file", "pycurl", "wall", 1.2, 1.2),
    ("download, one large file", "pycurl", "wall", 1.2, 1.2),
    ("names", "pycurl", "wall", 1.2, 1.2),
]
_FACTS_MILLISECONDS = 60
_EXTRA_MB = 8
_ROUND_TRIPS = 4.3
_FLEET = {4: 3.4, 8: 6.5}


def goals(rows: Sequence[Row]) -> Iterator[Goal]:
    """
    Compare what was measured with every goal that it concerns.

    :param rows: of all servers.
    """
    for server in dict.fromkeys(row.server for row in rows):
        here = {row.case.title: row for row in rows if row.server == server}
        for title, peer, figure, proftpd, vsftpd in _RATIOS:
            row = here.get(title)
            if row is not None and peer in row.case.clients:
                limit = vsftpd if server == "vsftpd" else proftpd
                what = "CPU" if figure == "cpu" else "time"
                yield Goal(f"{server}, {title}: {what}, times {peer}'s", limit, row.ratio(peer, figure))
        yield from _counted(server, here)
        yield from _fleet(server, here)


def _counted(server: str, here: dict[str, Row]) -> Iterator[Goal]:
    row = here.get("upload 5 KB, 30 ms")
    if row is not None and server != "vsftpd":  # it lingers for one more when it closes a data connection
        yield Goal(f"{server}, {row.case.title}: round trips", _ROUND_TRIPS, row.round_trips, counted=True)
    costs = [cost for row in here.values() for cost in row.costs.get("ours", [])]
    made = sum(cost.data_connections for cost in costs)
    if made:
        part = sum(cost.resumed for cost in costs) / made
        yield Goal(
            f"{server}: data connections that resumed the TLS session, part of {made:,}",
            1.0,
            part,
            at_least=True,
            counted=True,
        )
    for title in ("upload, one large file", "download, one large file"):
        if title in here:
            extra = here[title].median("ours", "extra")
            yield Goal(
                f"{server}, {title}: extra memory, MB", _EXTRA_MB, None if extra is None else extra / _MB, counted=True
            )
    if "facts" in here and server != "vsftpd":  # it has no MLSD: times cost a question for each file
        cpu = here["facts"].median("ours", "cpu")
        yield Goal(f"{server}, facts: CPU, ms", _FACTS_MILLISECONDS, None if cpu is None else cpu * 1000)


def _fleet(server: str, here: dict[str, Row]) -> Iterator[Goal]:
    each: Callable[[int], float | None] = lambda sessions: (  # noqa: E731 - short
        here[title].median("ours", "wall") if (title := f"upload 20 KB, 30 ms, {sessions} sessions") in here else None
    )
    alone = each(1)
    for sessions, limit in _FLEET.items():
        together = each(sessions)
        if alone and together:
            yield Goal(
                f"{server}, upload 20 KB, 30 ms: {sessions} sessions, times as fast as one",
                limit,
                alone / together,
                at_least=True,
            )
