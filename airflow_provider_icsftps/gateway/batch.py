"""Many files as one task: each filed once, and for each it is said what happened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    GatewayUnavailableError,
    IcsFtpsError,
    LoginRefusedError,
)
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.evidence import Listing
from airflow_provider_icsftps.gateway.filing import Filer, Filing, measured
from airflow_provider_icsftps.gateway.fleet import Fleet
from airflow_provider_icsftps.gateway.journal import Journal
from airflow_provider_icsftps.gateway.patience import Patience
from airflow_provider_icsftps.gateway.sources import Measure
from airflow_provider_icsftps.gateway.submission import Submission

#: What makes two files one filing: scope, service, content, resubmission, own name.
_Key = tuple[str, str, str, int, str | None]
_Unit = dict[_Key, tuple[Filing, Measure]]


@dataclass(frozen=True)
class Outcome:
    """
    What happened to one file: a submission, or an error, or neither when it was not tried.

    :param filing: the file.
    :param submission: when it is filed.
    :param error: when it is not.
    """

    filing: Filing
    submission: Submission | None = None
    error: IcsFtpsError | None = None

    @property
    def state(self) -> str:
        """``filed``, ``failed`` or ``not tried``."""
        return "filed" if self.submission else "failed" if self.error else "not tried"

    def to_data(self) -> dict[str, Any]:
        """Return it as builtin JSON types."""
        return {
            "source": self.filing.label,
            "state": self.state,
            "submission": self.submission.to_data() if self.submission else None,
            "error": self.error.to_data() if self.error else None,
        }


def file_each(
    gateway: GatewayClient | Fleet,
    filings: Sequence[Filing],
    journal: Journal | None = None,
    patience: Patience | None = None,
    tell: Callable[[Outcome], object] = lambda _: None,
) -> list[Outcome]:
    """
    File many files over one session or several; equal content for one service and scope is filed once.

    A file that fails does not stop the others, unless the gateway itself is gone or does not let us in: then no other
    is begun, and those that other sessions have begun are brought to their end.

    :param gateway: a client, or a fleet of them.
    :param filings: what to file.
    :param journal: what earlier tries did.
    :param patience: how long a gateway that is away is borne.
    :param tell: is told each outcome when it is known, by any thread; of equal files one.
    :return: an outcome for each, in their order.
    :raises IcsFtpsError: before anything is sent: the gateway is read-only, a file cannot be read, is empty, or shares
        its name with another.
    """
    gateway.settings.check_writable()
    measures = [measured(filing) for filing in filings]  # nothing is sent before every file was read
    _check_own_names(filings, measures)
    journal, patience, listing = journal or Journal(), patience or Patience(0), Listing()
    stopped = threading.Event()
    begun: set[int] = set()  # units, by identity

    def file_unit(session: GatewayClient, unit: _Unit) -> dict[_Key, Outcome]:
        done = {}
        filer = Filer(session, journal, patience, listing)
        if id(unit) in begun:
            filer.outbox.forget()  # another session was lost in the middle of it, and what was listed before is old
        begun.add(id(unit))
        for key, (filing, size) in unit.items():
            if stopped.is_set():
                break
            done[key] = _file(filer, filing, size)
            tell(done[key])
            if isinstance(done[key].error, GatewayUnavailableError | LoginRefusedError):
                stopped.set()
        return done

    units = _units(filings, measures)
    done: dict[_Key, Outcome] = {}
    if isinstance(gateway, Fleet):
        for result in gateway.run(file_unit, units, look_ahead=len(units) + 1):
            done |= result.get()
    else:
        for unit in units:
            done |= file_unit(gateway, unit)
    return [
        replace(done.get(_key(filing, size), Outcome(filing)), filing=filing)
        for filing, size in zip(filings, measures, strict=True)
    ]


def _units(filings: Sequence[Filing], measures: Sequence[Measure]) -> list[_Unit]:
    """
    Put together what one session must file, one after the other: what has the same name.

    Equal files are one filing, under the name that comes first, whatever their order is the next time.
    """
    chosen: dict[_Key, tuple[Filing, Measure]] = {}
    for filing, size in zip(filings, measures, strict=True):
        key = _key(filing, size)
        known, _ = chosen.get(key, (filing, size))
        chosen[key] = (min(known, filing, key=lambda equal: equal.base_name), size)
    units: dict[_Key | str, _Unit] = {}
    for key, (filing, size) in chosen.items():
        units.setdefault(key if filing.own_name is None else filing.own_name, {})[key] = (filing, size)
    return list(units.values())


def _file(filer: Filer, filing: Filing, size: Measure) -> Outcome:
    try:
        return Outcome(filing, filer.file(filing, size))
    except IcsFtpsError as error:
        return Outcome(filing, error=error)


def file_all(
    gateway: GatewayClient | Fleet,
    filings: Sequence[Filing],
    journal: Journal | None = None,
    patience: Patience | None = None,
) -> list[Submission]:
    """
    File many files; all of them, or an error.

    :param gateway: a client, or a fleet of them.
    :param filings: what to file.
    :param journal: what earlier tries did.
    :param patience: how long a gateway that is away is borne.
    :return: a submission for each, in their order.
    :raises IcsFtpsError: the first failure, with the count of what was filed and the names of what was not.
    """
    return submissions_of(file_each(gateway, filings, journal, patience))


def submissions_of(outcomes: Sequence[Outcome]) -> list[Submission]:
    """
    Return the submissions, if every file has one.

    :param outcomes: what happened to each file.
    :raises IcsFtpsError: the first failure, with the count of what was filed and the names of what was not; a file
        that was not tried is one, too.
    """
    submissions = [outcome.submission for outcome in outcomes if outcome.submission is not None]
    failed = [outcome for outcome in outcomes if outcome.submission is None]
    if not failed:
        return submissions
    # what may pass counts late: if anything will not, a retry of the task would not mend it
    first = min(failed, key=lambda outcome: (outcome.error is None, outcome.error and outcome.error.retryable))
    error = first.error or IcsFtpsError("it was not tried; file it again, and what is filed is found")
    if len(outcomes) == 1:
        raise error
    others = [outcome.filing.label for outcome in failed if outcome is not first]
    message = f"{len(submissions)} of {len(outcomes)} files are filed. {first.filing.label}: {error}"
    if others:
        message += f". Not filed either: {', '.join(others[:10])}{' and more' if len(others) > 10 else ''}"
    raise IcsFtpsError.from_data({**error.to_data(), "message": message}) from error


def _key(filing: Filing, size: Measure) -> _Key:
    return filing.scope, filing.service, size.sha256, filing.resubmission, filing.own_name


def _check_own_names(filings: Sequence[Filing], measures: Sequence[Measure]) -> None:
    """Refuse two files of different content that are to keep one name."""
    contents: dict[str, str] = {}
    for filing, size in zip(filings, measures, strict=True):
        name = filing.own_name
        if name is not None and contents.setdefault(name, size.sha256) != size.sha256:
            raise ConfigurationError(
                f"Two files with different content are called {name}; nothing was sent. "
                "A name can be used only once at the gateway: rename one, or let names be made unique"
            )
