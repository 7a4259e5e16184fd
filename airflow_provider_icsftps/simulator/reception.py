"""Takes uploads: a name is used once, a cut file is no filing, and what customs were told decides about the rest."""

from __future__ import annotations

import os

from airflow_provider_icsftps.simulator import journal
from airflow_provider_icsftps.simulator.answering import Answering
from airflow_provider_icsftps.simulator.backoffice import NOT_WELL_FORMED, REUSED, Filing, Rejection
from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.contents import is_well_formed
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.instructions import Delays, Instructions, Judgement, Responses
from airflow_provider_icsftps.simulator.policy import Policy, RefusedError, outcome
from airflow_provider_icsftps.simulator.storage import Storage
from airflow_provider_icsftps.simulator.uploads import IncomingFile, UploadRecord


class Reception:
    """
    The uploads of one simulator. Not thread-safe by itself; the gateway's lock guards it.

    :param storage: where they are kept.
    :param policy: how they are treated.
    :param clock: its time.
    :param faults: what goes wrong.
    :param answering: who answers them.
    """

    def __init__(
        self,
        storage: Storage,
        policy: Policy,
        clock: SimulatedClock,
        faults: Faults,
        answering: Answering,
    ) -> None:
        #: Every upload that has ended, in order.
        self.uploads: list[UploadRecord] = []
        #: What customs were told about them.
        self.instructions = Instructions()
        self._storage = storage
        self._policy = policy
        self._clock = clock
        self._faults = faults
        self._answering = answering
        self._last_number = 0
        self._used: set[tuple[str, str]] = set()
        self._incoming: set[tuple[str, str]] = set()

    def restore(self, record: UploadRecord) -> None:
        """
        Take note of an upload before a restart.

        :param record: the upload.
        """
        self.uploads.append(record)
        self._last_number = max(self._last_number, record.number)
        self._used.add((record.username, record.file_name))

    def begin(self, username: str, service: str, file_name: str) -> IncomingFile:
        """
        Begin to receive an upload.

        :param username: who sends.
        :param service: the service folder.
        :param file_name: the file's name.
        :raises RefusedError: with the reply that refuses it.
        """
        key = (username, file_name)
        if key in self._incoming:
            raise RefusedError("450 A file of this name is being received.")
        if self._policy.reused_name != "status" and key in self._used:
            raise RefusedError(f"{self._policy.reused_name} The file name has been used before.")
        self._last_number += 1
        path = self._storage.received(self._last_number)
        incoming = IncomingFile(self._last_number, username, service, file_name, path)
        self._incoming.add(key)
        return incoming

    def drop(self, incoming: IncomingFile) -> None:
        """
        Forget an upload for which no data connection came: its name is not used.

        :param incoming: what :meth:`begin` returned.
        """
        incoming.close()
        self._incoming.discard((incoming.username, incoming.file_name))
        incoming.path.unlink(missing_ok=True)

    def end(self, incoming: IncomingFile, *, whole: bool, ascii_mode: bool) -> str:
        """
        Take an upload that has ended.

        :param incoming: what :meth:`begin` returned.
        :param whole: whether the client ended it by close_notify.
        :param ascii_mode: whether it was sent under TYPE A.
        :return: the reply.
        """
        incoming.close()
        key = (incoming.username, incoming.file_name)
        self._incoming.discard(key)
        reused = key in self._used
        self._used.add(key)
        taken = whole or self._policy.cut_uploads == "accept"
        kept = taken or self._policy.cut_uploads == "keep"
        now = self._clock.now()
        os.utime(incoming.path, (now.timestamp(),) * 2)
        rejection = self._rejection(incoming, reused=reused) if taken else None
        filed = taken and rejection is None
        wrong = filed and self._policy.check_xml and not is_well_formed(incoming.path)
        later_rejection = NOT_WELL_FORMED if wrong else None
        if kept and not reused:
            os.link(incoming.path, self._storage.service_file(incoming.username, incoming.service, incoming.file_name))
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
            outcome=outcome(whole=whole, taken=taken, kept=kept, rejection=rejection, later_rejection=later_rejection),
            ascii=ascii_mode,
            path=incoming.path if kept else None,
        )
        self.uploads.append(record)
        self._storage.append("upload", **journal.upload_to_data(record))
        if taken:
            filing = self._filing(incoming, record, rejection, later_rejection)
            self._storage.append("filing", **journal.filing_to_data(filing))
            self._answering.expect(filing)
            return "226 Transfer complete."
        return f"426 Transfer aborted; {incoming.size} bytes received, the copy was {'kept' if kept else 'discarded'}."

    def _rejection(self, incoming: IncomingFile, *, reused: bool) -> Rejection | None:
        if reused:
            return REUSED
        if fault := self._faults.take("status_zero"):
            return Rejection(fault["code"])
        judgement = self.instructions.about(Judgement, incoming.file_name, incoming.path)
        return judgement.rejection if judgement else None

    def _filing(
        self,
        incoming: IncomingFile,
        record: UploadRecord,
        rejection: Rejection | None,
        later_rejection: Rejection | None,
    ) -> Filing:
        responses = self.instructions.about(Responses, incoming.file_name, incoming.path)
        delays = self.instructions.about(Delays, incoming.file_name, incoming.path)
        return Filing(
            number=record.number,
            username=record.username,
            service=record.service,
            file_name=record.file_name,
            received_at=record.received_at,
            rejection=rejection,
            responses=responses.times if responses else self._policy.responses,
            delays=delays.seconds if delays else {},
            repeat=self._answering.rejections(record.username, record.file_name) + 1,
            later_rejection=later_rejection,
        )
