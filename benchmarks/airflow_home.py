"""
An empty home for Airflow, which goes with the process.

Airflow reads its configuration when it is first imported, so this is imported before it, and by nobody who does not
import Airflow in this process or in those that it starts.
"""

from __future__ import annotations

import os
import tempfile

_HOME = tempfile.TemporaryDirectory(prefix="icsftps-benchmark-", ignore_cleanup_errors=True)
os.environ |= {
    "AIRFLOW_HOME": _HOME.name,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
}
