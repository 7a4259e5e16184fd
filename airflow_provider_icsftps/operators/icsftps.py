"""Operators: file, fetch, delete."""

from __future__ import annotations

from airflow_provider_icsftps.operators._certificate import IcsFtpsCertificateExpiryOperator
from airflow_provider_icsftps.operators._delete import IcsFtpsDeleteOperator
from airflow_provider_icsftps.operators._download import IcsFtpsDownloadOperator
from airflow_provider_icsftps.operators._upload import IcsFtpsUploadOperator

__all__ = [
    "IcsFtpsCertificateExpiryOperator",
    "IcsFtpsDeleteOperator",
    "IcsFtpsDownloadOperator",
    "IcsFtpsUploadOperator",
]
