"""
A filing, and the rule that nothing is filed twice: evidence in, verdict out. Pure functions on frozen values.

The gateway refuses a file name that was used before, and our names follow from run and content
(:func:`~airflow_provider_icsftps.gateway.names.upload_name`). So before a file is sent that may have been sent
before, everything that can be known about its name is gathered (:class:`Evidence`) and one function
(:func:`judge`) says what to do. Never guess: a second filing is worse than a stop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.status import StatusCode

#: So many files are named in a message.
_NAMED = 5


class Transfer(StrEnum):
    """How our last transfer under a name ended, as far as we know."""

    #: This task instance never sent it.
    NONE = "none"
    #: The gateway's 226 or 250 was read.
    CONFIRMED = "confirmed"
    #: All bytes and the close_notify were handed to the network, no reply was read. How much arrived is not known.
    SENT = "sent"
    #: Cut before the last byte; ABOR was sent and the data connection reset.
    BROKEN = "broken"
    #: A journal says that it was started, and nothing more.
    KILLED = "killed"


#: Ends after which the gateway may hold a part of the file and take it for whole.
CUT = frozenset({Transfer.SENT, Transfer.BROKEN, Transfer.KILLED})


def combined(before: Transfer, now: Transfer) -> Transfer:
    """
    Say what is known of a name after another transfer under it.

    :param before: what was known before it.
    :param now: how it ended; ``none`` when it was refused before it began.
    """
    if now is Transfer.NONE:
        return before
    if before in {Transfer.KILLED, Transfer.SENT}:
        return Transfer.KILLED  # an earlier copy may have taken the name, and nothing says whether it was whole
    return now


class Verdict(StrEnum):
    """What to do about a file, given the evidence."""

    #: Send it under this name.
    SEND = "send"
    #: Send it under the next generation's name.
    NEXT_GENERATION = "next_generation"
    #: Remove the cut copy if the gateway lets us, then send under the next generation's name.
    REPLACE = "replace"
    #: The customs system has accepted it or answered it: done.
    FILED = "filed"
    #: It was delivered to the customs system: done.
    DELIVERED = "delivered"
    #: It was delivered, but perhaps only a part of it: do not send; wait for digit 2, 3 or 0.
    UNPROVEN = "unproven"
    #: The whole file lies in the service folder and waits to be delivered: done.
    RECEIVED = "received"
    #: A copy of ours is on its way; status files will come: do not send.
    ON_ITS_WAY = "on_its_way"
    #: The gateway rejected it for good.
    REJECTED = "rejected"
    #: Somebody used the name and nothing shows that it was this filing: stop.
    NAME_USED = "name_used"

    @property
    def is_filed(self) -> bool:
        """Whether the file needs no more sending and the task has succeeded."""
        return self in {Verdict.FILED, Verdict.DELIVERED, Verdict.UNPROVEN, Verdict.RECEIVED, Verdict.ON_ITS_WAY}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """
    What is known about one file name.

    :param size: bytes of the file that is to be filed.
    :param transfer: how our last transfer under the name ended.
    :param codes: digits of the status files for the name.
    :param name_reused: a digit-0 file says that the name was used before.
    :param rejected: a digit-0 file says something else.
    :param stored_size: bytes of the file of that name in the service folder; ``None`` where there is none, or the
        gateway does not let us look.
    :param name_binds_content: whether the name follows from the content (names of our own making), so that
        evidence about the name is evidence about this content.
    """

    size: int
    transfer: Transfer = Transfer.NONE
    codes: frozenset[StatusCode] = frozenset()
    name_reused: bool = False
    rejected: bool = False
    stored_size: int | None = None
    name_binds_content: bool = True


def judge(evidence: Evidence) -> Verdict:
    """
    Decide what to do about a file: the table "Filing a file exactly once" of docs/exactly-once.md, row by row.

    :param evidence: what is known; every value has a row.
    """
    e = evidence
    cut = e.transfer in CUT
    known = bool(e.codes) or e.name_reused or e.rejected or e.stored_size is not None
    if not e.name_binds_content and e.transfer is Transfer.NONE and known:
        return Verdict.NAME_USED  # a name of the user's own choosing: another content may have had it
    if e.codes & {StatusCode.ACCEPTED, StatusCode.RESPONSE}:
        return Verdict.FILED
    if e.rejected:
        return Verdict.NEXT_GENERATION if cut else Verdict.REJECTED
    if StatusCode.DELIVERED in e.codes:
        return Verdict.UNPROVEN if cut else Verdict.DELIVERED
    if StatusCode.ERROR in e.codes and not e.name_reused:
        return Verdict.NAME_USED  # a digit-0 file that nobody has read: it may say anything
    if e.name_reused:
        if e.transfer is Transfer.BROKEN:
            return Verdict.NEXT_GENERATION
        if cut:
            return Verdict.UNPROVEN  # what used the name may be a cut copy of ours
        return Verdict.NAME_USED if e.transfer is Transfer.NONE else Verdict.ON_ITS_WAY
    if e.stored_size is not None:
        if e.stored_size == e.size:
            return Verdict.RECEIVED
        if e.transfer is Transfer.CONFIRMED:
            return Verdict.NAME_USED  # the gateway said that it has all of it, and shows something else
        return Verdict.REPLACE if e.stored_size < e.size else Verdict.NAME_USED
    if e.transfer is Transfer.CONFIRMED:
        return Verdict.ON_ITS_WAY  # the gateway took it from the folder and has not said more yet
    return Verdict.NEXT_GENERATION if e.transfer is Transfer.BROKEN else Verdict.SEND


@dataclass(frozen=True, kw_only=True)
class Submission:
    """
    One file that was filed: what an upload returns and a wait asks for. JSON-able by :meth:`to_data`.

    :param service: the service folder.
    :param file_name: the name it has at the gateway.
    :param source: where it came from.
    :param size: bytes.
    :param sha256: SHA-256 of the content, 64 hexadecimal digits.
    :param username: the gateway's username under which it was filed.
    :param fingerprint: SHA-256 of the certificate under which it was filed: its ``/out`` holds the answers.
    :param transfer: how the transfer ended.
    :param verdict: ``send`` when it was sent just now, else why it was not sent again.
    :param sent_at: when it was sent, ISO 8601 with zone; empty when it was not sent just now.
    """

    service: str
    file_name: str
    source: str = ""
    size: int = 0
    sha256: str = ""
    username: str = ""
    fingerprint: str = ""
    transfer: str = Transfer.NONE.value
    verdict: str = Verdict.SEND.value
    sent_at: str = ""

    @property
    def needs_proof(self) -> bool:
        """
        Whether only digit 2 or 3 shows that the whole file got through: a transfer of it may have been cut.

        A copy of the whole size counts, too: the gateway has not seen its end, and may never hand it on.
        """
        return self.transfer in CUT and self.verdict in {Verdict.SEND, Verdict.UNPROVEN, Verdict.RECEIVED}

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Any) -> Submission:
        """
        Read what :meth:`to_data` wrote; further keys are ignored.

        :param data: at least ``service`` and ``file_name``.
        :raises ConfigurationError: when one of those is missing.
        """
        if not isinstance(data, dict) or not data.get("service") or not data.get("file_name"):
            raise ConfigurationError(
                f"A submission needs 'service' and 'file_name'; this is {_shape(data)}. Give what an upload returned"
            )
        return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})


def _shape(data: Any) -> str:
    """Say what was given instead, in short; what is inside may be a secret, such as a whole connection."""
    kind = type(data).__name__
    if isinstance(data, dict):
        return f"{kind} with {', '.join(map(str, data))[:200] or 'nothing in it'}"
    if isinstance(data, list | tuple):
        return f"{kind} of {len(data)}"
    return f"{kind} {str(data)[:200]!r}"


def paths_of(submissions: Sequence[Submission]) -> str:
    """
    Return where some submissions lie at the gateway, the first five by name; for messages.

    :param submissions: what was filed.
    """
    named = ", ".join(f"/{each.service}/{each.file_name}" for each in submissions[:_NAMED])
    return named if len(submissions) <= _NAMED else f"{named} and {len(submissions) - _NAMED} more"
