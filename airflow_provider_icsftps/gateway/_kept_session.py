"""
Keeping one session: it is opened when it is needed, and opened anew when it is dead or old.

Accounts lock after repeated wrong passwords, so a refused login is never tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from airflow_provider_icsftps.exceptions import GatewayTimeoutError, GatewayUnavailableError, LoginRefusedError
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway.renewal import log_end
from airflow_provider_icsftps.gateway.settings import GatewaySettings

T = TypeVar("T")
#: Seconds after which a session is opened anew, or earlier where the server says so: servers forget TLS sessions after
#: one or two hours, and one that demands that data connections resume them would refuse from then on.
SESSION_LIFETIME = 3000.0


class KeptSession:
    """
    One session at a gateway. A context manager. One thread uses it at a time.

    :param settings: where to and as whom.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self._session: FtpsSession | None = None
        self._opened = 0.0
        self._refused: LoginRefusedError | None = None

    def __enter__(self) -> Self:
        """Connect and log in."""
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Log out and close."""
        self.close()

    @property
    def is_open(self) -> bool:
        """Whether there is a session that is neither given up nor to be opened anew: not old, and in step."""
        session = self._session
        return session is not None and session.is_open and not session.may_say_more and not self._is_aged(session)

    def connect(self) -> None:
        """
        Connect and log in, if that is not done yet.

        :raises CertificateError: when the client certificate is not valid now.
        :raises GatewayUnavailableError: when there is no way to the gateway now.
        :raises UntrustedGatewayError: when it does not prove who it is, or not over TLS 1.2.
        :raises LoginRefusedError: when it turns down certificate, username or password, now or before.
        """
        self._open_session()

    def close(self) -> None:
        """Log out and close; nothing happens when that is done already. What is used later connects anew."""
        session, self._session = self._session, None
        if session is not None:
            session.leave()

    def _open_session(self) -> FtpsSession:
        """Return the session, opened now if need be."""
        if self._refused is not None:
            raise self._refused
        session = self._session
        if session is None or not self.is_open:
            self.close()
            session = self._log_in()
        return session

    def _log_in(self) -> FtpsSession:
        """Return a new session."""
        self.settings.certificate.check_validity()
        session = self._session = FtpsSession(self.settings)
        try:
            session.open()
        except BaseException as error:
            if isinstance(error, LoginRefusedError):
                self._refused = error
            session.close()
            raise
        self._opened = time.monotonic()
        log_end(self.settings.certificate)
        return session

    def _is_aged(self, session: FtpsSession) -> bool:
        """Say whether a server may have forgotten its TLS session."""
        return time.monotonic() - self._opened > SESSION_LIFETIME or not session.can_resume

    def _look(self, verb: Callable[[FtpsSession], T]) -> T:
        """Do what changes nothing; once more when the connection had died before."""
        was_open = self.is_open
        session = self._open_session()
        try:
            return verb(session)
        except GatewayTimeoutError:
            raise
        except GatewayUnavailableError:
            if session.is_open or not was_open:
                raise
            return verb(self._open_session())
