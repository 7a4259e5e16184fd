"""
Faults that the simulated gateway commits on request, on the wire.

Each is switched on by a method, a number of times or (``times=None``) until :meth:`Faults.clear`::

    sim.faults.drop_after_bytes(1000)
    sim.faults.set("busy_421", times=3)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airflow_provider_icsftps.simulator.policy import check_choice

Transfer = Literal["download", "upload"]


@dataclass(frozen=True)
class Fault:
    """
    One fault that is switched on.

    :param name: the name of the method that switched it on; ``drop_download`` or ``drop_upload`` of
        :meth:`Faults.drop_after_bytes`, which can cut both.
    :param times: how often it still happens; ``None`` for always.
    :param values: what it was given.
    :param skip: how often it is still passed over first.
    """

    name: str
    times: int | None
    values: dict[str, Any] = field(default_factory=dict)
    skip: int = 0


class Faults:
    """The faults of one simulator. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: dict[str, Fault] = {}

    # --- what can go wrong

    def refuse_login(self, times: int | None = 1) -> None:
        """
        Answer a right username and password with 530 (not counted against the account's lock).

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("refuse_login", times)

    def busy_421(self, times: int | None = 1, *, skip: int = 0) -> None:
        """
        Answer a new connection with 421 and close it.

        :param times: how often.
        :param skip: how many connections are let in first.
        """
        self._switch_on("busy_421", times, skip=skip)

    def limit_sessions(self, count: int, reply: str = "530 Too many sessions.", times: int | None = None) -> None:
        """
        Let no more sessions in at a time.

        :param count: how many may be logged in.
        :param reply: what the next one is told: 421 and it is sent away at once, anything else and its login is
            refused (not counted against the account's lock).
        :param times: how often.
        """
        self._switch_on("limit_sessions", times, count=count, reply=reply)

    def slow_replies(self, seconds: float, times: int | None = None, *, connection: int | None = None) -> None:
        """
        Wait before handling a command.

        :param seconds: how long.
        :param times: how often.
        :param connection: only on this control connection, by its number in the transcript.
        """
        self._switch_on("slow_replies", times, seconds=seconds, only=connection)

    def slow_completion(self, seconds: float, times: int | None = 1) -> None:
        """
        Wait between the end of a transfer and the reply that confirms it.

        :param seconds: how long.
        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("slow_completion", times, seconds=seconds)

    def drop_after_bytes(
        self,
        count: int,
        transfer: Transfer = "download",
        *,
        reply: str = "426 Transfer aborted.",
        reset: bool = False,
        times: int | None = 1,
    ) -> None:
        """
        Cut the data connection, without close_notify, when so many bytes of a file have passed.

        :param count: bytes after which to cut.
        :param transfer: which way; listings are not counted.
        :param reply: what is said on the control connection; ``226 …`` after a cut download is the meanest case.
        :param reset: cut by TCP reset instead of FIN.
        :param times: how often.
        :raises ValueError: for a way that is none.
        """
        check_choice("transfer", transfer, Transfer)
        self._switch_on(f"drop_{transfer}", times, count=count, reply=reply, reset=reset)

    def no_close_notify(self, times: int | None = None) -> None:
        """
        End data and control connections without sending close_notify: only TCP's FIN comes.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("no_close_notify", times)

    def never_answer_close_notify(self, times: int | None = None) -> None:
        """
        After an upload send neither close_notify nor FIN: say 226 and hold the data connection open.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("never_answer_close_notify", times)

    def garbled_status_file(self, times: int | None = 1) -> None:
        """
        Lay a status file whose XML breaks off in the middle.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("garbled_status_file", times)

    def status_zero(self, code: str, times: int | None = 1) -> None:
        """
        Answer an upload with a digit-0 status file of this error code.

        :param code: the status file's error code.
        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("status_zero", times, code=code)

    def half_written_listing(self, reply: str = "226 Transfer complete.", times: int | None = 1) -> None:
        """
        Break off a listing in the middle, without close_notify, and still give this reply.

        :param reply: the reply.
        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("half_written_listing", times, reply=reply)

    def drop_control_after_stor(self, times: int | None = 1) -> None:
        """
        Drop the control connection when STOR has been answered with 150: the upload is cut.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("drop_control_after_stor", times)

    def drop_control_before_226(self, times: int | None = 1, *, skip: int = 0) -> None:
        """
        Take an upload whole and drop the control connection instead of saying so.

        :param times: how often.
        :param skip: how many uploads pass first.
        """
        self._switch_on("drop_control_before_226", times, skip=skip)

    def refuse_data_connection(self, times: int | None = 1) -> None:
        """
        Answer a command that needs a data connection with 425.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("refuse_data_connection", times)

    def no_mlsd(self, times: int | None = None) -> None:
        """
        Know no MLSD and MLST: 500, and no mention in FEAT. Holds for connections made from now on.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("no_mlsd", times)

    def wrong_pasv_address(self, times: int | None = None) -> None:
        """
        Name 10.255.255.1 in the reply to PASV, as a gateway behind a badly kept firewall does.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("wrong_pasv_address", times)

    def expired_server_certificate(self, times: int | None = None) -> None:
        """
        Show a server certificate that expired yesterday. Holds for connections made from now on.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("expired_server_certificate", times)

    def wrong_host_certificate(self, times: int | None = None) -> None:
        """
        Show a server certificate for another host. Holds for connections made from now on.

        :param times: how often; ``None`` until :meth:`clear`.
        """
        self._switch_on("wrong_host_certificate", times)

    # --- by name

    @staticmethod
    def names() -> list[str]:
        """List the names that :meth:`set` takes."""
        other = {"set", "clear", "names", "take", "active"}
        return sorted(
            name
            for name, member in vars(Faults).items()
            if not name.startswith("_") and name not in other and callable(member)
        )

    def set(self, name: str, **values: Any) -> None:
        """
        Switch a fault on by its name.

        :param name: one of :meth:`names`.
        :param values: what its method takes.
        :raises ValueError: for a name that is none.
        """
        if name not in self.names():
            raise ValueError(f"Fault {name!r} is none of {', '.join(self.names())}")
        method: Callable[..., None] = getattr(self, name)
        method(**values)

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._active.clear()

    @property
    def active(self) -> list[Fault]:
        """What is switched on."""
        with self._lock:
            return list(self._active.values())

    def take(self, name: str, connection: int | None = None) -> dict[str, Any] | None:
        """
        Use up one occurrence of a fault; the gateway calls this where the fault would happen.

        :param name: as :class:`Fault` has it.
        :param connection: on which control connection, for a fault that may be of one alone.
        :return: its values, or ``None`` when it is not switched on.
        """
        with self._lock:
            fault = self._active.get(name)
            if fault is None or fault.values.get("only") not in {None, connection}:
                return None
            if fault.skip:
                self._active[name] = replace(fault, skip=fault.skip - 1)
                return None
            if fault.times is not None:
                if fault.times <= 1:
                    del self._active[name]
                else:
                    self._active[name] = replace(fault, times=fault.times - 1)
            return fault.values

    def _switch_on(self, name: str, times: int | None, *, skip: int = 0, **values: Any) -> None:
        if times is not None and times < 1:
            raise ValueError(f"A fault happens at least once, not {times} times")
        with self._lock:
            self._active[name] = Fault(name, times, values, skip)
