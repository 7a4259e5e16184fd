"""The simulated gateway behind its sockets: one lock around logins, uploads, customs and outboxes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.simulator import journal
from airflow_provider_icsftps.simulator.accounts import Account, Accounts, service_folders
from airflow_provider_icsftps.simulator.answering import Answering
from airflow_provider_icsftps.simulator.backoffice import Filing, Rule
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.instructions import Instruction
from airflow_provider_icsftps.simulator.policy import Policy, RefusedError, Window
from airflow_provider_icsftps.simulator.reception import Reception
from airflow_provider_icsftps.simulator.storage import Storage
from airflow_provider_icsftps.simulator.transcript import Witness
from airflow_provider_icsftps.simulator.uploads import IncomingFile, UploadRecord


class Gateway:
    """
    The state of one simulator. Safe to use from any thread.

    :param storage: its directory.
    :param accounts: its logins.
    :param policy: how it treats uploads.
    :param rule: how the customs systems behave.
    :param clock: its time.
    :param faults: what goes wrong.
    """

    def __init__(
        self, storage: Storage, accounts: Accounts, policy: Policy, rule: Rule, clock: SimulatedClock, faults: Faults
    ) -> None:
        self.storage = storage
        self.accounts = accounts
        self.policy = policy
        self.clock = clock
        self.faults = faults
        self.witness = Witness()
        self.window: Window | None = None
        #: Whether a client that finds nothing new is carried to the moment of the next answer.
        self.skips_waits = False
        self.lock = threading.RLock()
        #: Numbers of the control connections that are logged in; the server's thread alone uses it.
        self.sessions: set[int] = set()
        self._answering = Answering(storage, rule, clock, faults)
        self._reception = Reception(storage, policy, clock, faults, self._answering)
        self._restore()

    @property
    def uploads(self) -> list[UploadRecord]:
        """Every upload that has ended, in order."""
        with self.lock:
            return list(self._reception.uploads)

    def begin_upload(self, username: str, service: str, file_name: str) -> IncomingFile:
        """
        Answer STOR.

        :param username: who sends.
        :param service: the service folder.
        :param file_name: the file's name.
        :raises RefusedError: with the reply that refuses it.
        """
        with self.lock:
            if self.policy.legacy:
                raise RefusedError("550 This gateway takes no more uploads; files in /out can be fetched.")
            if self.window == "refuse":
                raise RefusedError("450 Service window: no uploads are taken now.")
            return self._reception.begin(username, service, file_name)

    def drop_upload(self, incoming: IncomingFile) -> None:
        """
        Forget an upload for which no data connection came: its name is not used.

        :param incoming: what :meth:`begin_upload` returned.
        """
        with self.lock:
            self._reception.drop(incoming)

    def end_upload(self, incoming: IncomingFile, *, whole: bool, ascii_mode: bool) -> str:
        """
        Take an upload that has ended.

        :param incoming: what :meth:`begin_upload` returned.
        :param whole: whether the client ended it by close_notify.
        :param ascii_mode: whether it was sent under TYPE A.
        :return: the reply.
        """
        with self.lock:
            return self._reception.end(incoming, whole=whole, ascii_mode=ascii_mode)

    def pump(self) -> None:
        """Lay into the outboxes what is due by now, and remove what is too old."""
        with self.lock:
            self._answering.pump()

    def look(self, username: str) -> None:
        """
        Prepare an outbox for a client that is about to list it.

        :param username: whose.
        """
        with self.lock:
            self._answering.pump()
            if self.skips_waits:
                self._answering.skip_wait(username)

    # --- what can be asked for

    def start_outage(self, seconds: float | None = None) -> None:
        """
        Let the customs systems answer nothing from now on.

        :param seconds: how long; by default until :meth:`end_outage`.
        """
        with self.lock:
            self._answering.pump()
            self._answering.start_outage(seconds)

    def end_outage(self) -> None:
        """Let the customs systems answer again, and answer what they owe."""
        with self.lock:
            self._answering.end_outage()

    def instruct(self, instruction: Instruction) -> None:
        """
        Tell customs what to do with files that end from now on.

        :param instruction: with which, and what.
        """
        with self.lock:
            self._reception.instructions.add(instruction)

    # --- logins and folders

    def add_account(self, username: str, password: str, services: Sequence[str] | None) -> Account:
        """
        Make an account with its folders.

        :param username: whose.
        :param password: its password.
        :param services: its service folders; ``None`` for all, also those that a later start adds.
        """
        given = None if services is None else service_folders(services)
        with self.lock:
            account = Account(check_server_name(username), password, self.policy.services if given is None else given)
            self.accounts.add(account)
            self.storage.make_home(username, account.services)
            self.storage.append("account", username=username, password=password, services=given)
            return account

    def register(self, fingerprint: str, username: str) -> None:
        """
        Register a certificate.

        :param fingerprint: its SHA-256 fingerprint.
        :param username: whose it is.
        """
        with self.lock:
            self.accounts.register(fingerprint, username)
            self.storage.append("registered", fingerprint=fingerprint, username=username)

    def refusal(self, fingerprint: str, username: str, password: str) -> str | None:
        """
        Check a login.

        :param fingerprint: of the certificate that was shown.
        :param username: as sent.
        :param password: as sent.
        :return: why it is refused, or ``None`` when it is not.
        """
        with self.lock:
            refusal = self.accounts.refusal(fingerprint, username, password)
            if refusal is None and self.faults.take("refuse_login") is not None:
                return "Login incorrect."
            return refusal

    def too_many_sessions(self) -> str | None:
        """Return what a further session is told; ``None`` when it is welcome."""
        for fault in self.faults.active:
            if fault.name == "limit_sessions" and len(self.sessions) >= fault.values["count"]:
                self.faults.take(fault.name)
                return str(fault.values["reply"])
        return None

    def outbox(self, username: str) -> list[str]:
        """
        List an outbox as it is now.

        :param username: whose.
        """
        with self.lock:
            self.pump()
            return sorted(path.name for path in self.outbox_folder(username).iterdir())

    def outbox_folder(self, username: str) -> Path:
        """
        Return an outbox that is there.

        :param username: whose.
        :raises ValueError: when nobody is called so.
        """
        with self.lock:
            if username not in self.accounts:
                raise ValueError(f"Nobody is called {username!r} here; known are {', '.join(self.accounts.usernames)}")
            return self.storage.outbox(username)

    # --- what survives a restart

    def _restore(self) -> None:
        kinds: dict[str, Callable[[dict[str, Any]], None]] = {
            "account": self._restore_account,
            "registered": lambda r: self.accounts.register(r["fingerprint"], r["username"]),
            "upload": self._restore_upload,
            "filing": lambda r: filings.append(journal.filing_from_data(r)),
            "laid": lambda r: self._answering.was_laid(r["upload"], r["digit"], r["number"]),
            # the clock of the run before may have been moved ahead
            "stopped": lambda r: self.clock.advance_to(datetime.fromisoformat(r["at"])),
        }
        filings: list[Filing] = []
        for record in self.storage.records():
            if restore := kinds.get(record["kind"]):
                restore(record)
        for filing in filings:  # at the end, when it is known what was laid
            self._answering.expect(filing)
        for username in self.accounts.usernames:
            self.storage.make_home(username, self.accounts[username].services)

    def _restore_account(self, data: dict[str, Any]) -> None:
        services = self.policy.services if data["services"] is None else tuple(data["services"])
        self.accounts.add(Account(data["username"], data["password"], services))

    def _restore_upload(self, data: dict[str, Any]) -> None:
        self._reception.restore(journal.upload_from_data(data, self.storage.received(data["number"])))
