"""A throwaway Airflow for the demonstration and the playground: SQLite, loopback, the example DAGs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import airflow_provider_icsftps
from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.testing.airflow_home import variables


def example_dags() -> Path:
    """
    Return the folder of the example DAGs: inside the installed package, or beside it in a clone.

    :raises ConfigurationError: when there is none.
    """
    package = Path(airflow_provider_icsftps.__file__).parent
    for folder in (package / "example_dags", package.parent / "example_dags"):
        if (folder / "manifest_submission.py").is_file():
            return folder
    raise ConfigurationError("The example DAGs are not installed; use a wheel or a clone of the repository")


def environment(home: Path, connection: dict[str, Any]) -> dict[str, str]:
    """
    Return the environment of an Airflow of its own.

    :param home: folder for its database and logs.
    :param connection: the Airflow connection ``icsftps_default``.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}
    # "airflow standalone" starts "airflow" by its name, and nobody need have activated the virtual environment
    commands = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return kept | {
        "PATH": commands,
        **variables(home, example_dags()),
        "AIRFLOW_CONN_ICSFTPS_DEFAULT": json.dumps(connection),
        "PYTHONWARNINGS": "ignore",
    }
