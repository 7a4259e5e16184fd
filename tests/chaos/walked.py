"""
The walk of docs/exactly-once.md: every place of an upload is broken in four ways, and what became of it is counted.

``python tests/chaos/walked.py`` takes that walk, writes what came of it to walked.json and pastes the table into the
page; ``python tests/chaos/walked.py paste`` only pastes. It takes about half an hour.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from journeys import file_without_a_fault, journey, manifest
from long_run import gateways, quiet_airflow, run, summary, use
from relay import Action, Cut, Data, Place, Stall
from relayed import Relayed

RECORD = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[2] / "docs" / "exactly-once.md"

#: What breaks, as the columns of the table.
FAULTS: dict[str, Action | str] = {
    "The connection is reset": Cut("rst"),
    "It ends politely": Cut("fin"),
    "Nothing more comes": Stall(),
    "The task is killed": "kill",
}
#: Where it breaks, as the rows of the table, in the order in which an upload passes them.
PARTS = (
    "Connecting, TLS, logging in",
    "Listing `/out`",
    "Opening the connection for the file",
    "Inside the file",
    "From the last byte to the gateway's reply",
    "Taking leave",
)
VERDICTS = ("filed once", "filed twice", "lost", "stopped")
#: One content that customs can tell from a part of it; long enough for several TLS records.
SIZE = 120_000


def of_the_filing(place: str) -> bool:
    """The filing session is the first control connection; a listing and the upload are its data connections."""
    kind, first, second, *_ = [*place.split("/"), ""]
    number = second if kind == "connect" else first
    return number == "1" or (number == "2" and kind != "control" and first != "control")


def places_of_an_upload(relayed: Relayed, folder: Path, *, certain: bool = False) -> list[Place]:
    """
    File once without a fault, and return the places that its filing session passed: every control message in both
    directions, the listing before the upload, and the upload's data by byte offsets. The session that waits afterwards
    sends nothing.

    :param certain: only the places that every such filing passes.
    """
    path = folder / "clean.xml"
    path.write_bytes(manifest("clean", SIZE))
    relayed.relay.reset()
    file_without_a_fault(str(path))
    return [place for place in relayed.relay.cut_points(certain=certain) if of_the_filing(str(place))]


def parts_of_an_upload(relayed: Relayed, folder: Path) -> dict[str, list[Place]]:
    """Return the places that a clean upload passes, by its part."""
    places = places_of_an_upload(relayed, folder)
    names = [str(place) for place in places]
    sending = [n for n, place in enumerate(places) if isinstance(place, Data) and str(place).startswith("data/2/")]
    replies = [n for n, name in enumerate(names) if n > sending[-1] and re.match(r"control/1/gateway/.*/after", name)]
    edges = [0, names.index("connect/data/1"), names.index("connect/data/2"), sending[0], sending[-1] + 1, replies[0]]
    return {part: places[begin:end] for part, begin, end in zip(PARTS, edges, [*edges[1:], len(places)], strict=True)}


def walk(folder: Path) -> dict[str, Any]:
    """Break an upload at every place in every way, and return what became of it."""
    counts = {part: {fault: Counter[str]() for fault in FAULTS} for part in PARTS}
    stopped: list[str] = []
    with ExitStack() as running:
        for mode, relayed in gateways(folder, running).items():
            use(relayed)
            for part, places in parts_of_an_upload(relayed, folder).items():
                for fault, action in FAULTS.items():
                    for number, place in enumerate(places):
                        name = f"{mode}-{PARTS.index(part)}-{list(FAULTS).index(fault)}-{number}"
                        end = journey(relayed, folder, name, [(place, action)], size=SIZE)
                        counts[part][fault][end.verdict] += 1
                        if end.verdict != "filed once":
                            stopped.append(f"{mode}, {fault}, {place}: {end.verdict}: {end.message}")
                    print(mode, part, fault, dict(counts[part][fault]), flush=True)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "walk": {part: {fault: dict(cell) for fault, cell in row.items()} for part, row in counts.items()},
        "not filed once": stopped,
    }


def told(cell: dict[str, int]) -> str:
    """Say what a cell of the table counts; what must not be is told wherever it was."""
    said = [f"{cell.get('filed once', 0)} filed once"]
    said += [f"{cell[verdict]} {verdict}" for verdict in VERDICTS[1:] if cell.get(verdict)]
    return ", ".join(said)


def table(record: dict[str, Any]) -> str:
    """Return the table of the page."""
    rows = [["Where", *FAULTS], ["---"] * (1 + len(FAULTS))]
    rows += [[part, *(told(record["walk"][part][fault]) for fault in FAULTS)] for part in PARTS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def totals(record: dict[str, Any]) -> Counter[str]:
    """Count over the whole table."""
    return sum((Counter(cell) for row in record["walk"].values() for cell in row.values()), Counter())


def lines(record: dict[str, Any]) -> str:
    """Return what stands below the table."""
    at_random = record["at random"]
    return (
        f"Walked on {record['date']}: {summary(totals(record))}.\n\n"
        f"`make chaos N={sum(at_random.values())} SEED=1` on the same day: {summary(Counter(at_random))}.\n"
    )


def pasted(text: str, record: dict[str, Any]) -> str:
    """Return the page with its table as it should be."""
    block = re.compile(r"(?<=<!-- walked: python tests/chaos/walked.py -->\n).*?(?=<!-- end -->)", re.S)
    return block.sub(lambda _: f"\n{table(record)}\n{lines(record)}\n", text)


def main(arguments: Sequence[str] = ()) -> None:
    """Walk, write, paste."""
    if "paste" not in arguments:
        with tempfile.TemporaryDirectory(prefix="icsftps-walk-") as folder:
            quiet_airflow(folder)
            record = walk(Path(folder))
            (Path(folder) / "at-random").mkdir()
            record["at random"] = dict(run(100, 1, Path(folder) / "at-random"))
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    PAGE.write_text(pasted(PAGE.read_text(), json.loads(RECORD.read_text())))


if __name__ == "__main__":
    main(sys.argv[1:])
