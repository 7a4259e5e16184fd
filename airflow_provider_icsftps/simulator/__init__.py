"""An embedded gateway to develop and test against; docs/simulator.md describes it. Needs the extra ``simulator``."""

from __future__ import annotations

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
