"""How long a client certificate lasts, and what has to be known of it when it is renewed."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from airflow_provider_icsftps.gateway.certificates import ClientCertificate

log = logging.getLogger(__name__)

#: Days before the end from which every task that connects says so in its log.
LOG_DAYS = 30

_told: dict[str, date] = {}


def certificate_facts(certificate: ClientCertificate, now: datetime | None = None) -> dict[str, Any]:
    """
    Return what a certificate says, as builtin JSON types; nothing secret.

    :param certificate: the certificate.
    :param now: an aware datetime; by default the present.
    """
    return {
        "company": certificate.company,
        "cvr": certificate.cvr,
        "kind": certificate.kind.value,
        "username": certificate.username,
        "environment": certificate.environment,
        "valid_from": certificate.not_before.isoformat(),
        "valid_until": certificate.not_after.isoformat(),
        "days_left": certificate.days_left(now),
        "fingerprint": certificate.fingerprint,
        "serial_number": f"{certificate.certificate.serial_number:x}",
        "subject": certificate.subject,
        "issuer": certificate.certificate.issuer.rfc4514_string(),
        "issuing_ca_included": bool(certificate.chain),
    }


def public_pem(certificate: ClientCertificate) -> str:
    """
    Return the public part as PEM text: what may be shown to anybody, and what a registration needs at most.

    :param certificate: the certificate.
    """
    return certificate.certificate.public_bytes(Encoding.PEM).decode()


def describe_end(certificate: ClientCertificate, now: datetime | None = None) -> str:
    """
    Say in one line when a certificate ends, and what to do about it.

    :param certificate: the certificate.
    :param now: an aware datetime; by default the present.
    :return: days are whole ones, rounded down.
    """
    days = certificate.days_left(now)
    left = f"in {days} days" if days > 0 else "today" if days == 0 else f"{-days} days ago"
    return (
        f"The client certificate of {certificate.username or certificate.subject} ends {left}, on "
        f"{certificate.not_after:%Y-%m-%d %H:%M} UTC; order the next one and put its .p12 into the connection "
        "(docs/renewal.md)"
    )


def log_end(certificate: ClientCertificate) -> None:
    """
    Write a warning when a certificate ends soon: one line a process and day, however often it connects.

    :param certificate: the certificate.
    """
    if certificate.days_left() >= LOG_DAYS:
        return
    today = datetime.now(UTC).date()
    if _told.get(certificate.fingerprint) != today:
        _told[certificate.fingerprint] = today
        log.warning("%s", describe_end(certificate))
