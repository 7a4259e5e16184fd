"""
The customs systems behind the gateway, as a pure rule: (filing, rule) -> answers, and when each is due.

Known: the digits, the names and the fields of status files, and that a reused name is turned down by a digit-0 file
after the upload. Guessed: the texts beside "File delivered to requested Backend System". Invented: the response file,
and when each file comes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from xml.sax.saxutils import escape

from airflow_provider_icsftps.gateway.names import DEFAULT_OUTBOX
from airflow_provider_icsftps.gateway.outbox_names import status_file_name
from airflow_provider_icsftps.gateway.status import NAME_REUSED, StatusCode, StatusFile, format_timestamp

#: Seconds from the upload to each digit.
DEFAULT_DELAYS: Mapping[int, float | None] = {0: 0, 1: 0, 2: 1, 3: 2}

_TEXTS = {
    StatusCode.ERROR: "ERROR",
    StatusCode.DELIVERED: "File delivered to requested Backend System",
    StatusCode.ACCEPTED: "File accepted by Backend System",
    StatusCode.RESPONSE: "File exposed to client",
}


def check_digits(delays: Mapping[int, float | None]) -> None:
    """
    Refuse delays of status files that there are not.

    :param delays: seconds to each digit.
    :raises ValueError: for a digit that is none.
    """
    if unknown := [digit for digit in delays if digit not in DEFAULT_DELAYS]:
        raise ValueError(f"Status files have digits 0 to 3, not {', '.join(map(repr, unknown))}")


@dataclass(frozen=True)
class Rejection:
    """
    Why a file is turned down by a digit-0 status file.

    :param error_code: such as ``LAST_RECORD_INCORRECT``.
    :param message: the gateway's words.
    :param resolution: what the gateway says to do.
    """

    error_code: str
    message: str = "The file was rejected."
    resolution: str = "Correct the file and send it under a new name."


REUSED = Rejection(
    NAME_REUSED,
    "The file name has been used before in this transaction.",
    "Rename the file and send it again.",
)

NOT_WELL_FORMED = Rejection(
    "LAST_RECORD_INCORRECT",
    "The file is not well-formed XML.",
    "Correct the file and send it under a new name.",
)


@dataclass(frozen=True)
class Outage:
    """
    A time in which the customs systems answer nothing; what falls due comes at its end.

    :param start: its first moment.
    :param end: its end; ``None`` while it lasts.
    """

    start: datetime
    end: datetime | None = None

    def postpone(self, due: datetime) -> datetime | None:
        """
        Return when a file due at a moment comes; ``None`` while nobody knows.

        :param due: when the file would come without the outage.
        """
        if due < self.start or (self.end and due >= self.end):
            return due
        return self.end


@dataclass(frozen=True)
class Rule:
    """
    How the customs systems behave.

    :param delays: seconds from the upload to each digit; ``None`` for a digit that never comes.
    :param response_interval: seconds between the first response and each further one.
    :param outages: times in which nothing comes, in order.
    """

    delays: Mapping[int, float | None] = field(default_factory=lambda: dict(DEFAULT_DELAYS))
    response_interval: float = 1.0
    outages: tuple[Outage, ...] = ()

    def due(self, filing: Filing, digit: int, number: int = 1) -> datetime | None:
        """
        Say when a status file comes.

        :param filing: the upload that it answers.
        :param digit: 0 to 3.
        :param number: which of several responses.
        :return: the moment, or ``None`` when it never comes or nobody knows.
        """
        delay = {**DEFAULT_DELAYS, **self.delays, **filing.delays}[digit]
        if delay is None:
            return None
        due: datetime | None = filing.received_at + timedelta(seconds=delay + (number - 1) * self.response_interval)
        for outage in self.outages:
            due = due and outage.postpone(due)
        return due


@dataclass(frozen=True, kw_only=True)
class Filing:
    """
    A file that the customs systems answer.

    :param number: which upload it is, counted over the simulator's life.
    :param username: who sent it.
    :param service: the service folder.
    :param file_name: its name.
    :param received_at: when the upload ended.
    :param rejection: why it is turned down; ``None`` when it is not.
    :param responses: how many responses it gets.
    :param repeat: which digit-0 file for this name it would be.
    :param later_rejection: why the customs systems turn it down after they were given it, when they would else have
        accepted it; ``None`` when they do not.
    :param delays: seconds from the upload to those digits that come at other times than the rule has it.
    """

    number: int
    username: str
    service: str
    file_name: str
    received_at: datetime
    rejection: Rejection | None = None
    responses: int = 1
    repeat: int = 1
    later_rejection: Rejection | None = None
    delays: Mapping[int, float | None] = field(default_factory=dict)

    @property
    def home(self) -> str:
        """The owner's folder as status files show it, such as ``/CVR_12345678/UI_…``."""
        return home_path(self.username)


@dataclass(frozen=True, order=True)
class Answer:
    """
    One answer that is on its way.

    :param due: when it comes.
    :param filing: the number of the upload.
    :param digit: of its status file, 0 to 3.
    :param number: which of several responses.
    """

    due: datetime
    filing: int
    digit: int
    number: int = 1


@dataclass(frozen=True)
class OutgoingFile:
    """
    A file for the outbox.

    :param name: its name.
    :param data: its content.
    :param due: when it comes.
    """

    name: str
    data: bytes = field(repr=False)
    due: datetime


def home_path(username: str) -> str:
    """
    Return the folder of a login as status files show it.

    :param username: ``CVR_12345678_UI_…`` gives ``/CVR_12345678/UI_…``; another name is a folder as it is.
    """
    word, _, rest = username.partition("_")
    cvr, _, identity = rest.partition("_")
    return f"/CVR_{cvr}/{identity}" if word == "CVR" and identity else f"/{username}"


def response_name(service: str, file_name: str, number: int) -> str:
    """
    Build the name of a response file; invented.

    :param service: the service folder.
    :param file_name: the uploaded file's name.
    :param number: which response, from 1.
    """
    return f"{service}_{PurePosixPath(file_name).stem}_response{number}.xml"


def answers(filing: Filing, rule: Rule) -> list[Answer]:
    """
    Tell which answers an upload gets, those left out of which nobody knows when they come.

    :param filing: the upload.
    :param rule: how the customs systems behave.
    """
    dated = ((rule.due(filing, timed_as, number), digit, number) for digit, timed_as, number in _wanted(filing))
    return [Answer(due, filing.number, digit, number) for due, digit, number in dated if due]


def _wanted(filing: Filing) -> list[tuple[int, int, int]]:
    """List digit, the digit whose delay it has, and number of each answer."""
    if filing.rejection:
        return [(0, 0, 1)]
    if filing.later_rejection:
        return [(1, 1, 1), (0, 2, 1)]
    return [(1, 1, 1), (2, 2, 1), *((3, 3, n + 1) for n in range(filing.responses))]


def files_of(filing: Filing, answer: Answer) -> list[OutgoingFile]:
    """
    Write the files of an answer: the status file, and before it the response that it announces.

    :param filing: the upload.
    :param answer: one of its :func:`answers`.
    """
    if answer.digit == 3:
        name = response_name(filing.service, filing.file_name, answer.number)
        response = OutgoingFile(name, _response(filing, answer), answer.due)
        return [response, _status(filing, answer, answer.number, responses=(f"{filing.home}{DEFAULT_OUTBOX}/{name}",))]
    if answer.digit == 0 and (rejection := filing.rejection or filing.later_rejection):
        return [
            _status(
                filing,
                answer,
                filing.repeat,
                error_code=rejection.error_code,
                error_message=rejection.message,
                error_resolution=rejection.resolution,
            )
        ]
    return [_status(filing, answer)]


def _status(filing: Filing, answer: Answer, repeat: int = 1, **values: Any) -> OutgoingFile:
    code = StatusCode(answer.digit)
    status = StatusFile(
        code=code,
        service=filing.service,
        path=f"{filing.home}/{filing.service}/{filing.file_name}",
        transaction_id=filing.file_name,
        # the shape that was seen; what its parts mean is not known
        skat_transaction_id=f"ci{format_timestamp(filing.received_at)[2:]}_{filing.number:08d}_{answer.digit}",
        timestamp=answer.due,
        text=_TEXTS[code],
        **values,
    )
    name = status_file_name(filing.service, filing.file_name, answer.digit, repeat)
    return OutgoingFile(name, status.to_xml(), answer.due)


def _response(filing: Filing, answer: Answer) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        "<!-- An invented answer of the simulated gateway; real answers look different. -->\n"
        "<response>\n"
        f"  <service>{escape(filing.service)}</service>\n"
        f"  <file>{escape(filing.file_name)}</file>\n"
        f"  <number>{answer.number}</number>\n"
        f"  <timestamp>{format_timestamp(answer.due)}</timestamp>\n"
        "  <result>OK</result>\n"
        "</response>\n"
    ).encode()
