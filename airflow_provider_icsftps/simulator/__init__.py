"""An embedded gateway to develop and test against; docs/simulator.md describes it. Needs the extra ``simulator``."""

from __future__ import annotations

try:
    import OpenSSL  # noqa: F401  # found out here, to be told in one line
    import pyftpdlib  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"The embedded gateway needs {error.name}; install 'airflow-provider-icsftps[simulator]'", name=error.name
    ) from None

from airflow_provider_icsftps.simulator.clock import SimulatedClock
from airflow_provider_icsftps.simulator.faults import Faults
from airflow_provider_icsftps.simulator.issued import IssuedCertificate
from airflow_provider_icsftps.simulator.simulator import GatewaySimulator
from airflow_provider_icsftps.simulator.transcript import ConnectionCounts, TranscriptEntry
from airflow_provider_icsftps.simulator.uploads import UploadRecord

__all__ = [
    "ConnectionCounts",
    "Faults",
    "GatewaySimulator",
    "IssuedCertificate",
    "SimulatedClock",
    "TranscriptEntry",
    "UploadRecord",
]
