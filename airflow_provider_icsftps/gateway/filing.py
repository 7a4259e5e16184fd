"""
Filing a file exactly once: gather the evidence, ask :func:`~airflow_provider_icsftps.gateway.submission.judge`, act.

Operators and the command line file through here and nowhere else; :meth:`GatewayClient.upload` only sends.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
    NameAlreadyUsedError,
    SubmissionRejectedError,
)
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.names import (
    MAX_GENERATION,
    check_own_name,
    check_service,
    status_files,
    upload_name,
)
from airflow_provider_icsftps.gateway.sources import Measure, MeasuredFile, measure, opened
from airflow_provider_icsftps.gateway.status import StatusCode, StatusFile
from airflow_provider_icsftps.gateway.submission import Evidence, Submission, Transfer, Verdict, judge

log = logging.getLogger(__name__)

_REFUSED_NAME = {550, 553}


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
    :param repeated: it may have been sent before, by an earlier try whose end is not known.
    :param allow_empty: an empty file is meant.
    """

    source: Any
    service: str
    scope: str
    source_name: str = ""
    own_name: str | None = None
    resubmission: int = 0
    repeated: bool = False
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


def file_all(gateway: GatewayClient, filings: Sequence[Filing]) -> list[Submission]:
    """
    File many files over one session; equal content for one service is filed once.

    A file that fails does not stop the others, unless the gateway itself is gone. When the task is tried again,
    what was filed is found by its name and not sent again.

    :param gateway: a client.
    :param filings: what to file.
    :return: a submission for each, in their order.
    :raises IcsFtpsError: the first failure, with the count of what was filed and the names of what was not.
    """
    gateway.settings.check_writable()
    measures = [measured(filing) for filing in filings]  # nothing is sent before every file was read
    _check_own_names(filings, measures)
    names = {entry.name for entry in gateway.list_outbox(times=False)}
    done: dict[tuple[str, str, int, str | None], Submission] = {}
    failed: list[tuple[Filing, IcsFtpsError]] = []
    for filing, size in zip(filings, measures, strict=True):
        key = (filing.service, size.sha256, filing.resubmission, filing.own_name)
        if key in done:
            continue
        try:
            done[key] = file_once(gateway, filing, size, names)
        except IcsFtpsError as error:
            failed.append((filing, error))
            if isinstance(error, GatewayUnavailableError | LoginRefusedError):
                break
    if failed:
        raise _summary(failed, len(done), len(filings))
    return [
        done[filing.service, size.sha256, filing.resubmission, filing.own_name]
        for filing, size in zip(filings, measures, strict=True)
    ]


def _check_own_names(filings: Sequence[Filing], measures: Sequence[Measure]) -> None:
    contents: dict[str, str] = {}
    for filing, size in zip(filings, measures, strict=True):
        if filing.own_name and contents.setdefault(filing.own_name, size.sha256) != size.sha256:
            raise ConfigurationError(
                f"Two files with different content are called {filing.own_name}; nothing was sent. "
                "A name can be used only once at the gateway: rename one, or let names be made unique"
            )


def _summary(failed: list[tuple[Filing, IcsFtpsError]], done: int, total: int) -> IcsFtpsError:
    filing, error = failed[0]
    if total == 1:
        return error
    others = ", ".join(f.label for f, _ in failed[1:])
    message = (
        f"{done} of {total} files are filed. {filing.label}: {error}{f'. Not filed either: {others}' if others else ''}"
    )
    return IcsFtpsError.from_data({**error.to_data(), "message": message})


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


def file_once(gateway: GatewayClient, filing: Filing, size: Measure, names: Iterable[str]) -> Submission:
    """
    File one file, or find that it is filed already.

    :param gateway: a client.
    :param filing: the file.
    :param size: what was measured of it.
    :param names: what the outbox holds.
    :raises SubmissionRejectedError: when the gateway has rejected it before, for good.
    :raises NameAlreadyUsedError: when its name was used and nothing shows that it was this filing.
    :raises IcsFtpsError: when it cannot be sent now.
    """
    generations = 1 if filing.own_name else MAX_GENERATION
    name = ""
    for generation in range(1, generations + 1):
        name = _name(gateway, filing, size, generation)
        evidence = gather(gateway, filing, size, name, names)
        verdict = judge(evidence)
        refusal: GatewayRefusedError | None = None
        if verdict is Verdict.SEND:
            try:
                return _send(gateway, filing, size, name)
            except GatewayRefusedError as error:
                if error.code not in _REFUSED_NAME:
                    raise
                refusal = error
            # the name may have been used: look again, and let the table decide what that means
            names = {entry.name for entry in gateway.list_outbox(times=False)}
            evidence = gather(gateway, filing, size, name, names, name_reused=True)
            verdict = judge(evidence)
        log.info("%s as /%s/%s: %s", filing.label, filing.service, name, verdict.value)
        if verdict.is_filed:
            return _submission(gateway, filing, size, name, evidence.transfer, verdict)
        if verdict is Verdict.REPLACE:
            gateway.remove_stored(filing.service, name)
        elif verdict is Verdict.REJECTED:
            zeros = read_zeros(gateway, filing.service, name, names).values()
            raise rejected(filing.service, name, next(zero for zero in zeros if not zero.name_was_used))
        elif verdict is Verdict.NAME_USED:
            if isinstance(refusal, FileNotAvailableError):
                raise refusal  # 550 is said of missing folders, too, and its text tells which
            raise NameAlreadyUsedError(
                f"Filing of {filing.label}: the gateway has seen the name /{filing.service}/{name} before, and nothing "
                f"shows that it was this filing{f' (it answered {refusal.code} {refusal.text})' if refusal else ''}; "
                "nothing was sent. Find out what was filed under it; to file this file again on purpose, "
                f"{'give another name' if filing.own_name else f'set resubmission={filing.resubmission + 1}'}"
            ) from refusal
    raise NameAlreadyUsedError(
        f"Filing of {filing.label}: {generations} transfers, the last as /{filing.service}/{name}, were cut or "
        f"refused; nothing more was sent. Find out why; to try again, set resubmission={filing.resubmission + 1}"
    )


def gather(
    gateway: GatewayClient,
    filing: Filing,
    size: Measure,
    name: str,
    names: Iterable[str],
    *,
    name_reused: bool = False,
) -> Evidence:
    """
    Gather what can be known about a name at the gateway.

    :param gateway: a client.
    :param filing: the file.
    :param size: what was measured of it.
    :param name: its name at the gateway.
    :param names: what the outbox holds.
    :param name_reused: the gateway said so just now.
    """
    found = status_files(names, filing.service, name)
    zeros = read_zeros(gateway, filing.service, name, found).values()
    # without a journal the end of an earlier try is unknown, and under an own name it may have been another file
    transfer = Transfer.KILLED if filing.repeated and not filing.own_name else Transfer.NONE
    return Evidence(
        size=size.size,
        transfer=transfer,
        codes=frozenset(StatusCode(digit) for digit in found.values() if digit != StatusCode.ERROR),
        name_reused=name_reused or any(zero.name_was_used for zero in zeros),
        rejected=any(not zero.name_was_used for zero in zeros),
        stored_size=gateway.stored_size(filing.service, name) if filing.repeated and not found else None,
        name_binds_content=filing.own_name is None,
    )


def read_zeros(gateway: GatewayClient, service: str, file_name: str, names: Iterable[str]) -> dict[str, StatusFile]:
    """
    Read the digit-0 status files of one name.

    :param gateway: a client.
    :param service: the service folder.
    :param file_name: the file's name at the gateway.
    :param names: what the outbox holds.
    """
    found = status_files(names, service, file_name)
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


def _name(gateway: GatewayClient, filing: Filing, size: Measure, generation: int) -> str:
    rule = gateway.settings.file_name_rule
    check_service(filing.service)
    if filing.own_name is not None:
        return check_own_name(filing.own_name, rule)
    return upload_name(
        filing.base_name,
        filing.scope,
        filing.service,
        size.sha256,
        filing.resubmission,
        generation=generation,
        rule=rule,
    )


def _send(gateway: GatewayClient, filing: Filing, size: Measure, name: str) -> Submission:
    with opened(filing.source) as file:
        gateway.upload(MeasuredFile(file, size, filing.label), service=filing.service, file_name=name)
    log.info("%s filed as /%s/%s, %d bytes", filing.label, filing.service, name, size.size)
    return _submission(gateway, filing, size, name, gateway.last_transfer, Verdict.SEND)


def _submission(
    gateway: GatewayClient, filing: Filing, size: Measure, name: str, transfer: Transfer, verdict: Verdict
) -> Submission:
    return Submission(
        service=filing.service,
        file_name=name,
        source=filing.label,
        size=size.size,
        sha256=size.sha256,
        username=gateway.settings.username,
        fingerprint=gateway.settings.certificate.fingerprint,
        transfer=transfer.value,
        verdict=verdict.value,
        sent_at=datetime.now(UTC).isoformat(timespec="seconds") if verdict is Verdict.SEND else "",
    )
