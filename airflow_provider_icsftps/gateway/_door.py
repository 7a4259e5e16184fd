"""
Who of a fleet may log in, and when.

* Accounts lock after repeated wrong passwords, so no two sessions log in at the same time, and after a refusal of the
  only session nobody tries again.
* A refusal that meets a further session says something else: the same username and password have just been taken, so
  it is a limit. The fleet goes on with fewer, and no further session is tried again.
* Sessions that wait at the door while another one finds the gateway away take its answer for theirs: an outage costs
  one attempt for all of them, not one for each.
"""

from __future__ import annotations

import ftplib
import logging
from collections.abc import Callable
from threading import Lock

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
)
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.settings import GatewaySettings

log = logging.getLogger(__name__)


class FleetCancelledError(Exception):
    """The fleet was cancelled; what was under way is broken off. Nobody's fault, so no error of the tree."""


class NoSeatError(Exception):
    """A session is one too many; others go on with its work."""


class Door:
    """The door to one gateway for the sessions of one fleet. Safe to use from any thread."""

    def __init__(self) -> None:
        #: Plain, so that a signal handler may set it.
        self.is_closed = False
        self._lock = Lock()
        self._inside: set[Member] = set()
        self._full = False
        self._refused: LoginRefusedError | None = None
        self._absences = 0
        self._absence: GatewayUnavailableError | None = None

    @property
    def is_full(self) -> bool:
        """Whether the gateway has turned a further session away."""
        return self._full

    @property
    def has_let_in(self) -> bool:
        """Whether a session is in, so that username and password are known to be right."""
        return bool(self._inside)

    def check(self) -> None:
        """
        Let pass.

        :raises FleetCancelledError: when the fleet was cancelled.
        """
        if self.is_closed:
            raise FleetCancelledError("the fleet of sessions was cancelled")

    def enter(self, member: Member, log_in: Callable[[], FtpsSession]) -> FtpsSession:
        """
        Log a session in, one at a time.

        :param member: whose session.
        :param log_in: connects and logs in.
        :return: what that returned.
        :raises FleetCancelledError: when the fleet was cancelled.
        :raises NoSeatError: when it is one too many.
        :raises IcsFtpsError: when there is no other, and it cannot log in.
        """
        absences = self._absences
        with self._lock:
            self.check()
            others = self._inside - {member}
            if self._refused is not None:
                raise self._refused
            if self._full and others:
                self._inside.discard(member)
                raise NoSeatError
            if self._absence is not None and self._absences != absences:
                raise IcsFtpsError.from_data(self._absence.to_data())  # found while this one waited
            try:
                session = log_in()
            except IcsFtpsError as error:
                self._judge(error, member, others)
                raise
            self._inside.add(member)
        self.check()  # cancelled while it logged in
        return session

    def leave(self, member: Member) -> None:
        """
        Take note that a session does no more work.

        :param member: whose session.
        """
        with self._lock:
            self._inside.discard(member)

    def _judge(self, error: IcsFtpsError, member: Member, others: set[Member]) -> None:
        """Say what a failed login means; return if it means what it says."""
        self.check()  # a cancelled one fails in any way
        said_no = isinstance(error, LoginRefusedError) or isinstance(error.__cause__, ftplib.error_temp)
        if others and (said_no or member not in self._inside):
            self._full = True
            self._inside.discard(member)
            log.warning(
                "Going on with %d session%s: the gateway turned a further one away (%s)",
                len(others),
                "s" * (len(others) > 1),
                # its own words alone: what our error says of passwords is not the matter here
                error.text if isinstance(error, GatewayRefusedError) else error,
            )
            raise NoSeatError from error
        if isinstance(error, LoginRefusedError):
            self._refused = error
        elif isinstance(error, GatewayUnavailableError):
            self._absences += 1
            self._absence = error


class Member(GatewayClient):
    """
    A client whose logins pass through a door. One thread uses it at a time.

    :param settings: where to and as whom.
    :param door: shared by all sessions of the fleet.
    """

    def __init__(self, settings: GatewaySettings, door: Door) -> None:
        super().__init__(settings)
        self._door = door

    def _open_session(self) -> FtpsSession:
        self._door.check()
        return super()._open_session()

    def _log_in(self) -> FtpsSession:
        return self._door.enter(self, super()._log_in)

    def sever(self) -> None:
        """Break off what a thread is doing with it; also from a signal handler."""
        if self._session is not None:
            self._session.sever()
