"""What workers do. Each function is run in a process of its own, so it says all that it has to say by its value."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


def execute(operator_class: Any, arguments: dict[str, Any], try_number: int = 1) -> Any:
    """Make an operator and execute it, as one try of a task does."""
    ti = SimpleNamespace(dag_id="dag", task_id="task", run_id="manual__1", map_index=-1, try_number=try_number)
    return operator_class(task_id="task", **arguments).execute({"ti": ti})


def upload(path: str, try_number: int = 1, arguments: dict[str, Any] | None = None) -> Any:
    """File a file; further arguments are the operator's."""
    from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator

    return execute(IcsFtpsUploadOperator, {"source": path, "service": "Manifest"} | (arguments or {}), try_number)
