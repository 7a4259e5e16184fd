"""
The gateway library: everything but Airflow. These are its public names.

Each is imported when it is first used: a triggerer, whose event loop must not stand still, needs only the light ones,
and cryptography alone takes longer to import than a loop may pause.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_icsftps.gateway._archive_check import Findings, Problem
    from airflow_provider_icsftps.gateway._archive_coverage import Span
    from airflow_provider_icsftps.gateway._listing import OutboxEntry
    from airflow_provider_icsftps.gateway.archive import Archive
    from airflow_provider_icsftps.gateway.batch import Outcome, file_all, file_each, submissions_of
    from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
    from airflow_provider_icsftps.gateway.client import GatewayClient
    from airflow_provider_icsftps.gateway.diagnosis import Diagnosis, State, Step, diagnose
    from airflow_provider_icsftps.gateway.fetch_summary import FetchProgress, FetchSummary, Kept
    from airflow_provider_icsftps.gateway.fetching import FetchOutcome, fetch_one, fetch_or_tell
    from airflow_provider_icsftps.gateway.filing import Filing
    from airflow_provider_icsftps.gateway.fleet import Done, Fleet, FleetCancelledError
    from airflow_provider_icsftps.gateway.goal import Goal, Observation, Sight, observe
    from airflow_provider_icsftps.gateway.journal import Journal
    from airflow_provider_icsftps.gateway.names import FileNameRule, upload_name
    from airflow_provider_icsftps.gateway.outbox_names import OutboxNames, status_file_name
    from airflow_provider_icsftps.gateway.patience import Patience
    from airflow_provider_icsftps.gateway.reconciling import reconcile
    from airflow_provider_icsftps.gateway.records import Record
    from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, Environment, GatewaySettings
    from airflow_provider_icsftps.gateway.shelf import Shelf
    from airflow_provider_icsftps.gateway.status import StatusCode, StatusFile
    from airflow_provider_icsftps.gateway.submission import Evidence, Submission, Transfer, Verdict, judge
    from airflow_provider_icsftps.gateway.waiting import Answer, conclude

__all__ = [
    # who and where
    "ENVIRONMENTS",
    "CertificateKind",
    "ClientCertificate",
    "Environment",
    "GatewaySettings",
    # what is wrong with the way there
    "Diagnosis",
    "State",
    "Step",
    "diagnose",
    # the gateway's verbs
    "Done",
    "Fleet",
    "FleetCancelledError",
    "GatewayClient",
    "OutboxEntry",
    # names and status files
    "FileNameRule",
    "OutboxNames",
    "StatusCode",
    "StatusFile",
    "status_file_name",
    "upload_name",
    # filing once, and waiting for the answer
    "Answer",
    "Evidence",
    "Filing",
    "Goal",
    "Journal",
    "Observation",
    "Outcome",
    "Patience",
    "Sight",
    "Submission",
    "Transfer",
    "Verdict",
    "conclude",
    "file_all",
    "file_each",
    "judge",
    "observe",
    "submissions_of",
    # fetching, and keeping for good
    "Archive",
    "FetchOutcome",
    "FetchProgress",
    "FetchSummary",
    "Findings",
    "Kept",
    "Problem",
    "Record",
    "Shelf",
    "Span",
    "fetch_one",
    "fetch_or_tell",
    "reconcile",
]

_NAMES = {
    "_archive_check": ("Findings", "Problem"),
    "_archive_coverage": ("Span",),
    "_listing": ("OutboxEntry",),
    "archive": ("Archive",),
    "certificates": ("CertificateKind", "ClientCertificate"),
    "client": ("GatewayClient",),
    "diagnosis": ("Diagnosis", "State", "Step", "diagnose"),
    "batch": ("Outcome", "file_all", "file_each", "submissions_of"),
    "fetching": ("FetchOutcome", "fetch_one", "fetch_or_tell"),
    "filing": ("Filing",),
    "fleet": ("Done", "Fleet", "FleetCancelledError"),
    "journal": ("Journal",),
    "patience": ("Patience",),
    "names": ("FileNameRule", "upload_name"),
    "fetch_summary": ("FetchProgress", "FetchSummary", "Kept"),
    "reconciling": ("reconcile",),
    "records": ("Record",),
    "settings": ("ENVIRONMENTS", "Environment", "GatewaySettings"),
    "shelf": ("Shelf",),
    "status": ("StatusCode", "StatusFile"),
    "outbox_names": ("OutboxNames", "status_file_name"),
    "submission": ("Evidence", "Submission", "Transfer", "Verdict", "judge"),
    "goal": ("Goal", "Observation", "Sight", "observe"),
    "waiting": ("Answer", "conclude"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
