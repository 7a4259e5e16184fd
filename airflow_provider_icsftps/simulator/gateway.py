"""The simulated gateway behind its sockets: takes uploads, burns names, lays answers into outboxes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_icsftps.gateway.names import check_server_name
from airflow_provider_icsftps.simulator import journal
from airflow_provider_icsftps.simulator.accounts import Account, Accounts
from airflow_provider_icsftps.simulator.answering import Answering
from airflow_provider_icsftps.simulator.backoffice import (
    NOT_WELL_FORMED,
    REUSED,
    Filing,
    Rejection,
    Rule,
)
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.contents import is_well_formed
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.instructions import Delays, Instruction, Instructions, Judgement, Responses
from airflow_provider_icsftps.simulator.policy import Policy, RefusedError, Window, outcome
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
        self._instructions = Instructions()
        self._uploads: list[UploadRecord] = []
        self._last_number = 0
        self._used: set[tuple[str, str]] = set()
        self._incoming: set[tuple[str, str]] = set()
        self._restore()

    @property
    def uploads(self) -> list[UploadRecord]:
        """Every upload that has ended, in order."""
        with self.lock:
            return list(self._uploads)

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
            key = (username, file_name)
            if key in self._incoming:
                raise RefusedError("450 A file of this name is being received.")
            if self.policy.reused_name != "status" and key in self._used:
                raise RefusedError(f"{self.policy.reused_name} The file name has been used before.")
            self._last_number += 1
            path = self.storage.received(self._last_number)
            incoming = IncomingFile(self._last_number, username, service, file_name, path)
            self._incoming.add(key)
            return incoming

    def drop_upload(self, incoming: IncomingFile) -> None:
        """
        Forget an upload for which no data connection came: its name is not used.

        :param incoming: what :meth:`begin_upload` returned.
        """
        with self.lock:
            incoming.close()
            self._incoming.discard((incoming.username, incoming.file_name))
            incoming.path.unlink(missing_ok=True)

    def end_upload(self, incoming: IncomingFile, *, whole: bool, ascii_mode: bool) -> str:
        """
        Take an upload that has ended.

        :param incoming: what :meth:`begin_upload` returned.
        :param whole: whether the client ended it by close_notify.
        :param ascii_mode: whether it was sent under TYPE A.
        :return: the reply.
        """
        with self.lock:
            incoming.close()
            key = (incoming.username, incoming.file_name)
            self._incoming.discard(key)
            reused = key in self._used
            self._used.add(key)
            taken = whole or self.policy.cut_uploads == "accept"
            kept = taken or self.policy.cut_uploads == "keep"
            now = self.clock.now()
            os.utime(incoming.path, (now.timestamp(),) * 2)
            rejection = self._rejection(incoming, reused=reused) if taken else None
            filed = taken and rejection is None
            wrong = filed and self.policy.check_xml and not is_well_formed(incoming.path)
            later_rejection = NOT_WELL_FORMED if wrong else None
            if kept and not reused:
                os.link(
                    incoming.path, self.storage.service_file(incoming.username, incoming.service, incoming.file_name)
                )
            if not kept:
                incoming.path.unlink()
            record = UploadRecord(
                number=incoming.number,
                username=incoming.username,
                service=incoming.service,
                file_name=incoming.file_name,
                size=incoming.size,
                sha256=incoming.sha256,
                received_at=now,
                whole=whole,
                filed=filed,
                accepted=filed and not wrong,
                outcome=outcome(
                    whole=whole, taken=taken, kept=kept, rejection=rejection, later_rejection=later_rejection
                ),
                ascii=ascii_mode,
                path=incoming.path if kept else None,
            )
            self._uploads.append(record)
            self.storage.append("upload", **journal.upload_to_data(record))
            if taken:
                filing = self._filing(incoming, record, rejection, later_rejection)
                self.storage.append("filing", **journal.filing_to_data(filing))
                self._answering.expect(filing)
                return "226 Transfer complete."
            return (
                f"426 Transfer aborted; {incoming.size} bytes received, the copy was {'kept' if kept else 'discarded'}."
            )

    def _rejection(self, incoming: IncomingFile, *, reused: bool) -> Rejection | None:
        if reused:
            return REUSED
        if fault := self.faults.take("status_zero"):
            return Rejection(fault["code"])
        judgement = self._instructions.about(Judgement, incoming.file_name, incoming.path)
        return judgement.rejection if judgement else None

    def _filing(
        self,
        incoming: IncomingFile,
        record: UploadRecord,
        rejection: Rejection | None,
        later_rejection: Rejection | None,
    ) -> Filing:
        responses = self._instructions.about(Responses, incoming.file_name, incoming.path)
        delays = self._instructions.about(Delays, incoming.file_name, incoming.path)
        return Filing(
            number=record.number,
            username=record.username,
            service=record.service,
            file_name=record.file_name,
            received_at=record.received_at,
            rejection=rejection,
            responses=responses.times if responses else self.policy.responses,
            delays=delays.seconds if delays else {},
            repeat=self._answering.rejections(record.username, record.file_name) + 1,
            later_rejection=later_rejection,
        )

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
            self._instructions.add(instruction)

    # --- logins and folders

    def add_account(self, username: str, password: str, services: Sequence[str] | None) -> Account:
        """
        Make an account with its folders.

        :param username: whose.
        :param password: its password.
        :param services: its service folders; ``None`` for all, also those that a later start adds.
        """
        with self.lock:
            account = Account(check_server_name(username), password, tuple(services or self.policy.services))
            self.accounts.add(account)
            self.storage.make_home(username, account.services)
            self.storage.append("account", username=username, password=password, services=services and list(services))
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
            return sorted(path.name for path in self.storage.outbox(username).iterdir())

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
        services = tuple(data["services"] or self.policy.services)
        self.accounts.add(Account(data["username"], data["password"], services))

    def _restore_upload(self, data: dict[str, Any]) -> None:
        record = journal.upload_from_data(data, self.storage.received(data["number"]))
        self._uploads.append(record)
        self._last_number = max(self._last_number, record.number)
        self._used.add((record.username, record.file_name))
