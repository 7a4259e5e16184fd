"""
Run one DAG by real Airflow in this process and write what its tasks did; ``icsftps demo`` starts it.

``python -m airflow_provider_icsftps.cli._run_dag DAG_ID CONF_JSON RESULT_FILE``, with Airflow's environment set.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def main(dag_id: str, conf: str, result: str) -> None:
    """
    Make the database, run the DAG, write the result.

    :param dag_id: a DAG in the DAGs folder.
    :param conf: the run's configuration, as JSON.
    :param result: file for the result: ``state`` and, for each task instance, id, map index, state and return value.
    """
    from airflow.utils.db import initdb

    initdb()
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag()
    if bag.import_errors:
        raise SystemExit(f"DAGs cannot be imported: {bag.import_errors}")
    run = bag.dags[dag_id].test(run_conf=json.loads(conf))
    tasks = [
        {
            "task_id": ti.task_id,
            "map_index": ti.map_index,
            "state": str(ti.state),
            "returned": _returned(run, ti.task_id, ti.map_index),
        }
        for ti in run.get_task_instances()
    ]
    Path(result).write_text(json.dumps({"state": str(run.state), "tasks": tasks}))


def _returned(run: Any, task_id: str, map_index: int) -> Any:
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        row = session.scalar(
            XComModel.get_many(
                run_id=run.run_id, dag_ids=run.dag_id, task_ids=task_id, map_indexes=map_index, key="return_value"
            )
        )
        return None if row is None else XComModel.deserialize_value(row)


if __name__ == "__main__":
    main(*sys.argv[1:])
