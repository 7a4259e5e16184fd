"""What can be asked of a running simulator: outages, rejections, service windows, files in outboxes."""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Mapping
from datetime import datetime

from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.simulator.backoffice import Rejection, check_digits
from airflow_provider_icsftps.simulator.gateway import Gateway
from airflow_provider_icsftps.simulator.instructions import Delays, Judgement, Responses
from airflow_provider_icsftps.simulator.issued import IssuedCertificate
from airflow_provider_icsftps.simulator.policy import Window, check_choice


class Operation(abc.ABC):
    """The part of :class:`GatewaySimulator` that plays the gateway's operators. Safe to use from any thread."""

    @property
    @abc.abstractmethod
    def _gateway(self) -> Gateway: ...

    @property
    @abc.abstractmethod
    def default_client(self) -> IssuedCertificate:
        """The client that is meant unless told otherwise."""

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Let the customs systems answer nothing inside a ``with``; what fell due comes afterwards."""
        self.start_outage()
        try:
            yield
        finally:
            self.end_outage()

    def start_outage(self, seconds: float | None = None) -> None:
        """
        Let the customs systems answer nothing from now on.

        :param seconds: how long, by the simulator's clock; by default until :meth:`end_outage`.
        """
        self._gateway.start_outage(seconds)

    def end_outage(self) -> None:
        """Let the customs systems answer again, and give the answers that fell due."""
        self._gateway.end_outage()

    def reject(
        self,
        pattern: str = "*",
        error_code: str = "LAST_RECORD_INCORRECT",
        message: str = "The file was rejected.",
        resolution: str = "Correct the file and send it under a new name.",
        *,
        content: bytes | None = None,
    ) -> None:
        """
        Turn down files by a digit-0 status file, from now on.

        Of this and :meth:`accept`, what was said last about a file counts.

        :param pattern: shell pattern of the file name; upper and lower case differ.
        :param error_code: the status file's code.
        :param message: its words.
        :param resolution: what it says to do.
        :param content: only files that hold these bytes.
        """
        rejection = Rejection(error_code, message, resolution)
        self._gateway.instruct(Judgement(pattern=pattern, content=content, rejection=rejection))

    def accept(self, pattern: str = "*") -> None:
        """
        Take files that :meth:`reject` was about, from now on; what nothing was said about is taken anyway.

        :param pattern: shell pattern of the file name.
        """
        self._gateway.instruct(Judgement(pattern=pattern, rejection=None))

    def respond(self, pattern: str = "*", times: int = 1) -> None:
        """
        Set how many responses files get, from now on; 0 for none.

        :param pattern: shell pattern of the file name.
        :param times: how many.
        """
        self._gateway.instruct(Responses(pattern=pattern, times=times))

    def answer_after(self, delays: Mapping[int, float | None], pattern: str = "*") -> None:
        """
        Set when files are answered, from now on.

        :param delays: seconds from the upload to each digit, such as ``{2: 172800}``; ``None`` for a digit that never
            comes. Digits left out come as the simulator was made to send them.
        :param pattern: shell pattern of the file name.
        :raises ValueError: for a digit that is none.
        """
        check_digits(delays)
        self._gateway.instruct(Delays(pattern=pattern, seconds=dict(delays)))

    @contextlib.contextmanager
    def waits_skipped(self) -> Iterator[None]:
        """
        Let nobody wait inside a ``with``: a client that lists its outbox and finds nothing that its look before did
        not show is carried to the moment of its next answer. The clock is moved there.

        An answer of which nobody knows when it comes, as in an outage without an end, is waited for all the same.
        """
        before, self._gateway.skips_waits = self._gateway.skips_waits, True
        try:
            yield
        finally:
            self._gateway.skips_waits = before

    def close_window(self, kind: Window = "refuse") -> None:
        """
        Begin a service window.

        :param kind: ``refuse``: uploads are answered 450; ``421``: new connections are sent away.
        :raises ValueError: for another kind.
        """
        check_choice("kind", kind, Window)
        self._gateway.window = kind

    def open_window(self) -> None:
        """End the service window."""
        self._gateway.window = None

    def put_in_outbox(
        self, name: str, data: bytes, username: str | None = None, modified: datetime | None = None
    ) -> None:
        """
        Put a file into an outbox.

        :param name: its name.
        :param data: its content.
        :param username: whose outbox; by default the default client's.
        :param modified: its time of modification, aware; by default now.
        :raises ValueError: when nobody is called so.
        """
        gateway = self._gateway
        path = gateway.outbox_folder(username or self.default_client.username) / check_server_name(name)
        with gateway.lock:
            gateway.storage.lay(path, data, modified or gateway.clock.now())
