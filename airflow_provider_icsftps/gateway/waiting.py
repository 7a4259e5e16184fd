"""
From a listing to answers: read the status files that matter and say what became of each submission.

:func:`~airflow_provider_icsftps.gateway.goal.observe` decides from names alone whether it is time to read; this
reads. Sensor (in both modes), upload operator and command line end here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_icsftps.exceptions import NameAlreadyUsedError, TransferError
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.evidence import read_zeros, rejected
from airflow_provider_icsftps.gateway.goal import Goal, Sight, observe
from airflow_provider_icsftps.gateway.outbox_names import status_files
from airflow_provider_icsftps.gateway.ownership import check_owners
from airflow_provider_icsftps.gateway.status import StatusCode, StatusFile
from airflow_provider_icsftps.gateway.submission import Evidence, Submission, Transfer, Verdict, judge


@dataclass(frozen=True)
class Answer:
    """
    What the gateway said about one submission.

    :param submission: what was filed.
    :param statuses: its status files by name, in the order of their digits.
    """

    submission: Submission
    statuses: dict[str, StatusFile]

    def fulfils(self, goal: Goal) -> bool:
        """
        Say whether there are as many responses as a wait asks for; :func:`observe` has said the rest.

        :param goal: what is waited for.
        """
        if goal.until != "response":
            return True
        named = sum(goal.counts(name) for name in self.responses)
        if goal.response_pattern is None:  # a digit-3 file that names none counts for one
            named += sum(s.code is StatusCode.RESPONSE and not s.responses for s in self.statuses.values())
        return named >= goal.responses

    @property
    def responses(self) -> list[str]:
        """Names of the response files in the outbox."""
        return list(dict.fromkeys(name for status in self.statuses.values() for name in status.responses))

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types: the submission's values, ``statuses`` and ``responses``."""
        statuses = [{"name": name} | status.to_data() for name, status in self.statuses.items()]
        return self.submission.to_data() | {"statuses": statuses, "responses": self.responses}


def conclude(
    gateway: GatewayClient,
    submissions: Sequence[Submission],
    goal: Goal,
    names: Collection[str],
    read: set[str],
) -> list[Answer] | None:
    """
    Say what became of some submissions, if a listing shows that all of them are where the wait wants them.

    :param gateway: a client, to read status files with.
    :param submissions: what was filed.
    :param goal: what is waited for.
    :param names: what the outbox holds.
    :param read: status files that end no wait (:func:`observe`); those found here are added.
    :return: an answer for each, in their order; ``None`` while any is still waiting.
    :raises ConfigurationError: when one was filed under another username: its answers would never come here.
    :raises SubmissionRejectedError: when the gateway rejected one.
    :raises TransferError: ``rejected`` when it rejected a copy that may have been cut: the upload must be run again;
        else when a status file was cut short.
    :raises StatusFileError: when a status file cannot be read.
    :raises FileNotAvailableError: when one is not there any more.
    :raises GatewayUnavailableError: when the gateway cannot be asked now.
    :raises NameAlreadyUsedError: when it refused a name and nothing shows that the filing got through before.
    """
    check_owners(submissions, gateway.settings)
    waiting = False
    for submission in submissions:
        if observe(names, submission, goal, frozenset(read)).sight is Sight.EXAMINE:
            read |= _examine(gateway, submission, names)
        waiting |= observe(names, submission, goal, frozenset(read)).sight is Sight.WAITING
    if waiting:
        return None
    answers = [read_answer(gateway, submission, names) for submission in submissions]
    wanting = [answer for answer in answers if not answer.fulfils(goal)]
    for answer in wanting:
        read |= {name for name, status in answer.statuses.items() if status.code is StatusCode.RESPONSE}
    return None if wanting else answers


def read_answer(gateway: GatewayClient, submission: Submission, names: Collection[str]) -> Answer:
    """
    Read all status files of one submission.

    :param gateway: a client.
    :param submission: what was filed.
    :param names: what the outbox holds.
    :raises StatusFileError: when one cannot be read.
    :raises FileNotAvailableError: when one is not there any more.
    :raises GatewayUnavailableError: when the gateway cannot be asked now.
    :raises TransferError: when one is cut short.
    """
    found = status_files(names, submission.service, submission.file_name)
    return Answer(submission, {name: gateway.read_status(name) for name in found})


def _examine(gateway: GatewayClient, submission: Submission, names: Collection[str]) -> set[str]:
    """Read the digit-0 files; return them if they end no wait, raise what they say otherwise."""
    found = status_files(names, submission.service, submission.file_name)
    zeros = read_zeros(gateway, found)
    rejection = next((zero for zero in zeros.values() if not zero.name_was_used), None)
    verdict = judge(
        Evidence(
            size=submission.size,
            transfer=Transfer(submission.transfer),
            codes=frozenset(StatusCode(digit) for digit in found.values() if digit != StatusCode.ERROR),
            name_reused=any(zero.name_was_used for zero in zeros.values()),
            rejected=rejection is not None,
        )
    )
    if verdict.is_filed and rejection is None:
        return set(zeros)
    # a rejection is told also beside a digit 2 or 3, which may announce no more than a letter about it: nothing is sent
    # again then, but the wait's end must not depend on which of them was seen first
    if rejection is None:
        raise NameAlreadyUsedError(
            f"/{submission.service}/{submission.file_name}: the gateway says that the name was used before, and "
            "nothing shows that it was this filing; it was not filed now. Find out what was filed under the name; "
            "to file it again on purpose, raise resubmission or give it another name"
        )
    error = rejected(submission.service, submission.file_name, rejection)
    if verdict is Verdict.NEXT_GENERATION:
        raise TransferError(
            f"{error}. But that copy may have been cut on its way: run the upload again, it files under a new name",
            rejected=True,
        )
    raise error
