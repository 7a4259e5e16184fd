"""
Whose submission it is: answers come into the ``/out`` of the certificate under which a file was filed.

One ``/out`` belongs to one certificate. Another username is another ``/out`` for sure. A renewed certificate keeps the
username and has another fingerprint; whether it keeps the ``/out`` is not known, so that is worth a warning, no more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.submission import Submission

log = logging.getLogger(__name__)

_warned: set[tuple[str, str]] = set()


def check_owner(submission: Submission, username: str, fingerprint: str) -> str:
    """
    Say whether a submission's answers can be found under a certificate.

    :param submission: what was filed.
    :param username: who looks for the answers.
    :param fingerprint: SHA-256 of the certificate of who looks.
    :return: a warning when the certificate was renewed meanwhile, else nothing.
    :raises ConfigurationError: when somebody else filed it.
    """
    name = f"/{submission.service}/{submission.file_name}"
    if submission.username and submission.username.casefold() != username.casefold():
        raise ConfigurationError(
            f"{name} was filed as {submission.username}, and this connection is {username}: its answers come into "
            "another /out and would never be found here. Use the connection under which it was filed"
        )
    if submission.fingerprint and submission.fingerprint != fingerprint:
        return (
            f"{name} was filed under another certificate of {username} (fingerprint {submission.fingerprint[:16]}…, "
            f"now {fingerprint[:16]}…). If that was renewed and nothing comes, look into /out with the old one, too"
        )
    return ""


def check_owners(submissions: Iterable[Submission], settings: GatewaySettings) -> None:
    """
    Refuse submissions of somebody else; write a warning, once a process, when the certificate was renewed.

    :param submissions: what was filed.
    :param settings: who looks for the answers.
    :raises ConfigurationError: when somebody else filed one of them.
    """
    fingerprint = settings.certificate.fingerprint
    for submission in submissions:
        warning = check_owner(submission, settings.username, fingerprint)
        pair = (submission.fingerprint, fingerprint)
        if warning and pair not in _warned:
            _warned.add(pair)
            log.warning("%s", warning)
