"""The upload operator: file once, and wait for the gateway's word if asked to."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator, Context, conf

from airflow_provider_icsftps.exceptions import ConfigurationError, GatewayUnavailableError, IcsFtpsError, TransferError
from airflow_provider_icsftps.gateway import (
    Archive,
    Filing,
    Fleet,
    GatewaySettings,
    Goal,
    Outcome,
    Patience,
    Shelf,
    Submission,
    conclude,
    file_each,
    submissions_of,
)
from airflow_provider_icsftps.gateway.filing import way_to_repeat
from airflow_provider_icsftps.gateway.goal import Sight, observe
from airflow_provider_icsftps.gateway.submission import paths_of
from airflow_provider_icsftps.hooks._rendered import as_data, is_many
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators._journal import TaskJournal
from airflow_provider_icsftps.operators._lineage import Lineage, at_gateway, at_path
from airflow_provider_icsftps.operators._paths import Place, as_path, in_seconds
from airflow_provider_icsftps.triggers.icsftps import GRACE, IcsFtpsResponseTrigger, names_of

_WEEK = timedelta(days=7).total_seconds()


class IcsFtpsUploadOperator(BaseOperator):
    """
    File one file or many, each exactly once, over as many sessions as the connection allows (its extra ``sessions``).

    Each file gets a name that follows from the DAG run, the service and the file's content, so a retry finds what it
    filed before instead of filing it again (docs/exactly-once.md). A corrected file has another content, hence
    another name: a new filing. Two equal files in one task are one filing; in different mapped tasks they are if they
    are called the same.

    Returns a submission for each file: ``service``, ``file_name`` (at the gateway), ``source``, ``size`` (bytes),
    ``sha256``, ``username``, ``fingerprint`` (of the certificate), ``transfer``, ``verdict`` (``send`` when it was
    sent now), ``sent_at``. A dictionary for one file, a list for a list; give it to
    :class:`~airflow_provider_icsftps.sensors.icsftps.IcsFtpsResponseSensor`. With ``wait_until`` it also holds
    ``statuses`` and ``responses``, as that sensor returns them.

    When some of many files fail, the task fails, the log tells what happened to each, and the XCom ``outcomes`` holds
    it as data. A retry sends only what is not filed.

    :param source: local path, URL of an object store, or path object; one or a list. (templated)
    :param service: the service folder, such as ``Manifest``. (templated)
    :param naming: ``unique`` for a name of our making, ``own`` to keep the file's own name, which then must never
        have been used before.
    :param resubmission: 0; a higher number files the same content again, on purpose. (templated)
    :param allow_empty: file empty files, too.
    :param wait_until: ``delivered``, ``accepted`` or ``response``: go on until the gateway says so, so that one task is
        one confirmed filing. By default it waits only after a copy may have been cut, until all is accepted.
    :param deferrable: wait in the triggerer, without a worker slot.
    :param poke_interval: seconds (or a timedelta) between two looks while waiting.
    :param timeout: seconds (or a timedelta) to wait at most.
    :param outage_timeout: seconds (or a timedelta) for which a gateway that is away is tried again within one try of
        the task, with growing pauses. A refused login is never tried again.
    :param archive: folder or URL of an archive (:class:`~airflow_provider_icsftps.gateway.archive.Archive`) that keeps
        a copy of what was filed and what is known about it. (templated)
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    """

    template_fields = ("source", "service", "resubmission", "archive", "icsftps_conn_id")

    def __init__(
        self,
        *,
        source: Place | Sequence[Place],
        service: str,
        naming: Literal["unique", "own"] = "unique",
        resubmission: int | str = 0,
        allow_empty: bool = False,
        wait_until: Literal["delivered", "accepted", "response"] | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poke_interval: float | timedelta = 60.0,
        timeout: float | timedelta = _WEEK,
        outage_timeout: float | timedelta = 900.0,
        archive: Place | None = None,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source: Any = source
        self.service = service
        self.naming = naming
        self.resubmission = resubmission
        self.allow_empty = allow_empty
        self.wait_until = wait_until
        self.deferrable = deferrable
        self.poke_interval = in_seconds("poke_interval", poke_interval)
        self.timeout = in_seconds("timeout", timeout)
        self.outage_timeout = in_seconds("outage_timeout", outage_timeout)
        self.archive: Any = archive
        self.icsftps_conn_id = icsftps_conn_id
        self._lineage = Lineage()
        self._fleet: Fleet | None = None

    @property
    def _given(self) -> Any:
        data = as_data(self.source)
        return data if isinstance(data, list) else self.source

    @property
    def _many(self) -> bool:
        return is_many(self._given)

    def execute(self, context: Context) -> Any:
        """File what is not filed yet, wait if asked to, and return a submission for each file."""
        return self._file(context, _journal(context))

    def _file(self, context: Context, journal: TaskJournal) -> Any:
        with fail_without_retry(), IcsFtpsHook(self.icsftps_conn_id).get_fleet() as fleet:
            self._fleet = fleet
            given = self._given
            filings = [self._filing(source, context) for source in (given if is_many(given) else [given])]
            archive = None if self.archive is None else Archive(as_path(self.archive))
            if archive is not None:
                _ = archive.zone  # one that cannot be read, or is of a later version, is told before anything is sent
            if self.wait_until is not None:
                Goal(self.wait_until)
            outcomes = file_each(fleet, filings, journal, Patience(self.outage_timeout, sleep=fleet.pause))
            self._tell(outcomes, context)
            submissions = submissions_of(outcomes)
            self._note_lineage(fleet.settings, submissions)
            if archive is not None:
                try:
                    self._keep(archive.shelf(fleet.settings), fleet.settings, filings, submissions)
                except IcsFtpsError as error:
                    message = f"Filed, but not kept in the archive: {error}. Trying again files nothing twice"
                    raise IcsFtpsError.from_data(error.to_data() | {"message": message}) from error
        until = self.wait_until or ("accepted" if any(s.needs_proof for s in submissions) else None)
        if until is None:
            return self._result([submission.to_data() for submission in submissions])
        deadline = datetime.now(UTC) + timedelta(seconds=self.timeout)
        return self._wait(context, submissions, Goal(until), deadline, set(), journal)

    def on_kill(self) -> None:
        """Break off what is being sent, so that the gateway cannot take a part of it for whole."""
        if self._fleet is not None:
            self._fleet.cancel()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """
        Go on after a wait in the triggerer.

        :param context: Airflow's.
        :param event: see :mod:`~airflow_provider_icsftps.triggers.icsftps`.
        """
        submissions = [Submission.from_data(data) for data in event["submissions"]]
        deadline = datetime.fromisoformat(event["deadline"])
        with fail_without_retry():
            names = names_of(event)  # none when the time is up: a last look shows what is missing
        journal = _journal(context, resumed=True)
        return self._wait(context, submissions, Goal(event["until"]), deadline, set(event["read"]), journal, names)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell the OpenLineage provider, if it is installed, what was read and written.

        :param task_instance: Airflow's.
        """
        return self._lineage.to_openlineage()

    def _wait(
        self,
        context: Context,
        submissions: list[Submission],
        goal: Goal,
        deadline: datetime,
        read: set[str],
        journal: TaskJournal,
        names: list[str] | None = None,
    ) -> Any:
        """Look until all submissions are where the wait wants them; defer between two looks, or sleep."""
        patience = Patience(self.outage_timeout)
        while True:
            try:
                with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
                    self._note_lineage(gateway.settings, submissions)  # a deferred task goes on in a new process
                    seen = names if names is not None else gateway.outbox_names()
                    answers = conclude(gateway, submissions, goal, seen, read)
            except (GatewayUnavailableError, TransferError) as error:
                if isinstance(error, TransferError) and error.rejected:
                    self.log.warning("%s", error)
                    return self._file(context, journal)  # by the table it is sent as the next generation
                patience.bear(error)
                continue
            patience.renew()
            names = None
            if answers is not None:
                return self._result([answer.to_data() for answer in answers])
            left = deadline - datetime.now(UTC)
            if left <= timedelta(0):
                raise self._too_late(submissions, goal, seen, frozenset(read))
            if self.deferrable:
                self.defer(
                    trigger=IcsFtpsResponseTrigger(
                        submissions=[submission.to_data() for submission in submissions],
                        until=goal.until,
                        read=sorted(read),
                        icsftps_conn_id=self.icsftps_conn_id,
                        deadline=deadline.isoformat(),
                        poke_interval=self.poke_interval,
                    ),
                    method_name="execute_complete",
                    timeout=left + GRACE,
                )
            time.sleep(min(self.poke_interval, left.total_seconds()))

    def _keep(
        self, shelf: Shelf, settings: GatewaySettings, filings: list[Filing], submissions: list[Submission]
    ) -> None:
        """Keep what was filed, and what is known about it."""
        for filing, submission in zip(filings, submissions, strict=True):
            try:
                shelf.keep_filed(submission, filing.source, address=settings.address)
            except TransferError as error:
                # the file may have changed since it was filed: a retry would take it for another filing
                self.log.warning("Of %s only the record is kept: %s", filing.label, error)
                shelf.keep_filed(submission, address=settings.address)

    def _note_lineage(self, settings: GatewaySettings, submissions: list[Submission]) -> None:
        self._lineage = Lineage(
            [at_path(submission.source) for submission in submissions],
            [at_gateway(settings, f"/{submission.service}/{submission.file_name}") for submission in submissions],
        )

    def _too_late(
        self, submissions: list[Submission], goal: Goal, names: Collection[str], read: frozenset[str]
    ) -> AirflowFailException:
        late, not_accepted = (
            [each for each in submissions if observe(names, each, wanted, read).sight is Sight.WAITING]
            for wanted in (goal, Goal("accepted"))
        )
        unproven = [submission for submission in not_accepted if submission.needs_proof]
        files = paths_of(unproven or late)
        if unproven:
            again = way_to_repeat(int(self.resubmission), own_name=self.naming == "own")
            return AirflowFailException(
                f"An earlier try was cut off while it sent {files}; the gateway has not accepted it within "
                f"{self.timeout:.0f} s, and nothing shows whether the whole file got through. Nothing more was sent. "
                f"Clearing this task only waits again: ask what became of it; if it was not filed, {again}"
            )
        return AirflowFailException(
            f"Handed over, but not {goal.until} within {self.timeout:.0f} s: {files}. "
            "Clearing this task waits again and files nothing twice"
        )

    def _tell(self, outcomes: list[Outcome], context: Context) -> None:
        """Say what happened to each file when not all of them are filed."""
        if all(outcome.submission for outcome in outcomes):
            return
        for outcome in outcomes:
            self.log.info("%s: %s %s", outcome.filing.label, outcome.state, outcome.error or "")
        context["ti"].xcom_push("outcomes", [outcome.to_data() for outcome in outcomes])

    def _result(self, data: list[dict[str, Any]]) -> Any:
        return data if self._many else data[0]

    def _filing(self, source: Any, context: Context) -> Filing:
        if self.naming not in {"unique", "own"}:
            raise ConfigurationError(f"naming={self.naming!r} is neither 'unique' nor 'own'")
        if not str(self.resubmission).isdigit():
            raise ConfigurationError(f"resubmission={self.resubmission!r} is no whole number from 0 up")
        if self.naming == "own" and int(self.resubmission):
            raise ConfigurationError("resubmission has no effect with naming='own'; give the file another name")
        ti = context["ti"]
        path = as_path(source)
        return Filing(
            source=path,
            service=self.service,
            scope=f"{ti.dag_id}/{ti.task_id}/{ti.run_id}",
            source_name=path.name,
            own_name=path.name if self.naming == "own" else None,
            resubmission=int(self.resubmission),
            allow_empty=self.allow_empty,
        )


def _journal(context: Context, *, resumed: bool = False) -> TaskJournal:
    return TaskJournal(context.get("task_state_store"), context["ti"].try_number, resumed=resumed)
