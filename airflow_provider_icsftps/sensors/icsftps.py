"""Sensors: wait for what comes back, on a worker (poke) or without one (deferrable)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    Context,
    PokeReturnValue,
    XComArg,
    conf,
)
from airflow.triggers.base import BaseTrigger

from airflow_provider_icsftps.exceptions import GatewayUnavailableError, IcsFtpsError, TransferError
from airflow_provider_icsftps.gateway import (
    GatewayClient,
    GatewaySettings,
    Goal,
    OutboxNames,
    Submission,
    conclude,
)
from airflow_provider_icsftps.gateway.outbox_names import check_text
from airflow_provider_icsftps.gateway.ownership import check_owners
from airflow_provider_icsftps.gateway.submission import paths_of
from airflow_provider_icsftps.hooks._rendered import as_data, is_many
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.triggers.icsftps import (
    GRACE,
    IcsFtpsOutboxTrigger,
    IcsFtpsResponseTrigger,
    names_of,
)


class _OutboxSensor(BaseSensorOperator):
    """
    What the sensors share: one look, then poke or defer.

    A look answers with a value or ``None``; both modes end with the same value or error. One difference is meant:
    while the gateway is away, poke mode fails the try and Airflow's ``retries`` count; the trigger counts by itself
    and goes on until the time limit, also when the gateway is away at the first look already.
    """

    def __init__(
        self,
        *,
        icsftps_conn_id: str = IcsFtpsHook.default_conn_name,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.icsftps_conn_id = icsftps_conn_id
        self.deferrable = deferrable
        self._read: set[str] = set()

    @abstractmethod
    def _answer(self, gateway: GatewayClient, names: OutboxNames) -> Any:
        """Return what a listing means, ``None`` for "not yet"."""

    @abstractmethod
    def _awaited(self) -> str:
        """Say what is waited for."""

    def _check(self, settings: GatewaySettings) -> None:  # most have nothing to check
        """Refuse what makes no sense, before the gateway is asked."""

    @abstractmethod
    def _trigger(self, deadline: str) -> BaseTrigger:
        """Return the trigger that waits for the same."""

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        with fail_without_retry():
            client = IcsFtpsHook(self.icsftps_conn_id).get_conn()
            self._check(client.settings)
            with client as gateway:
                answer = self._answer(gateway, gateway.outbox_names())
        return PokeReturnValue(is_done=answer is not None, xcom_value=answer)

    def execute(self, context: Context) -> Any:
        """Look once; then go on looking here, or leave it to a trigger."""
        if not self.deferrable:
            return super().execute(context)
        deadline = datetime.now(UTC) + timedelta(seconds=self.timeout)
        try:
            looked = self.poke(context)
        except (GatewayUnavailableError, TransferError) as error:
            if isinstance(error, TransferError) and error.rejected:
                self._skip_if_never_fail(error)
                raise
            self.log.warning("The first look failed, and the triggerer goes on: %s", error)
        except AirflowException as error:
            # as Airflow itself has it for looks on a worker, and for what follows a deferral
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            raise
        else:
            if looked.is_done:
                return looked.xcom_value
        return self._defer(deadline.isoformat())

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """
        Turn the trigger's event into the same end that a poke has.

        :param context: Airflow's.
        :param event: see :mod:`~airflow_provider_icsftps.triggers.icsftps`.
        """
        try:
            return self._complete(event)
        except IcsFtpsError as error:
            self._skip_if_never_fail(error)
            raise

    def _complete(self, event: dict[str, Any]) -> Any:
        self._read = set(event["read"])
        with fail_without_retry():
            names = names_of(event)
        if names is None:
            raise AirflowSensorTimeout(
                f"Nothing came in {self.timeout:.0f} s, the time limit of this wait for {self._awaited()}. "
                "Clearing this task waits again"
            )
        # connects only if there is something to read
        with fail_without_retry(), closing(IcsFtpsHook(self.icsftps_conn_id).get_conn()) as gateway:
            answer = self._answer(gateway, OutboxNames(names))
        if answer is None:
            return self._defer(event["deadline"])
        return answer

    def _skip_if_never_fail(self, error: IcsFtpsError) -> None:
        """Skip for what may pass, too: Airflow does so on a worker, and after a deferral only for errors of its own."""
        if self.never_fail:
            raise AirflowSkipException(str(error)) from error

    def _defer(self, deadline: str) -> None:
        left = datetime.fromisoformat(deadline) - datetime.now(UTC)
        self.defer(
            trigger=self._trigger(deadline),
            method_name="execute_complete",
            timeout=max(left, timedelta(0)) + GRACE,
        )


class IcsFtpsResponseSensor(_OutboxSensor):
    """
    Wait until the gateway has said what became of one or many submissions.

    The sensor lists the outbox and looks for ``status_<service>_<file name>_<digit>.xml`` of each submission. It is
    done when *every* submission has a digit that fulfils ``until``: ``delivered`` needs 1, 2 or 3; ``accepted`` 2 or
    3; ``response`` 3. After a transfer that may have been cut, ``delivered`` needs 2 or 3, too. The sensor then reads
    the status files and returns what they say.

    A digit-0 file is read as soon as it is seen. A rejection fails the task at once and without retries, with the
    gateway's code, message and resolution, also when other submissions are still waiting. "Name used before" beside a
    filing of ours that got through is no rejection, and the wait goes on.

    No status file at all means that the customs system is busy or down: the wait goes on until ``timeout``.

    Customs may answer one submission several times: a Manifest departure gets an "in process" message first and its
    receipt later. ``responses`` and ``response_pattern`` say which answers the wait is for; each digit-3 file is read
    when it comes, and the wait goes on until enough of them are the right ones.

    Returns, for each submission, what the upload returned and ``statuses`` (``name``, ``digit``, ``code``,
    ``timestamp``, ``text``) and ``responses`` (names of response files in the outbox): a dictionary for one
    submission, a list for a list.

    :param submission: what an upload returned, one or a list. (templated)
    :param until: ``delivered``, ``accepted`` or ``response``. (templated)
    :param responses: how many responses each submission must have, with ``until="response"``.
    :param response_pattern: count only responses whose file name matches this glob pattern, such as
        ``*receipt*.xml``; upper and lower case differ. (templated)
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, without a worker slot.
    """

    template_fields = ("submission", "until", "response_pattern", "icsftps_conn_id")

    def __init__(
        self,
        *,
        submission: XComArg | str | Mapping[str, Any] | Sequence[Any],
        until: str = "response",
        responses: int = 1,
        response_pattern: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.submission: Any = submission
        self.until = until
        self.responses = responses
        self.response_pattern = response_pattern

    @property
    def _given(self) -> Any:
        return as_data(self.submission)

    @property
    def _many(self) -> bool:
        return is_many(self._given)

    def _submissions(self) -> list[Submission]:
        given = self._given  # a text is read each time
        return [Submission.from_data(data) for data in (given if is_many(given) else [given])]

    def _awaited(self) -> str:
        """Say what is waited for."""
        return f"until={self.until!r} of {paths_of(self._submissions())}; customs may be busy or down"

    def _check(self, settings: GatewaySettings) -> None:
        """Refuse what no answer could end."""
        self._goal()
        check_owners(self._submissions(), settings)

    def _goal(self) -> Goal:
        return Goal(self.until, self.responses, self.response_pattern)

    def _answer(self, gateway: GatewayClient, names: OutboxNames) -> Any:
        """Return what the status files say once all are there."""
        answers = conclude(gateway, self._submissions(), self._goal(), names, self._read)
        if answers is None:
            return None
        for answer in answers:
            digits = ", ".join(str(int(status.code)) for status in answer.statuses.values())
            self.log.info("%s: digits %s, %d responses", answer.submission.file_name, digits, len(answer.responses))
        data = [answer.to_data() for answer in answers]
        return data if self._many else data[0]

    def _trigger(self, deadline: str) -> IcsFtpsResponseTrigger:
        """Return the trigger that waits for the same."""
        return IcsFtpsResponseTrigger(
            submissions=[submission.to_data() for submission in self._submissions()],
            until=self.until,
            read=sorted(self._read),
            icsftps_conn_id=self.icsftps_conn_id,
            deadline=deadline,
            poke_interval=self.poke_interval,
        )


class IcsFtpsOutboxSensor(_OutboxSensor):
    """
    Wait until a file that matches a pattern lies in the outbox; return the names of all that do.

    :param pattern: a glob pattern for file names, such as ``Manifest_*.xml``; upper and lower case differ. (templated)
    :param icsftps_conn_id: id of the Airflow connection. (templated)
    :param deferrable: wait in the triggerer, without a worker slot.
    """

    template_fields = ("pattern", "icsftps_conn_id")

    def __init__(self, *, pattern: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pattern = pattern

    def _awaited(self) -> str:
        """Say what is waited for."""
        return f"a file like {self.pattern!r} in the outbox"

    def _answer(self, gateway: GatewayClient, names: OutboxNames) -> list[str] | None:
        """Return the names that match."""
        return check_text(names.matching(self.pattern)) or None

    def _trigger(self, deadline: str) -> IcsFtpsOutboxTrigger:
        """Return the trigger that waits for the same."""
        return IcsFtpsOutboxTrigger(
            pattern=self.pattern,
            icsftps_conn_id=self.icsftps_conn_id,
            deadline=deadline,
            poke_interval=self.poke_interval,
        )
