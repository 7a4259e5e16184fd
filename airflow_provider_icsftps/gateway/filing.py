"""
Filing a file exactly once: gather the evidence, ask :func:`~airflow_provider_icsftps.gateway.submission.judge`, act.

After every failure that may pass, the evidence is gathered anew; no decision is taken from a failure alone. Operators
and the command line file through here and nowhere else; :meth:`GatewayClient.upload` only sends.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayUnavailableError,
    NameAlreadyUsedError,
    TransferError,
)
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.evidence import Gathered, Listing, Outbox, gather, rejected
from airflow_provider_icsftps.gateway.journal import Journal
from airflow_provider_icsftps.gateway.names import (
    MAX_GENERATION,
    check_own_name,
    check_service,
    upload_key,
    upload_name,
)
from airflow_provider_icsftps.gateway.outbox_names import names_with_key
from airflow_provider_icsftps.gateway.patience import Patience
from airflow_provider_icsftps.gateway.sources import Measure, MeasuredFile, measure, opened
from airflow_provider_icsftps.gateway.submission import Evidence, Submission, Transfer, Verdict, combined, judge

log = logging.getLogger(__name__)

_REFUSED_NAME = {550, 553}
#: So often it is looked whether a copy that is too small still grows.
_LOOKS = 6


@dataclass(frozen=True, kw_only=True)
class Filing:
    """
    One file that is to be filed.

    :param source: a path (text or any path object), or bytes.
    :param service: the service folder.
    :param scope: who files, for the name: ``dag_id/task_id/run_id``.
    :param source_name: what the user calls the file; by default the path's last part.
    :param own_name: use this name as it is instead of a unique one.
    :param resubmission: a higher number files the same content again on purpose.
    :param allow_empty: an empty file is meant.
    """

    source: Any
    service: str
    scope: str
    source_name: str = ""
    own_name: str | None = None
    resubmission: int = 0
    allow_empty: bool = False

    @property
    def label(self) -> str:
        """What to call the file in messages."""
        return "bytes" if isinstance(self.source, bytes) else str(self.source)

    @property
    def base_name(self) -> str:
        """The user's name of the file, without folders."""
        if self.source_name:
            return self.source_name
        return "file" if isinstance(self.source, bytes) else PurePath(str(self.source)).name

    @property
    def way_to_repeat(self) -> str:
        """What to do to file it again on purpose, for messages."""
        return way_to_repeat(self.resubmission, own_name=self.own_name is not None)


def way_to_repeat(resubmission: int, *, own_name: bool) -> str:
    """
    Say what to do to file a file again on purpose, for messages.

    :param resubmission: the number with which it was filed.
    :param own_name: whether the user chose its name.
    """
    return "give it another name" if own_name else f"set resubmission={resubmission + 1}"


class Filer:
    """
    Files files over one client.

    :param gateway: a client.
    :param journal: what earlier tries did; by default there were none.
    :param patience: how long a gateway that is away is borne; by default not at all.
    :param listing: the outbox's listing, if others share it.
    """

    def __init__(
        self,
        gateway: GatewayClient,
        journal: Journal | None = None,
        patience: Patience | None = None,
        listing: Listing | None = None,
    ) -> None:
        self.gateway = gateway
        self.journal = journal or Journal()
        self.patience = patience or Patience(0)
        self.outbox = Outbox(gateway, listing)

    def file(self, filing: Filing, size: Measure) -> Submission:
        """
        File one file, or find that it is filed already.

        :param filing: the file.
        :param size: what was measured of it.
        :raises SubmissionRejectedError: when the gateway has rejected it before, for good.
        :raises NameAlreadyUsedError: when its name was used and nothing shows that it was this filing, or every
            generation of it was cut.
        :raises IcsFtpsError: when it cannot be sent, for longer than patience lasts.
        """
        while True:
            try:
                submission = self._attempt(filing, size)
            except (GatewayUnavailableError, TransferError) as error:
                if isinstance(error, TransferError) and error.local:
                    raise
                self.patience.bear(error)
                self.outbox.forget()
            else:
                self.patience.renew()
                return submission

    def _attempt(self, filing: Filing, size: Measure) -> Submission:
        """Find the name under which it is filed, or go through its names until it can be sent."""
        names = self._names(filing, size)
        seen: dict[str, Gathered] = {}  # evidence is gathered once an attempt, not once for each question
        if found := self._filed_already(filing, size, names, seen):
            return found
        for name in names:
            submission = self._attempt_name(filing, size, name, seen)
            if submission is not None:
                return submission
        raise NameAlreadyUsedError(
            f"Filing of {filing.label}: {len(names)} transfers, the last as /{filing.service}/{name}, were cut or "
            f"refused; nothing more was sent. Find out why; to try again, {filing.way_to_repeat}"
        )

    def _filed_already(
        self, filing: Filing, size: Measure, names: list[str], seen: dict[str, Gathered]
    ) -> Submission | None:
        """
        Find a name of this filing that is proven to be filed: a later generation, or another stem.

        What needs proof is left to its turn: a later name may have it. The same content may have been called otherwise
        by an earlier try, or by an equal file in this run.
        """
        others: list[str] = []
        if filing.own_name is None:
            others = names_with_key(self.outbox.names, filing.service, _key(filing, size))
        for name in dict.fromkeys([*names, *others]):
            gathered = seen[name] = self._gather(filing, size, name)
            verdict = judge(gathered.evidence)
            if not verdict.is_filed:
                continue
            found = self._submission(filing, size, name, gathered.evidence.transfer, verdict)
            if name not in names or not found.needs_proof:
                log.info("%s as /%s/%s: %s", filing.label, filing.service, name, verdict.value)
                return found
        return None

    def _attempt_name(self, filing: Filing, size: Measure, name: str, seen: dict[str, Gathered]) -> Submission | None:
        """Do what the table says about one name; ``None`` sends the caller to the next generation."""
        gathered = seen.get(name) or self._gather(filing, size, name)
        verdict = judge(gathered.evidence)
        refusal: GatewayRefusedError | None = None
        if verdict is Verdict.SEND:
            try:
                return self._send(filing, size, name)
            except GatewayRefusedError as error:
                if error.code not in _REFUSED_NAME:
                    raise
                refusal = error
            # the name may have been used: look again, and let the table decide what that means
            self.outbox.forget()
            seen.clear()
            gathered = self._gather(filing, size, name)
            verdict = judge(replace(gathered.evidence, name_reused=True))
            # the same is said of a missing folder, and then it says nothing about the name
            is_alone = not gathered.evidence.codes and gathered.evidence.stored_size is None
            if verdict.is_filed and is_alone and self.gateway.lacks_service(filing.service):
                raise refusal
        log.info("%s as /%s/%s: %s", filing.label, filing.service, name, verdict.value)
        if verdict.is_filed:
            return self._submission(filing, size, name, gathered.evidence.transfer, verdict)
        if verdict is Verdict.REPLACE:
            self._see_it_stand_still(filing.service, name, gathered.evidence)
            self.gateway.remove_stored(filing.service, name)
        if verdict in {Verdict.REPLACE, Verdict.NEXT_GENERATION}:
            return None
        if gathered.rejection is not None and verdict is Verdict.REJECTED:
            raise rejected(filing.service, name, gathered.rejection)
        if isinstance(refusal, FileNotAvailableError):
            raise refusal  # 550 is said of missing folders, too, and its text tells which
        raise NameAlreadyUsedError(
            f"Filing of {filing.label}: the gateway has seen the name /{filing.service}/{name} before, and nothing "
            f"shows that it was this filing{f' (it answered {refusal.code} {refusal.text})' if refusal else ''}; "
            f"nothing was sent. Find out what was filed under it; to file it again on purpose, {filing.way_to_repeat}"
        ) from refusal

    def _send(self, filing: Filing, size: Measure, name: str) -> Submission:
        before = self.journal.transfer(name, size.sha256)
        self.journal.note(name, size.sha256, Transfer.KILLED)  # what a kill from here on leaves behind
        transfer = before
        try:
            with opened(filing.source) as file:
                source = MeasuredFile(file, size, filing.label)
                try:
                    self.gateway.upload(source, service=filing.service, file_name=name, size=size.size)
                finally:
                    transfer = combined(before, self.gateway.last_transfer)
        finally:
            self.journal.note(name, size.sha256, transfer)
        log.info("%s filed as /%s/%s, %d bytes", filing.label, filing.service, name, size.size)
        return self._submission(filing, size, name, transfer, Verdict.SEND)

    def _gather(self, filing: Filing, size: Measure, name: str) -> Gathered:
        own_name = filing.own_name is not None
        return gather(self.gateway, self.outbox, self.journal, filing.service, name, size, own_name=own_name)

    def _see_it_stand_still(self, service: str, name: str, evidence: Evidence) -> None:
        """
        Watch a copy that is too small for as long as its sender may be silent: one that grows is not cut.

        A try that counts as killed may still be at work, and a gateway may still be writing what it has got.
        """
        if evidence.transfer is Transfer.BROKEN:
            return  # we have cut it, so it does not grow
        for _ in range(_LOOKS):
            self.patience.pause(self.gateway.settings.data_timeout / _LOOKS)
            if self.gateway.stored_size(service, name) != evidence.stored_size:
                raise GatewayUnavailableError(
                    f"/{service}/{name} is still being written at {self.gateway.settings.address}: an earlier try "
                    "may still be sending it. Nothing more is sent until that has come to an end; try again later"
                )

    def _names(self, filing: Filing, size: Measure) -> list[str]:
        """Return the names that it may have, one for each generation."""
        rule = self.gateway.settings.file_name_rule
        check_service(filing.service)
        if filing.own_name is not None:
            return [check_own_name(filing.own_name, rule)]
        named = self.journal.first_called(_key(filing, size), filing.base_name), filing.scope, filing.service
        generations = range(1, MAX_GENERATION + 1)
        return [upload_name(*named, size.sha256, filing.resubmission, generation=g, rule=rule) for g in generations]

    def _submission(self, filing: Filing, size: Measure, name: str, transfer: Transfer, verdict: Verdict) -> Submission:
        settings = self.gateway.settings
        return Submission(
            service=filing.service,
            file_name=name,
            source=filing.label,
            size=size.size,
            sha256=size.sha256,
            username=settings.username,
            fingerprint=settings.certificate.fingerprint,
            transfer=transfer.value,
            verdict=verdict.value,
            sent_at=datetime.now(UTC).isoformat(timespec="seconds") if verdict is Verdict.SEND else "",
        )


def _key(filing: Filing, size: Measure) -> str:
    return upload_key(filing.scope, filing.service, size.sha256, filing.resubmission)


def measured(filing: Filing) -> Measure:
    """
    Measure what is to be filed.

    :param filing: the file.
    :raises TransferError: when it cannot be read.
    :raises ConfigurationError: when it is empty and that was not said to be meant.
    """
    size = measure(filing.source)
    if size.size == 0 and not filing.allow_empty:
        raise ConfigurationError(f"File {filing.label} is empty; nothing was sent. If that is meant, say allow_empty")
    return size
