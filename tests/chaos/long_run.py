"""
Random faults for as long as one likes: ``python tests/chaos/long_run.py N SEED``, or ``make chaos N=500 SEED=1``.

Each scenario files one manifest, or six over parallel sessions, with one to three faults on the way (cuts, stalls,
kills of the task's process), over a gateway that treats cut copies in one of the three ways, with and without a
journal. The last line sums up; the exit code is 1 when anything was filed twice or lost.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from journeys import QUICK, Ended, file_without_a_fault, journey, manifest
from relay import Action, Cut, Stall
from relayed import Relayed, gateway_behind_relay

MODES = ("discard", "keep", "accept")
#: One file in one session, or many in parallel ones.
BATCHES = (1, 6)
ACTIONS: tuple[Action | str, ...] = (Cut("rst"), Cut("fin"), Cut("rst", everywhere=True), Stall(), "kill")


def run(count: int, seed: int, folder: Path, tell: bool = False) -> Counter[str]:
    """
    Run scenarios and count how they ended.

    :param count: how many.
    :param seed: the same seed draws the same scenarios.
    :param folder: for gateways, files and stores.
    :param tell: print each that did not end in "filed once".
    """
    draw = random.Random(seed)
    ends: Counter[str] = Counter()
    with ExitStack() as running:
        of_mode = gateways(folder, running)
        points = {
            (mode, files): _points(gateway, folder, files) for mode, gateway in of_mode.items() for files in BATCHES
        }
        for number in range(count):
            mode = draw.choice(MODES)
            files = draw.choice(BATCHES)
            faults = [(draw.choice(points[mode, files]), draw.choice(ACTIONS)) for _ in range(draw.randint(1, 3))]
            durable = draw.random() < 0.7
            size = draw.choice((200, 20_000, 120_000))
            gateway = use(of_mode[mode])
            end = journey(gateway, folder, f"s{seed}n{number}", faults, durable=durable, size=size, files=files)
            ends[end.verdict] += 1
            if tell and end.verdict != "filed once":
                _show(number, mode, durable, files, faults, end)
    return ends


def _points(gateway: Relayed, folder: Path, files: int) -> list[object]:
    use(gateway)
    paths = [folder / f"clean-{files}-{n}.xml" for n in range(files)]
    for path in paths:
        path.write_bytes(manifest(path.name, 120_000))
    gateway.relay.reset()
    file_without_a_fault([str(path) for path in paths] if files > 1 else str(paths[0]))
    return list(gateway.relay.cut_points())


def gateways(folder: Path, running: ExitStack) -> dict[str, Relayed]:
    """Run a gateway for each way in which servers treat a cut copy; its customs looks at what it is given."""
    return {
        mode: running.enter_context(gateway_behind_relay(folder / mode, cut_uploads=mode, check_xml=True))
        for mode in MODES
    }


def quiet_airflow(home: str) -> None:
    """Give Airflow a home, and let it say little; it reads that when it is first imported, by the first filing."""
    os.environ |= {"AIRFLOW_HOME": home, "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL"}


def use(gateway: Relayed) -> Relayed:
    """Let the Airflow connection lead to a gateway."""
    os.environ["AIRFLOW_CONN_ICSFTPS_DEFAULT"] = json.dumps(gateway.connection(**QUICK))
    return gateway


def _show(number: int, mode: str, durable: bool, files: int, faults: list[tuple[object, object]], end: Ended) -> None:
    what = "; ".join(f"{place} {action}" for place, action in faults)
    how = f"{mode}, {'journal' if durable else 'no journal'}, {files} file{'s' * (files > 1)}"
    print(f"{number}: {end.verdict} [{how}] {what}: {end.error} {end.message}")


def summary(ends: Counter[str]) -> str:
    """Return the summary in one line."""
    return (
        f"{sum(ends.values())} scenarios: {ends['filed once']} filed once, {ends['filed twice']} filed twice, "
        f"{ends['lost']} lost, {ends['stopped']} stopped with a named error"
    )


def main(count: str = "100", seed: str = "1") -> None:
    """Run, tell, sum up."""
    with tempfile.TemporaryDirectory(prefix="icsftps-chaos-") as folder:
        quiet_airflow(folder)
        ends = run(int(count), int(seed), Path(folder), tell=True)
    print(summary(ends))
    sys.exit(bool(ends["filed twice"] or ends["lost"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
