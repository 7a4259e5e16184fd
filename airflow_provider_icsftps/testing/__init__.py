"""
What you need to test your own DAGs; docs/testing.md describes it. Needs the extra ``testing``.

The fixtures are in :mod:`~airflow_provider_icsftps.testing.pytest_plugin`.
"""

from __future__ import annotations

from airflow_provider_icsftps.testing.dag_runs import DagResult, TaskResult

__all__ = ["DagResult", "TaskResult"]
