"""A throwaway Airflow, so that no test reaches the database, or a connection, of an Airflow in use."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

_UNIT_TEST_MODE = "AIRFLOW__CORE__UNIT_TEST_MODE"
_MADE_BY = "AIRFLOW_ICSFTPS_HOME_MADE_BY"  # whose process; others that inherit the environment are not it


def variables(home: Path, dags: Path) -> dict[str, str]:
    """
    Return the environment variables of a throwaway Airflow with a SQLite database.

    :param home: its folder.
    :param dags: the folder of its DAGs.
    """
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }


class AirflowHome:
    """
    Airflow's environment for one test run; in force from :meth:`enter` to :meth:`leave`.

    Airflow reads its configuration when it is first imported, so it must be entered before that. Every variable whose
    name begins with ``AIRFLOW`` is set aside meanwhile. An environment that is marked as one for tests by
    ``AIRFLOW__CORE__UNIT_TEST_MODE=True`` is left as it is, unless this class marked it for another process: workers
    of pytest-xdist have a database each.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._set_aside: dict[str, str] = {}
        self._too_late = False

    def enter(self) -> None:
        """Make the folder and set the variables."""
        is_for_tests = os.environ.get(_UNIT_TEST_MODE, "").lower() in {"true", "t", "1"}
        if is_for_tests and os.environ.get(_MADE_BY) in {None, str(os.getpid())}:
            return
        if "airflow" in sys.modules:
            self._too_late = True
            return
        self._folder = tempfile.TemporaryDirectory(prefix="icsftps-airflow-", ignore_cleanup_errors=True)
        home = Path(self._folder.name)
        (home / "dags").mkdir()
        self._set_aside = _without_airflow()
        os.environ.update(variables(home, home / "dags"))
        os.environ.update({_UNIT_TEST_MODE: "True", _MADE_BY: str(os.getpid())})
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"

    def leave(self) -> None:
        """Put back the variables that were set aside, and remove the folder."""
        if self._folder is not None:
            _without_airflow()
            os.environ.update(self._set_aside)
            self._folder.cleanup()
            self._folder = None

    def make_database(self) -> None:
        """
        Make the metadata database, in about two seconds.

        :raises RuntimeError: when Airflow was imported too early, and would use a database that is not the tests' own.
        """
        if self._too_late:
            raise RuntimeError(
                "Airflow was imported before this plugin was loaded, and would use a database that may be in use; load "
                "the plugin in a conftest.py that imports nothing of Airflow, or by pytest -p "
                "airflow_provider_icsftps.testing.pytest_plugin"
            )
        from airflow.utils.db import initdb

        initdb()


def _without_airflow() -> dict[str, str]:
    """Remove Airflow's variables from the environment; return them."""
    return {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AIRFLOW")}
