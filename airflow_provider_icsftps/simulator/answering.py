"""Lays customs' answers into outboxes when they are due, and removes what is too old."""

from __future__ import annotations

import contextlib
import heapq
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

from airflow_provider_icsftps.simulator.backoffice import REUSED, Answer, Filing, Outage, Rule, answers, files_of
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.storage import Storage

_KEPT_IN_OUTBOX = timedelta(days=30)
_SWEEP_INTERVAL = timedelta(minutes=1)


class Answering:
    """
    The answers of one simulator. Not thread-safe by itself; the gateway's lock guards it.

    :param storage: where the outboxes are.
    :param rule: how the customs systems behave.
    :param clock: its time.
    :param faults: what goes wrong.
    """

    def __init__(self, storage: Storage, rule: Rule, clock: SimulatedClock, faults: Faults) -> None:
        self._storage = storage
        self._rule = rule
        self._clock = clock
        self._faults = faults
        self._filings: dict[int, Filing] = {}
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._laid: set[tuple[int, int, int]] = set()
        self._coming: list[Answer] = []
        self._shown: dict[str, set[str]] = {}
        self._swept: datetime | None = None

    def rejections(self, username: str, file_name: str) -> int:
        """
        Count the uploads of a name that were turned down so far.

        :param username: who sent them.
        :param file_name: their name.
        """
        return self._rejected[username, file_name]

    def expect(self, filing: Filing) -> None:
        """
        Answer an upload from now on.

        :param filing: the upload.
        """
        self._filings[filing.number] = filing
        if filing.rejection or filing.later_rejection:
            self._rejected[filing.username, filing.file_name] += 1
        self._schedule(filing)

    def was_laid(self, number: int, digit: int, response: int) -> None:
        """
        Take note of an answer that was given before a restart.

        :param number: of the upload.
        :param digit: of the status file.
        :param response: which of several.
        """
        self._laid.add((number, digit, response))

    def pump(self) -> None:
        """Lay into the outboxes what is due by now, and remove what is too old."""
        now = self._clock.now()
        while self._coming and self._coming[0].due <= now:
            self._lay(heapq.heappop(self._coming))
        if self._swept is None or now - self._swept >= _SWEEP_INTERVAL:
            self._swept = now
            for path in self._storage.outbox_files():
                with contextlib.suppress(FileNotFoundError):  # a client may delete it at this moment
                    if path.stat().st_mtime < (now - _KEPT_IN_OUTBOX).timestamp():
                        path.unlink()

    def skip_wait(self, username: str) -> None:
        """
        Move the clock to the next answer if an outbox holds nothing that the look before did not show.

        :param username: whose outbox is looked into.
        """
        names = self._names(username)
        if names <= self._shown.get(username, set()):
            ours = (answer.due for answer in self._coming if self._filings[answer.filing].username == username)
            if due := min(ours, default=None):
                self._clock.advance_to(due)
                self.pump()
                names = self._names(username)
        self._shown[username] = names

    def start_outage(self, seconds: float | None = None) -> None:
        """
        Answer nothing from now on.

        :param seconds: how long; by default until :meth:`end_outage`.
        """
        if not self._in_outage:
            now = self._clock.now()
            end = None if seconds is None else now + timedelta(seconds=seconds)
            self._set_outages(*self._rule.outages, Outage(now, end))

    def end_outage(self) -> None:
        """Answer again, also what fell due meanwhile."""
        if self._in_outage:
            *earlier, last = self._rule.outages
            self._set_outages(*earlier, replace(last, end=self._clock.now()))

    @property
    def _in_outage(self) -> bool:
        last = self._rule.outages[-1:]
        return any(outage.end is None or outage.end > self._clock.now() for outage in last)

    def _names(self, username: str) -> set[str]:
        return {path.name for path in self._storage.outbox(username).iterdir()}

    def _set_outages(self, *outages: Outage) -> None:
        self._rule = replace(self._rule, outages=outages)
        self._coming.clear()
        for filing in self._filings.values():
            self._schedule(filing)

    def _schedule(self, filing: Filing) -> None:
        for answer in answers(filing, self._rule):
            if (answer.filing, answer.digit, answer.number) not in self._laid:
                heapq.heappush(self._coming, answer)

    def _lay(self, answer: Answer) -> None:
        filing = self._filings[answer.filing]
        for file in files_of(filing, answer):
            data = file.data
            if file.name.startswith("status_") and self._faults.take("garbled_status_file") is not None:
                data = data[: len(data) // 2]
            self._storage.lay(self._storage.outbox(filing.username) / file.name, data, file.due)
        if answer.digit == 1 or (answer.digit == 0 and filing.rejection != REUSED):
            # the customs systems, or the gateway that turned it down, have taken it
            self._storage.service_file(filing.username, filing.service, filing.file_name).unlink(missing_ok=True)
        self.was_laid(answer.filing, answer.digit, answer.number)
        self._storage.append("laid", upload=answer.filing, digit=answer.digit, number=answer.number)
