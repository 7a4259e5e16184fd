"""
The steps of a check, one method each, and what they hand on to each other.

A step returns what it found, as a sentence. It raises :class:`Skipped` when there is nothing to do, :class:`Found` when
it knows the fault itself, and otherwise what a session raises.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from airflow_provider_icsftps.exceptions import (
    GatewayRefusedError,
    GatewayTimeoutError,
    IcsFtpsError,
)
from airflow_provider_icsftps.gateway._deadline import Deadline
from airflow_provider_icsftps.gateway._fault_words import clock_words, words_of
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway._looking import entries_in, list_names, names_in
from airflow_provider_icsftps.gateway._ping import PING, ping_name
from airflow_provider_icsftps.gateway._probe import Hello, server_hello
from airflow_provider_icsftps.gateway._recognition import recognise, words
from airflow_provider_icsftps.gateway._transfer import Upload
from airflow_provider_icsftps.gateway.faults import FAULTS
from airflow_provider_icsftps.gateway.names import HEARTBEAT_SERVICE, check_service
from airflow_provider_icsftps.gateway.renewal import LOG_DAYS
from airflow_provider_icsftps.gateway.settings import GatewaySettings

_CLOCK_TOLERANCE = timedelta(minutes=5)
_DANISH_OFFSETS = (timedelta(hours=1), timedelta(hours=2))
_SESSION_REUSE = 522


class Skipped(Exception):  # noqa: N818  # no error: a step that has nothing to do
    """A step has nothing to do; the text says why."""


class Found(Exception):  # noqa: N818  # no error of its own: a fault that a step has found
    """
    A step found a fault.

    :param fault: its key.
    :param error: the error that showed it, if one did.
    """

    def __init__(self, fault: str, error: IcsFtpsError | None = None) -> None:
        super().__init__(fault)
        self.fault = fault
        self.error = error


class Walk:
    """
    The way to a gateway, step by step.

    :param read: makes the settings.
    :param services: service folders that must be there.
    :param heartbeat: upload a ping.
    :param seconds: a limit for all of it; a connection may take a third of it, an answer two.
    """

    def __init__(
        self, read: Callable[[], GatewaySettings], services: Sequence[str], *, heartbeat: bool, seconds: float
    ) -> None:
        self._read = read
        self._services = services
        self._with_heartbeat = heartbeat
        self._seconds = seconds
        self._deadline = Deadline(seconds)
        self._settings: GatewaySettings | None = None
        self._session: FtpsSession | None = None
        self._handshake_failure: Found | None = None
        self._service = ""
        self._root: list[str] = []
        self._entries: list[OutboxEntry] = []

    def take(self, step: str) -> str:
        """
        Take a step, and return what it found.

        :param step: one of :data:`~airflow_provider_icsftps.gateway.faults.STEPS`, in their order.
        """
        method: Callable[[], str] = getattr(self, f"_{step.replace(' ', '_').lower()}")
        return method()

    def leave(self) -> None:
        """Log out and close."""
        if self._session is not None:
            self._session.leave()

    def fault_of(self, step: str, error: IcsFtpsError) -> str:
        """
        Return the key of the fault that an error is.

        :param step: the step that raised it.
        :param error: the error.
        """
        if isinstance(error, GatewayTimeoutError) and self._deadline.is_over:
            return "too_slow"
        found = recognise(step, error, self._session)
        if found == "silent" and server_hello(self._open, ask_first=False) is not Hello.NOT_TLS:
            return "implicit_tls"
        if found == "no_common_cipher" and server_hello(self._open, ask_first=True) is Hello.OLDER:
            return "tls_too_old"
        return found

    def words(self, error: IcsFtpsError | None) -> dict[str, str]:
        """
        Return the words that a fault's sentence may be filled in with.

        :param error: what was raised, if anything was.
        """
        cause = getattr(error, "__cause__", None)
        filled = {
            "error": str(error or ""),
            "text": words(error) if error else f"the login sees {', '.join(self._root)}",
            "reason": str(getattr(cause, "verify_message", "") or getattr(cause, "strerror", "") or ""),
            "seconds": f"{self._seconds:.0f}",
            "service": self._service or HEARTBEAT_SERVICE,
        } | clock_words(self._newest)
        if self._settings is not None:
            filled |= words_of(self._settings)
        if self._session is not None:
            filled["data_port"] = str(self._session.data_port)
        return filled

    # ------------------------------------------------------------ before a byte is sent

    def _connection(self) -> str:
        for service in self._services:
            check_service(service)
        settings = self._read()
        self._deadline = Deadline(self._seconds)  # reading may have meant importing Airflow, or asking a vault
        connecting, answering = self._seconds / 3, self._seconds * 2 / 3  # the data ports must have their turn, too
        self._settings = dataclasses.replace(
            settings,
            connect_timeout=min(settings.connect_timeout, connecting),
            timeout=min(settings.timeout, answering),
            data_timeout=min(settings.data_timeout, answering),
            completion_timeout=min(settings.completion_timeout, answering),
        )
        kind = f", environment {settings.environment}" if settings.environment else ""
        return f"{settings.address}{kind}, as {settings.username}"

    def _certificate_file(self) -> str:
        certificate = self._known.certificate
        certificate.check_validity()
        self._session = FtpsSession(self._known, self._deadline)
        days = certificate.days_left()
        renew = "; order the next one" if days < LOG_DAYS else ""
        chain = "" if certificate.chain else "; its issuing CA is not in the file"
        return f"The certificate is valid until {certificate.not_after:%Y-%m-%d}, {days} days{renew}{chain}"

    # ------------------------------------------------------------ opening

    def _name_lookup(self) -> str:
        self._open.look_up()
        return f"{self._known.host} is known"

    def _tcp_connection(self) -> str:
        self._open.dial()
        return f"Port {self._known.port} takes connections"

    def _greeting(self) -> str:
        self._open.greet()
        return f"It says {self._open.welcome}"

    def _auth_tls(self) -> str:
        self._open.ask_for_tls()
        return "It agrees to TLS"

    def _tls_version(self) -> str:
        # one handshake answers three questions, each in a step of its own
        try:
            self._open.shake_hands()
        except IcsFtpsError as error:
            self._handshake_failure = Found(self.fault_of("TLS version", error), error)
        self._fail_handshake("TLS version")
        return "TLS 1.2"

    def _server_certificate(self) -> str:
        self._fail_handshake("server certificate")
        return f"It is for {self._known.host}, from an authority that is trusted here"

    def _client_certificate(self) -> str:
        self._fail_handshake("client certificate")
        return "It is accepted in the TLS handshake"

    def _fail_handshake(self, step: str) -> None:
        """Raise what broke the handshake, if it belongs to a step, or to none of them."""
        failure = self._handshake_failure
        if failure is not None and FAULTS[failure.fault].step in {step, ""}:
            raise failure

    def _login(self) -> str:
        self._open.log_in()
        return f"Logged in at {self._known.address} as {self._known.username}"

    def _data_protection(self) -> str:
        self._open.protect()
        return "Files will be encrypted"

    # ------------------------------------------------------------ looking

    def _data_connection(self) -> str:
        try:
            self._root = names_in(self._open, "/")
        except GatewayRefusedError as error:
            if error.code == _SESSION_REUSE or error.command in {"PASV", "EPSV"}:
                raise
            raise Skipped(
                f"The root folder may not be listed ({words(error)}); that of {self._known.outbox} shows it"
            ) from None
        return f"Port {self._open.data_port} gets through"

    def _outbox(self) -> str:
        self._entries = list(entries_in(self._open, self._known.outbox))
        if not self._entries and self._root and self._outbox_root not in self._root:
            raise Found("no_outbox")  # some servers show an empty folder where there is none
        return f"{self._known.outbox} holds {len(self._entries)} files"

    def _service_folders(self) -> str:
        seen = sorted(name for name in self._root if name != self._outbox_root)
        for service in self._services:
            self._service = service
            if self._known.read_only:
                raise Found("read_only")
            if self._outbox_root not in self._root:  # the root does not show what there is
                list_names(self._open, f"/{service}")
            elif service not in seen:
                raise Found("no_service")
        if not seen and not self._services:
            raise Skipped("The root folder shows none; name one to check it")
        return f"Service folders: {', '.join(seen or self._services)}"

    def _heartbeat(self) -> str:
        if not self._with_heartbeat:
            raise Skipped("No ping was asked for")
        if self._known.read_only:
            raise Found("read_only")
        name = ping_name()
        Upload(self._open, f"/{HEARTBEAT_SERVICE}/{name}", len(PING)).send(io.BytesIO(PING))
        return f"/{HEARTBEAT_SERVICE}/{name} was taken; its status file will come into {self._known.outbox}"

    def _clock(self) -> str:
        newest = self._newest
        if newest is None:
            raise Skipped(f"Nothing in {self._known.outbox} tells the gateway's time")
        ahead = newest - datetime.now(UTC)
        if any(abs(ahead - offset) < _CLOCK_TOLERANCE for offset in _DANISH_OFFSETS):
            return "The gateway's times are Danish ones, it seems; no more can be said"
        if ahead > _CLOCK_TOLERANCE:
            raise Found("clock_behind")
        return "No file is from the future"

    # ------------------------------------------------------------ inside

    @property
    def _known(self) -> GatewaySettings:
        """The settings; an earlier step has read them."""
        return cast(GatewaySettings, self._settings)

    @property
    def _open(self) -> FtpsSession:
        """The session; an earlier step has made it."""
        return cast(FtpsSession, self._session)

    @property
    def _outbox_root(self) -> str:
        """The folder of the outbox that a listing of the root shows."""
        return self._known.outbox.split("/")[1]

    @property
    def _newest(self) -> datetime | None:
        return max((entry.modified for entry in self._entries if entry.modified), default=None)
