"""The back office without a gateway: what has come by a moment."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_icsftps.simulator.backoffice import Filing, OutgoingFile, Rule, answers, files_of


def due_files(filing: Filing, rule: Rule, now: datetime) -> list[OutgoingFile]:
    """The files that have come for an upload by a moment."""
    return [file for answer in sorted(answers(filing, rule)) if answer.due <= now for file in files_of(filing, answer)]
