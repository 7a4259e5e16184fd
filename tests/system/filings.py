"""A run that files many manifests: what goes in, how far it is, and what must be true in the end."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from airflow_api import Api, Run, until

from airflow_provider_icsftps.simulator import GatewaySimulator

_STANDSTILL = 120.0  # seconds without any progress; how long it takes in all depends on who else uses the machine


class Filings:
    """
    Manifests that all differ, and the run of a DAG of ``dags/many_filings.py`` that files them.

    :param api: Airflow.
    :param dag: ``file_and_wait`` or ``file_then_wait``.
    :param folder: where to write the manifests.
    :param number: how many.
    """

    def __init__(self, api: Api, dag: str, folder: Path, number: int) -> None:
        folder.mkdir()
        self.number = number
        self._contents = [f"<manifest><number>{folder.name}/{n}</number></manifest>\n".encode() for n in range(number)]
        for n, content in enumerate(self._contents):
            (folder / f"manifest_{n:03}.xml").write_bytes(content)
        self.filing, self.waiting = ("file", "file") if dag == "file_and_wait" else ("journey.file", "journey.wait")
        self.run: Run = api.trigger(dag, {"folder": str(folder)})

    def until_all_are_deferred(self) -> None:
        """Every filing has been given to the triggerers."""
        self._until(lambda: self.run.count(state="deferred"), self.number)

    def until_all_wait(self) -> None:
        """Every filing is waited for: a triggerer has taken each over."""
        self.until_all_are_deferred()
        self._until(lambda: len(self.triggerers()), self.number)

    def until_it_ends(self) -> None:
        """The run has ended, one way or the other."""
        self._until(lambda: self.run.count(task_id=self.waiting, state="success"), self.number)
        until(lambda: self.run.state in {"success", "failed"}, _STANDSTILL)

    def triggerers(self) -> dict[int, int]:
        """Which triggerer looks for which filing: map index to the id of the triggerer's job."""
        waits = self.run.task_instances(state="deferred")
        return {wait["map_index"]: wait["triggerer_job"]["id"] for wait in waits if wait["triggerer_job"]}

    def tries(self, task: str) -> Counter[int]:
        """How many tries the instances of a task took: number of tries to how many instances."""
        return Counter(instance["try_number"] for instance in self.run.task_instances(task_id=task))

    def assert_each_is_filed_once(self, simulator: GatewaySimulator) -> None:
        """Each file was taken by the gateway exactly once, and nothing else was."""
        wanted = {hashlib.sha256(content).hexdigest(): 1 for content in self._contents}
        filed = [record for record in simulator.uploads if record.filed and record.sha256 in wanted]
        assert Counter(record.sha256 for record in filed) == wanted

    def assert_each_is_answered(self) -> None:
        """Every task has succeeded, and every wait has returned the answers to its own file."""
        states = Counter((instance["task_id"], instance["state"]) for instance in self.run.task_instances())
        expected = {(task, "success"): self.number for task in (self.filing, self.waiting)}
        assert states == {("manifests", "success"): 1} | expected
        for n, content in enumerate(self._contents):
            answer = self.run.returned(self.waiting, n)
            assert answer["sha256"] == hashlib.sha256(content).hexdigest()
            assert [status["digit"] for status in answer["statuses"]] == [1, 2, 3]
            assert len(answer["responses"]) == 1

    def _until(self, count: Callable[[], int], wanted: int) -> None:
        best, moved = -1, time.monotonic()
        while best < wanted:
            if (now := until(lambda: (count(),), _STANDSTILL)[0]) > best:
                best, moved = now, time.monotonic()
            state, waited = self.run.state, time.monotonic() - moved
            assert state != "failed", f"the run has failed; {best} of {wanted} are there"
            assert waited < _STANDSTILL, f"{best} of {wanted} are there, and none was added in {waited:.0f} s"
            time.sleep(1)
