"""Gathering what can be known about a file name at the gateway."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

from airflow_provider_icsftps.exceptions import SubmissionRejectedError
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.journal import Journal
from airflow_provider_icsftps.gateway.outbox_names import OutboxNames, status_files
from airflow_provider_icsftps.gateway.sources import Measure
from airflow_provider_icsftps.gateway.status import StatusCode, StatusFile
from airflow_provider_icsftps.gateway.submission import Evidence, Transfer


class Listing:
    """
    The newest listing of an outbox, for all sessions that file into one gateway. Safe to use from any thread.

    Whoever asks first lists, and the others wait for it; then each takes what is there.
    """

    def __init__(self) -> None:
        self._first = threading.Lock()
        self._newer = threading.Lock()
        self._turn = itertools.count(1)
        self._newest: tuple[int, OutboxNames] | None = None

    def now(self) -> int:
        """Return a moment: a number that is larger than all before it."""
        return next(self._turn)

    def names(self, gateway: GatewayClient, since: int) -> OutboxNames:
        """
        Return what the outbox held at some moment or later; list it if nobody has since then.

        :param gateway: a client to list with.
        :param since: what :meth:`now` returned; 0 for any time.
        :raises IcsFtpsError: what :meth:`GatewayClient.outbox_names` raises.
        """
        newest = self._newest
        if newest is None:
            with self._first:
                newest = self._newest or self._listed(gateway)
        if newest[0] < since:
            newest = self._listed(gateway)
        return newest[1]  # not self._newest: another session may have put an older one there meanwhile

    def _listed(self, gateway: GatewayClient) -> tuple[int, OutboxNames]:
        listed = self.now(), gateway.outbox_names()
        with self._newer:
            if self._newest is None or self._newest[0] < listed[0]:
                self._newest = listed
        return listed


class Outbox:
    """
    The names in the outbox, as one filing sees them.

    :param gateway: a client.
    :param listing: what all filings of a batch share; by default it is this one's alone.
    """

    def __init__(self, gateway: GatewayClient, listing: Listing | None = None) -> None:
        self._gateway = gateway
        self._listing = listing or Listing()
        self._since = 0

    @property
    def names(self) -> OutboxNames:
        """
        What the outbox held when it was listed.

        :raises IcsFtpsError: when it cannot be listed.
        """
        return self._listing.names(self._gateway, self._since)

    def forget(self) -> None:
        """Take no listing that began before now."""
        self._since = self._listing.now()


@dataclass(frozen=True)
class Gathered:
    """
    Evidence, and the gateway's own words where it rejected the file.

    :param evidence: for :func:`~airflow_provider_icsftps.gateway.submission.judge`.
    :param rejection: a digit-0 status file that says something else than that the name was used before.
    """

    evidence: Evidence
    rejection: StatusFile | None = None


def gather(
    gateway: GatewayClient, outbox: Outbox, journal: Journal, service: str, name: str, size: Measure, *, own_name: bool
) -> Gathered:
    """
    Gather what can be known about a name at the gateway.

    :param gateway: a client.
    :param outbox: its outbox.
    :param journal: what earlier tries did.
    :param service: the service folder.
    :param name: the name.
    :param size: what was measured of the file that is to be filed.
    :param own_name: whether the user chose the name.
    :raises ConfigurationError: when the journal's entry is damaged.
    :raises IcsFtpsError: when the outbox or a status file in it cannot be read, or the gateway not be asked.
    """
    found = status_files(outbox.names, service, name)
    zeros = read_zeros(gateway, found)
    rejection = next((zero for zero in zeros.values() if not zero.name_was_used), None)
    # a name of the user's own choosing stands for this content only if the journal says so
    ours = not own_name or journal.knows(name, size.sha256)
    transfer = journal.transfer(name, size.sha256) if ours else Transfer.NONE
    # a first transfer needs no question for the folder: if the file lay there, the gateway would refuse the name
    asked = transfer is not Transfer.NONE and not found
    evidence = Evidence(
        size=size.size,
        transfer=transfer,
        codes=frozenset(StatusCode(digit) for digit in found.values() if digit != StatusCode.ERROR),
        name_reused=any(zero.name_was_used for zero in zeros.values()),
        rejected=rejection is not None,
        stored_size=gateway.stored_size(service, name) if asked else None,
        name_binds_content=ours,
    )
    return Gathered(evidence, rejection)


def read_zeros(gateway: GatewayClient, found: dict[str, int]) -> dict[str, StatusFile]:
    """
    Read the digit-0 status files of one name.

    :param gateway: a client.
    :param found: the status files of the name, with their digits.
    :return: what they hold, by their names.
    :raises StatusFileError: when one cannot be read.
    :raises FileNotAvailableError: when one is not there any more.
    :raises GatewayUnavailableError: when the gateway cannot be asked now.
    :raises TransferError: when one is cut short.
    """
    return {name: gateway.read_status(name) for name, digit in found.items() if digit == StatusCode.ERROR}


def rejected(service: str, file_name: str, status: StatusFile) -> SubmissionRejectedError:
    """
    Return the error that carries a digit-0 status file's words.

    :param service: the service folder.
    :param file_name: the file's name at the gateway.
    :param status: the digit-0 status file.
    """
    when = f" at {status.timestamp:%Y-%m-%d %H:%M:%S %Z}" if status.timestamp else ""
    message = (status.error_message or status.text or "no message").rstrip(". ")
    resolution = (status.error_resolution or "Correct the file").rstrip(". ")
    return SubmissionRejectedError(
        f"/{service}/{file_name} was rejected{when}: {status.error_code or 'no error code'}: {message}. "
        f"{resolution}; a corrected file is a new filing",
        error_code=status.error_code,
        error_message=status.error_message,
        resolution=status.error_resolution,
    )
