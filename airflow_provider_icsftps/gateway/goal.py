"""What a wait waits for, and whether a listing shows it. Pure functions on frozen values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.outbox_names import status_files
from airflow_provider_icsftps.gateway.status import StatusCode
from airflow_provider_icsftps.gateway.submission import Submission

#: What a wait may wait for, and the digits that fulfil it.
UNTIL: dict[str, frozenset[StatusCode]] = {
    "delivered": frozenset({StatusCode.DELIVERED, StatusCode.ACCEPTED, StatusCode.RESPONSE}),
    "accepted": frozenset({StatusCode.ACCEPTED, StatusCode.RESPONSE}),
    "response": frozenset({StatusCode.RESPONSE}),
}


class Sight(StrEnum):
    """What a listing shows about a submission."""

    #: Nothing yet that the wait asks for, or nothing that was not read before.
    WAITING = "waiting"
    #: What the wait asks for is there.
    REACHED = "reached"
    #: A digit-0 file that nobody has read yet: it must be read before anything can be said.
    EXAMINE = "examine"


@dataclass(frozen=True)
class Observation:
    """
    What a listing shows about a submission.

    :param sight: waiting, reached, or to be examined.
    :param status_files: names of its status files, in the order of their digits.
    """

    sight: Sight
    status_files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Goal:
    """
    What a wait waits for.

    :param until: ``delivered`` (digit 1, 2 or 3), ``accepted`` (2 or 3) or ``response`` (3).
    :param responses: how many responses there must be; more than one only with ``response``.
    :param response_pattern: count only responses whose file name matches this glob pattern, such as
        ``*receipt*.xml``; upper and lower case differ. Only with ``response``.
    :raises ConfigurationError: when that makes no sense.
    """

    until: str = "response"
    responses: int = 1
    response_pattern: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no wait could reach."""
        if self.until not in UNTIL:
            raise ConfigurationError(f"until={self.until!r} is none of {', '.join(UNTIL)}")
        if type(self.responses) is not int or self.responses < 1:
            raise ConfigurationError(f"responses={self.responses!r} is no whole number from 1 up")
        if self.response_pattern == "":
            raise ConfigurationError("response_pattern is empty, which no name matches; leave it out or give a pattern")
        if self.until != "response" and (self.responses > 1 or self.response_pattern):
            raise ConfigurationError(f"responses are not waited for with until={self.until!r}; use until='response'")

    def counts(self, response: str) -> bool:
        """
        Say whether a response is one of those that are waited for.

        :param response: name of a response file.
        """
        return self.response_pattern is None or fnmatchcase(response, self.response_pattern)


def observe(
    names: Iterable[str], submission: Submission, goal: Goal, read: frozenset[str] = frozenset()
) -> Observation:
    """
    Decide from a listing alone whether a wait is over. Sensor, trigger and command line all call this.

    How many responses there are, and what they are called, stands inside the digit-3 files: a listing only shows
    that there is one which nobody has read.

    :param names: what the outbox holds.
    :param submission: what was filed.
    :param goal: what is waited for.
    :param read: status files that were read and do not end the wait by themselves: digit-0 files that say only that
        the name was used before, beside a filing of ours that did get through, and digit-3 files when further
        responses are needed.
    """
    wanted = UNTIL[goal.until]
    if submission.needs_proof:
        wanted = wanted - {StatusCode.DELIVERED}  # what was delivered may be a part; 2 or 3 proves that it was whole
    found = status_files(names, submission.service, submission.file_name)
    unread = {StatusCode(digit) for name, digit in found.items() if name not in read}
    if StatusCode.ERROR in unread:
        return Observation(Sight.EXAMINE, tuple(found))
    return Observation(Sight.REACHED if unread & wanted else Sight.WAITING, tuple(found))
