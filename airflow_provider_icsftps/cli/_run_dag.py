"""
Run one DAG by real Airflow in this process and write what its tasks did; ``icsftps demo`` starts it.

``python -m airflow_provider_icsftps.cli._run_dag DAG_ID CONF_JSON RESULT_FILE``, with Airflow's environment set.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

from airflow_provider_icsftps.testing.dag_runs import run


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
    ended = run(bag.dags[dag_id], json.loads(conf))
    tasks = [
        {"task_id": task.task_id, "map_index": task.map_index, "state": task.state, "returned": task.returned}
        for task in ended.tasks
    ]
    Path(result).write_text(json.dumps({"state": ended.state, "tasks": tasks}))


def _end_with(parent: int) -> None:
    """End when the process that waits for the result is gone, however it ended: the gateway was in it."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    main(*sys.argv[1:])
