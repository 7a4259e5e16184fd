"""
Change the rules on names, status files and verdicts one place at a time: ``make mutants``.

mutmut makes each change and runs the tests on it (``[tool.mutmut]`` in pyproject.toml says which). A change that no
test notices is a missing test. The few that change nothing stand in ``surviving_mutants.toml`` with their reason. The
exit code is 1 when another one survives, or when one in that list does not.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
EXPECTED = Path(__file__).with_suffix(".toml")
NOTICED = {"killed", "timeout"}  # a mutant that runs for ever is noticed, too
Change = tuple[str, str, str]  # function, the code, what became of it


def mutmut(*arguments: str) -> str:
    """Run a command of mutmut, and return what it says."""
    command = [sys.executable, "-m", "mutmut", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"mutmut {' '.join(arguments)} failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def change(mutant: str) -> Change:
    """Say what a mutant changes, whatever its number is today."""
    function = re.sub(r"__mutmut_\d+$", "", mutant).partition(".gateway.")[2]
    function = re.sub(r"\.x(?:ǁ|_)", ".", function).replace("ǁ", ".")
    lines = [line for line in mutmut("show", mutant).splitlines() if not line.startswith(("---", "+++"))]
    was, became = ("\n".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    return function, was, became


def expected() -> dict[Change, str]:
    """Return the mutants that may survive, each with its reason."""
    survivors = tomllib.loads(EXPECTED.read_text(encoding="utf-8"))["survivor"]
    return {(one["function"], one["was"], one["became"]): one["why"] for one in survivors}


def main() -> int:
    shutil.rmtree(ROOT / "mutants", ignore_errors=True)  # what it kept of an earlier run may be of other tests
    mutmut("run")
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    survivors: dict[Change, str] = {}
    for mutant, end in re.findall(r"^ *(\S+): (.+)$", mutmut("results", "--all", "true"), re.M):
        ends[mutant.split(".")[2]][end] += 1
        if end not in NOTICED:
            survivors[change(mutant)] = end
    for module, counted in ends.items():
        print(f"{module}: {', '.join(f'{count} {end}' for end, count in sorted(counted.items()))}")
    known = expected()
    for (function, was, became), end in survivors.items():
        if (function, was, became) not in known:
            print(f"\n{end}, in {function}: write a test that notices, or list it in {EXPECTED.name} with a reason")
            print(f"- {was}\n+ {became}")
    for function, was, became in known.keys() - survivors.keys():
        print(f"\nno longer survives, in {function}: take it off {EXPECTED.name}\n- {was}\n+ {became}")
    return int(not ends or survivors.keys() != known.keys())


if __name__ == "__main__":
    sys.exit(main())
