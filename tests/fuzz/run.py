"""
Fuzzing for as long as one likes: ``python tests/fuzz/run.py SECONDS [TARGET ...]``, or ``make fuzz SECONDS=3600``.

Coverage-guided by atheris (``pip install 'airflow-provider-icsftps[fuzz]'``). The seconds are shared out equally. Each
target runs in a process of its own, in which a single input may take 10 seconds and 1 GB. What breaks one is printed
and kept in ``tests/fuzz/seeds/<target>``, where ``make test`` tries it from then on. The last line sums up; the exit
code is 1 when anything broke.
"""

from __future__ import annotations

import importlib.util
import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SECONDS_AN_INPUT = 10
MEGABYTES = 1024
MAX_INPUT = 65536


def fuzz(target: str, seconds: int, corpus: Path) -> None:
    """
    Fuzz one target in this process, which ends by it.

    :param target: its name.
    :param seconds: how long.
    :param corpus: a folder for inputs of interest.
    """
    import atheris

    with atheris.instrument_imports(include=["airflow_provider_icsftps", "ftplib", "xml", "defusedxml"]):
        from targets import SEEDS, TARGETS, seeds
    logging.getLogger("airflow_provider_icsftps").setLevel(logging.CRITICAL)  # names that are left out are told
    for number, seed in enumerate(seeds(target)):
        (corpus / f"seed{number}").write_bytes(seed)
    found = SEEDS / target
    found.mkdir(parents=True, exist_ok=True)
    limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS_AN_INPUT}", f"-rss_limit_mb={MEGABYTES}"]
    more = [f"-max_len={MAX_INPUT}", "-print_final_stats=1", f"-artifact_prefix={found}/"]
    atheris.Setup([sys.argv[0], str(corpus), *limits, *more], TARGETS[target])
    atheris.Fuzz()


def run(seconds: int, targets: list[str]) -> int:
    """
    Fuzz each target in turn.

    :param seconds: for all together.
    :param targets: their names.
    :return: how many broke.
    """
    total = broken = 0
    for target in targets:
        share = max(1, seconds // len(targets))
        with tempfile.TemporaryDirectory(prefix="icsftps-fuzz-") as corpus:
            command = [sys.executable, __file__, "--one", target, str(share), corpus]
            ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        said = ended.stdout.decode(errors="replace")
        runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
        executions = int(runs[1]) if runs else 0
        total += executions
        broken += ended.returncode != 0
        print(f"{target}: {executions} executions in {share} s: {'BROKEN' if ended.returncode else 'fine'}", flush=True)
        if ended.returncode:
            print(said[-6000:], flush=True)
    print(f"{total} executions of {len(targets)} targets in {seconds} s: {broken} broken")
    return broken


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed here: pip install 'airflow-provider-icsftps[fuzz]'")
    if sys.argv[1] == "--one":
        fuzz(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        from targets import TARGETS

        sys.exit(run(int(sys.argv[1]), sys.argv[2:] or list(TARGETS)) > 0)
