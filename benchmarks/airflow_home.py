"""
An empty home for Airflow, which goes with the process.

Airflow reads its configuration when it is first imported, so this is imported before it, and by nobody who does not
import Airflow in this process or in those that it starts.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from airflow_provider_icsftps.testing.airflow_home import variables

_HOME = tempfile.TemporaryDirectory(prefix="icsftps-benchmark-", ignore_cleanup_errors=True)
os.environ |= variables(Path(_HOME.name), Path(_HOME.name) / "dags") | {"AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
