"""The download operator: fetch what came into the outbox, once, and keep it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from airflow.providers.common.compat.sdk import Context, XComArg

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    IncompleteArchiveError,
    TransferError,
)
from airflow_provider_icsftps.gateway import (
    Archive,
    FetchOutcome,
    FetchSummary,
    Fleet,
    GatewayClient,
    Kept,
    OutboxEntry,
    Record,
    Shelf,
    Span,
    reconcile,
)
from airflow_provider_icsftps.gateway.fetching import SETTLED
from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.gateway.outbox_names import digit_of
from airflow_provider_icsftps.gateway.reconciling import Work
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators._choice import ChosenFilesOperator, chosen_entries, response_names
from airflow_provider_icsftps.operators._lineage import Lineage, at_gateway, at_path
from airflow_provider_icsftps.operators._paths import Place, as_path, as_told
from airflow_provider_icsftps.operators._progress import ProgressLog, in_bytes
from airflow_provider_icsftps.operators._window import window_of

_GAP_ENDINGS = ("warn", "fail")
#: So few files are fetched faster than further sessions are opened.
_FEW = 4


class IcsFtpsDownloadOperator(ChosenFilesOperator):
    """
    Fetch responses from the outbox, each complete or not at all.

    With ``archive``, everything in the outbox that the archive does not have is fetched into it, so that nothing is
    lost when ``/out`` forgets; with ``responses`` or ``pattern`` only what these name. The task returns the files that
    it is about, whether they come from the outbox now or from the archive:

    * with ``responses``, those files;
    * else those whose gateway time lies in the run's window: ``since`` and ``until``, or the same in the run's
      configuration, or the partition key (a day, a month or an hour), or the data interval;
    * else (a run by hand or by an asset, which is about no time) those that lie in the outbox now.

    A run of a backfill fetches only what lies in its window, so that parallel runs fetch nothing twice. When the
    archive cannot answer for the whole window (it was begun later, or the files had left ``/out``), that is told in the
    log and the summary, or fails the task.

    With ``target`` instead, the files that ``responses`` or ``pattern`` name are fetched into a plain folder under
    their own names. A file that has gone from the outbox but lies there (an earlier try fetched it) counts as fetched.

    Returns the paths of the files, as text, in the order of their gateway times. With ``archive``, the XCom ``summary``
    tells what was done: ``window``, ``gaps``, ``names`` (of the files returned), and what a
    :class:`~airflow_provider_icsftps.gateway.fetch_summary.FetchSummary` holds, such as ``fetched`` and ``postponed``.

    :param archive: folder or URL of the archive (:class:`~airflow_provider_icsftps.gateway.archive.Archive`).
        (templated)
    :param target: instead, a plain folder, local or URL of an object store. (templated)
    :param responses: what :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsResponseSensor` or
        :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsOutboxSensor` returned, or a list of file names.
        (templated)
    :param pattern: a glob pattern for file names: only files that match are fetched and returned. (templated)
    :param status_files: return (with ``target``: fetch) status files, too; with a pattern it alone decides.
    :param since: beginning of the window, such as ``2026-11-01``. (templated)
    :param until: its end, not included. (templated)
    :param delete_archived: delete at the gateway what is in the archive, after it was read back. Needs ``archive``.
        A retry of a run that is about no time does not return what a failed try deleted.
    :param on_gap: ``warn`` or ``fail``.
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("archive", "target", "responses", "pattern", "since", "until", "icsftps_conn_id")

    def __init__(
        self,
        *,
        archive: Place | None = None,
        target: Place | None = None,
        since: str | date | XComArg | None = None,
        until: str | date | XComArg | None = None,
        delete_archived: bool = False,
        on_gap: Literal["warn", "fail"] = "warn",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.archive = archive
        self.target = target
        self.since = since
        self.until = until
        self.delete_archived = delete_archived
        self.on_gap = on_gap
        self._fleet: Fleet | None = None
        self._lineage = Lineage()

    def execute(self, context: Context) -> list[str]:
        """Fetch what is not kept yet, and return the paths of the files that the task is about."""
        hook = IcsFtpsHook(self.icsftps_conn_id)
        with fail_without_retry(), hook.get_fleet() as fleet, closing(GatewayClient(fleet.settings)) as gateway:
            self._fleet = fleet
            if (self.archive is None) == (self.target is None):
                raise ConfigurationError("Give either archive (where everything is kept) or target (a plain folder)")
            if self.target is not None:
                return self._to_folder(gateway)
            if self.on_gap not in _GAP_ENDINGS:
                raise ConfigurationError(f"on_gap={self.on_gap!r} is none of {', '.join(_GAP_ENDINGS)}")
            return self._to_archive(gateway, fleet, Archive(as_path(self.archive)), context)

    def on_kill(self) -> None:
        """Break off what is being fetched."""
        if self._fleet is not None:
            self._fleet.cancel()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell the OpenLineage provider, if it is installed, what was read and written.

        :param task_instance: Airflow's.
        """
        return self._lineage.to_openlineage()

    # ------------------------------------------------------------ into a plain folder

    def _to_folder(self, gateway: GatewayClient) -> list[str]:
        if self.delete_archived or self.since or self.until:
            raise ConfigurationError("delete_archived, since and until need an archive; target is a plain folder")
        folder = as_path(self.target)
        chosen = chosen_entries(gateway, self.responses, self.pattern, status_files=self.status_files)
        paths = [self._fetch(gateway, entry, folder) for entry in chosen]
        self._note_lineage(gateway, [entry.name for entry in chosen], paths)
        return paths

    def _fetch(self, gateway: GatewayClient, entry: OutboxEntry, folder: Any) -> str:
        target = folder / check_server_name(entry.name)
        try:
            size = gateway.download(entry.name, target, size=entry.size)
        except FileNotAvailableError:
            if not target.exists():
                raise
            self.log.info("%s is not in the outbox any more; an earlier try fetched it to %s", entry.name, target)
        else:
            self.log.info("%s fetched to %s, %d bytes", entry.name, target, size)
        return str(target)

    # ------------------------------------------------------------ into an archive

    def _to_archive(self, gateway: GatewayClient, fleet: Fleet, archive: Archive, context: Context) -> list[str]:
        names = window = None
        if self._is_about_names:
            names = response_names(self.responses, gateway.settings, status_files=self.status_files)
        else:
            window = window_of(context, self.since, self.until, archive.zone)
        if window is not None:
            _let_settle(window)
        summary = reconcile(
            gateway,
            archive,
            window=window if _is_backfill(context) else None,
            chosen=self._chooser(names),
            delete=self.delete_archived,
            progress=ProgressLog(self.log.info),
            each=lambda work, entries: _each(gateway, fleet, work, entries),
        )
        shelf = archive.shelf(gateway.settings)
        # what matches a pattern was looked through as far back as all would have been
        shown = [summary.reach] if summary.reach and self.pattern is not None else []
        gaps = shelf.gaps(window.since, window.until, shown=shown) if window is not None else []
        if names is not None:
            found: list[Kept] | list[Record] = self._named(shelf, names, summary)
        elif window is not None:
            found = [record for record in shelf.records(window.since, window.until) if self._is_returned(record.name)]
        else:
            listed = (kept for kept in summary.kept if self._is_returned(kept.name))
            found = sorted(listed, key=lambda kept: (kept.sight.time, kept.record))
        paths = [str(archive.path(file)) for file in found]
        returned = [file.name for file in found]
        self._tell(summary, {"window": window, "gaps": gaps, "names": returned}, context)
        self._note_lineage(gateway, returned, paths)
        return paths

    def _note_lineage(self, gateway: GatewayClient, names: list[str], paths: list[str]) -> None:
        outbox = gateway.settings.outbox
        self._lineage = Lineage(
            [at_gateway(gateway.settings, f"{outbox}/{name}") for name in names], [at_path(path) for path in paths]
        )

    def _chooser(self, names: list[str] | None) -> Callable[[str], bool] | None:
        """Return what says which files are dealt with; ``None`` for all."""
        if names is not None:
            return frozenset(names).__contains__
        pattern = self.pattern
        return None if pattern is None else lambda name: fnmatchcase(name, pattern)

    def _is_returned(self, name: str) -> bool:
        if self.pattern is not None:
            return fnmatchcase(name, self.pattern)
        return self.status_files or digit_of(name) is None

    def _named(self, shelf: Shelf, names: list[str], summary: FetchSummary) -> list[Kept]:
        there = {kept.name: kept for kept in summary.kept}
        # of what was listed and not fetched the archive may hold an earlier content: that is another file
        listed = {*there, *summary.postponed, *summary.gone}
        there |= {kept.name: kept for kept in shelf.find(name for name in names if name not in listed)}
        for name in names:
            if name not in there:
                reason = summary.postponed.get(name)
                if reason is not None:
                    raise TransferError(f"{name} could not be fetched yet: {reason}")
                raise FileNotAvailableError(
                    f"{name} lies neither in the outbox nor in the archive {shelf.folder}; "
                    "files leave the outbox after 30 days",
                    command="RETR",
                )
        return [there[name] for name in names]

    def _tell(self, summary: FetchSummary, about: dict[str, Any], context: Context) -> None:
        """Say what was done and what is missing; a gap may fail the task."""
        self.log.info(
            "%d files in the outbox: %d fetched (%s), %d were in the archive",
            summary.listed,
            len(summary.fetched),
            in_bytes(summary.bytes),
            summary.kept_before,
        )
        for what, names in (("left for the next run", summary.postponed), ("not deleted", summary.not_deleted)):
            for name, reason in names.items():
                self.log.warning("%s: %s: %s", name, what, reason)
        for name in summary.gone:
            self.log.warning("%s went from the outbox before it could be fetched", name)
        # a retry returns what its first try had to leave
        for name in sorted({*summary.late}.difference(about["names"])):
            self.log.warning(
                "%s is of a time that an earlier run has looked through without it: it came late, could not be fetched "
                "then, or this machine's clock is ahead. Runs of that time did not return it; clear them",
                name,
            )
        for name in summary.conflicts:
            self.log.warning("%s: the gateway gave other content under this name before; both are kept", name)
        gaps = about["gaps"]
        told = {"window": about["window"] and about["window"].to_data(), "gaps": [gap.to_data() for gap in gaps]}
        context["ti"].xcom_push("summary", as_told(summary.to_data() | about | told))
        if not gaps:
            return
        spans = ", ".join(f"{gap.since.isoformat()} to {gap.until.isoformat()}" for gap in gaps[:5])
        message = (
            f"It is not known whether the archive has every file of {spans}{' and more' if len(gaps) > 5 else ''}: no "
            "complete look into the outbox covers that time"
        )
        if self.on_gap == "fail":
            raise IncompleteArchiveError(f"{message}. With on_gap='warn' the task returns what is there")
        self.log.warning("%s", message)


def _each(gateway: GatewayClient, fleet: Fleet, work: Work, entries: Sequence[OutboxEntry]) -> Iterator[FetchOutcome]:
    """Work on a few files over the session that is there, and on many over several."""
    if len(entries) <= _FEW or fleet.sessions == 1:
        for entry in entries:
            yield work(gateway, entry)
        return
    gateway.close()  # it would be one session more than the gateway may allow, and so would one of the fleet's later
    for done in fleet.run(work, entries):
        yield done.get()
    fleet.close()


def _is_backfill(context: Context) -> bool:
    run_type = getattr(context.get("dag_run"), "run_type", "")
    return str(getattr(run_type, "value", run_type)) == "backfill"


def _let_settle(window: Span) -> None:
    """Wait, at most a minute, until what came at the end of the window can be told from what is still being written."""
    left = (window.until + SETTLED - datetime.now(UTC)).total_seconds() + 1
    if 0 < left <= SETTLED.total_seconds() + 1:
        time.sleep(left)
