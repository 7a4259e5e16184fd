"""
Reconciling the outbox with an archive: list once, fetch what is not kept, delete only what was read back.

A run that fails in the middle has kept what it fetched so far; the next one goes on from there. Runs at the same time
do no harm, they may fetch a file twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayUnavailableError,
    LoginRefusedError,
    TransferError,
)
from airflow_provider_icsftps.gateway._archive_compare import Comparison
from airflow_provider_icsftps.gateway._archive_coverage import Span
from airflow_provider_icsftps.gateway._archive_layout import name_digest, usable_time
from airflow_provider_icsftps.gateway._listing import MOST_LEFT_OUT, OutboxEntry
from airflow_provider_icsftps.gateway.archive import Archive
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.fetch_summary import FetchProgress, FetchSummary, Kept
from airflow_provider_icsftps.gateway.fetching import SETTLED, FetchOutcome, fetch_or_tell
from airflow_provider_icsftps.gateway.outbox_names import digit_of
from airflow_provider_icsftps.gateway.records import Record
from airflow_provider_icsftps.gateway.shelf import RETENTION, Shelf

#: Failures one after the other after which the gateway counts as away.
_AWAY = 3
_OLDEST = datetime.min.replace(tzinfo=UTC)

#: What is done with one file, over some session.
Work = Callable[[GatewayClient, OutboxEntry], FetchOutcome]


def reconcile(
    gateway: GatewayClient,
    archive: Archive,
    *,
    window: Span | None = None,
    chosen: Callable[[str], bool] | None = None,
    delete: bool = False,
    retention: timedelta = RETENTION,
    settled: timedelta = SETTLED,
    progress: Callable[[FetchProgress], object] | None = None,
    each: Callable[[Work, Sequence[OutboxEntry]], Iterable[FetchOutcome]] | None = None,
) -> FetchSummary:
    """
    Fetch every file of the outbox that the archive does not have.

    Status files come first, because they tell which submission a response answers; the oldest first among each.

    :param gateway: a client.
    :param archive: where files are kept.
    :param window: deal only with files that have their time in it, and with those of which the gateway tells none.
    :param chosen: deal only with files whose names it takes; then nothing is noted about completeness.
    :param delete: afterwards delete at the gateway what is kept, was read back, is settled, and has not changed since
        it was listed. What waits for status files must not need them any more.
    :param retention: how long the outbox is known to keep a file: so far back the run shows that the archive is
        complete.
    :param settled: a file that is younger may still be being written: it is looked at twice and not deleted.
    :param progress: called after each file.
    :param each: does a piece of work for many files, such as over several sessions; by default one after the other
        over ``gateway``.
    :return: what was done; trouble with single files is told there.
    :raises ReadOnlyGatewayError: when something is to be deleted at a gateway that only gives out files.
    :raises IcsFtpsError: what stops the run: the gateway is away or refuses the login, the archive cannot be written.
    """
    if delete:
        gateway.settings.check_writable()
    run = _Run(gateway, archive, settled, progress, window, chosen)
    each = each or (lambda work, entries: (work(gateway, entry) for entry in entries))
    missing = sorted(run.comparison.missing, key=lambda entry: (entry.modified or _OLDEST, entry.name))
    for is_status in (True, False):
        kind = [entry for entry in missing if (digit_of(entry.name) is not None) is is_status]
        if kind:
            for outcome in each(run.work, kind):
                run.take(outcome)
    run.cover(retention, noted=chosen is None)
    if delete:
        run.delete()
    return run.summary()


class _Run:
    """One reconciliation under way."""

    def __init__(
        self,
        gateway: GatewayClient,
        archive: Archive,
        settled: timedelta,
        progress: Callable[[FetchProgress], object] | None,
        window: Span | None,
        chosen: Callable[[str], bool] | None,
    ) -> None:
        self._begun = time.monotonic()
        self._gateway = gateway
        self._archive = archive
        self._settled = settled
        self._progress = progress
        self._shelf: Shelf = archive.shelf(gateway.settings)
        self._listed_at = datetime.now(UTC)  # before the listing: what comes while it is made may not be in it
        self._window = window

        def is_meant(entry: OutboxEntry) -> bool:
            return (chosen is None or chosen(entry.name)) and (window is None or _may_be_in(window, entry))

        left_out: list[OutboxEntry] = []
        entries = list(filter(is_meant, gateway.list_outbox(left_out=left_out)))
        self._left_out = list(filter(is_meant, left_out))
        self._more_left_out = len(left_out) >= MOST_LEFT_OUT  # there may be more than are told
        # before it is looked what is kept: another run notes a time as complete only after it has kept all of it
        passed_over = self._shelf.passed_over(entries)
        self.comparison: Comparison = self._shelf.compare(entries)
        missing = self.comparison.missing
        self._files = 0
        self._to_do = len(missing), sum(entry.size or 0 for entry in missing)
        self._failures = 0
        #: What may be deleted in the end, with where its record lies: records themselves would fill the memory.
        self._kept = list(self.comparison.kept)
        self._answers: dict[str, dict[str, str]] = {}
        self._postponed: list[OutboxEntry] = []
        self._gone: list[OutboxEntry] = []
        self._summary = FetchSummary(
            listed_at=self._listed_at.isoformat(timespec="seconds"),
            listed=len(entries),
            kept_before=len(self.comparison.kept),
            kept=[Kept(entry.name, folder, record) for entry, folder, record in self.comparison.kept],
            left_out=[entry.name for entry in self._left_out],
            late=sorted(entry.name for entry in missing if entry.name in passed_over),
        )
        self._facts = {
            "listed_at": self._summary.listed_at,
            "files": self._summary.listed,
            "address": gateway.settings.address,
            "fingerprint": gateway.settings.certificate.fingerprint,
        }
        for entry in self._left_out:
            self._shelf.note_missing(entry, self._facts)
        self._bytes = 0
        self._covered: Span | None = None

    def work(self, gateway: GatewayClient, entry: OutboxEntry) -> FetchOutcome:
        """Fetch one file; any number of threads may be here."""
        return fetch_or_tell(
            gateway,
            entry,
            self._archive,
            listed_at=self._listed_at,
            settled=self._settled,
            answers=self._answers.get(entry.name),
        )

    def take(self, outcome: FetchOutcome) -> None:
        """Note what became of one file."""
        entry, record, error = outcome.entry, outcome.record, outcome.error
        self._files += 1
        if record is not None:
            self._failures = 0
            self._take_record(entry, record, by_other=outcome.by_other)
        elif outcome.gone:
            self._failures = 0
            self._gone.append(entry)
            self._shelf.note_missing(entry, self._facts)  # at once: a run that breaks off tells nothing else of it
            self._summary.gone.append(entry.name)
        else:
            self._failures = self._failures + 1 if isinstance(error, GatewayUnavailableError) else 0
            if error is not None and self._failures >= _AWAY:
                raise error
            self._postponed.append(entry)
            self._shelf.note_missing(entry, self._facts, left=True)  # it may go before the next run
            self._summary.postponed[entry.name] = str(error)
        if self._progress is not None:
            seconds = time.monotonic() - self._begun
            self._progress(FetchProgress(self._files, self._to_do[0], self._bytes, self._to_do[1], seconds))

    def _take_record(self, entry: OutboxEntry, record: Record, *, by_other: bool) -> None:
        if record.status and record.answers:
            self._answers |= dict.fromkeys(record.status.get("responses", []), record.answers)
        self._summary.kept.append(Kept(entry.name, record.folder, record.record))
        if self.comparison.known.get(name_digest(entry.name), set()) - {record.sha256[:16]}:
            self._summary.conflicts.append(entry.name)
        if by_other:
            self._summary = replace(self._summary, kept_before=self._summary.kept_before + 1)
        else:
            self._kept.append((entry, record.folder, record.record))
            self._summary.fetched.append(entry.name)
            self._bytes += record.size

    def cover(self, retention: timedelta, *, noted: bool) -> None:
        """Say for which time all that was looked for is kept now; only where that was everything it is noted."""
        times = [usable_time(entry.modified) for entry in self._postponed]
        lost = [usable_time(entry.modified) for entry in (*self._gone, *self._left_out)]
        if None in (*times, *lost) or self._more_left_out:
            return  # it may belong anywhere
        until = min([self._listed_at - self._settled, *(moment for moment in times if moment)])
        span = Span(self._listed_at - retention, until)
        if self._window is not None:
            span = Span(max(span.since, self._window.since), min(span.until, self._window.until))
        self._summary = replace(self._summary, reach=span)
        if noted:
            self._covered = self._shelf.cover(span, self._facts | {"retention_days": retention / timedelta(days=1)})

    def delete(self) -> None:
        """Delete at the gateway what is kept."""
        confirmed = [entry for entry, folder, name in self._kept if self._may_go(entry, folder, name)]
        if not confirmed:
            return
        there = {entry.name: entry for entry in self._gateway.list_outbox(times=False)}
        for entry in confirmed:
            now = there.get(entry.name)
            if now is None:
                continue  # somebody was faster
            if now.modified is None:  # without MLSD no listing tells times: only those of these files are asked for
                now = replace(now, modified=self._gateway.look_at(entry.name).modified)
            if now != entry:
                self._summary.not_deleted[entry.name] = "it has changed since it was listed"
                continue
            try:
                self._gateway.delete(entry.name)
            except LoginRefusedError:
                raise
            except GatewayRefusedError as error:
                if not isinstance(error, FileNotAvailableError) or self._gateway.look_at(entry.name).size is not None:
                    self._summary.not_deleted[entry.name] = str(error)
            else:
                self._summary.deleted.append(entry.name)

    def _may_go(self, entry: OutboxEntry, folder: str, name: str) -> bool:
        modified = usable_time(entry.modified)
        if modified is None or entry.size is None:
            said = "the gateway does not tell its time and size, so it may be another file than the one that is kept"
            self._summary.not_deleted[entry.name] = said
            return False
        if modified > self._listed_at - self._settled:
            self._summary.not_deleted[entry.name] = "it is young and may still be being written"
            return False
        try:
            self._archive.confirm(self._shelf.record_at(folder, name))
        except (TransferError, ConfigurationError) as error:
            self._summary.not_deleted[entry.name] = str(error)
            return False
        return True

    def summary(self) -> FetchSummary:
        """Return what was done."""
        return replace(
            self._summary,
            bytes=self._bytes,
            seconds=round(time.monotonic() - self._begun, 3),
            covered=self._covered.to_data() if self._covered else None,
        )


def _may_be_in(window: Span, entry: OutboxEntry) -> bool:
    moment = usable_time(entry.modified)
    return moment is None or window.since <= moment < window.until
