"""What some tests need of the machine: FTP servers, other clients, a browser, a database."""

from __future__ import annotations

import os

import pytest


def need(missing: str) -> None:
    """
    Skip a test for want of something; where ``CI`` is ``true`` it fails instead.

    :param missing: what is not here, and how it comes here; empty if nothing is missing.
    """
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
