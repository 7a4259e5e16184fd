"""The gateway library: everything but Airflow. These are its public names."""

from airflow_provider_icsftps.gateway._listing import OutboxEntry
from airflow_provider_icsftps.gateway.certificates import CertificateKind, ClientCertificate
from airflow_provider_icsftps.gateway.client import GatewayClient
from airflow_provider_icsftps.gateway.filing import Filing, file_all
from airflow_provider_icsftps.gateway.names import FileNameRule, status_file_name, upload_name
from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, Environment, GatewaySettings
from airflow_provider_icsftps.gateway.status import StatusCode, StatusFile
from airflow_provider_icsftps.gateway.submission import (
    Evidence,
    Observation,
    Submission,
    Transfer,
    Verdict,
    judge,
    observe,
)
from airflow_provider_icsftps.gateway.waiting import Answer, conclude

__all__ = [
    # who and where
    "ENVIRONMENTS",
    "CertificateKind",
    "ClientCertificate",
    "Environment",
    "GatewaySettings",
    # the gateway's verbs
    "GatewayClient",
    "OutboxEntry",
    # names and status files
    "FileNameRule",
    "StatusCode",
    "StatusFile",
    "status_file_name",
    "upload_name",
    # filing once, and waiting for the answer
    "Answer",
    "Evidence",
    "Filing",
    "Observation",
    "Submission",
    "Transfer",
    "Verdict",
    "conclude",
    "file_all",
    "judge",
    "observe",
]
