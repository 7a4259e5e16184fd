"""
A run of a user's DAG in this process, and what became of each of its tasks.

Airflow's own ``dag.test()`` runs it: real operators, hooks, triggers, retries and XComs, with a metadata database and
without scheduler, triggerer, worker or web server. Deferred tasks have their trigger run in this process, too.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Airflow reads its configuration when it is imported: not before it is needed
    from airflow.sdk import DAG


_NOT_GIVEN = object()


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """
    What became of one task.

    :param task_id: its id, that of its group before it: ``journey.file``.
    :param map_index: which of several mapped ones, from 0; -1 for one that is not mapped.
    :param state: ``success``, ``failed``, ``upstream_failed``, ``skipped`` …
    :param tries: how often it was begun.
    :param returned: its return value; ``None`` when it returned nothing.
    :param errors: the words of each try that failed, in order.
    """

    task_id: str
    map_index: int
    state: str
    tries: int
    returned: Any
    errors: tuple[str, ...]

    @property
    def error(self) -> str:
        """The words of the last try that failed; empty when none did."""
        return self.errors[-1] if self.errors else ""


@dataclass(frozen=True, kw_only=True)
class DagResult:
    """
    What became of one DAG run.

    :param state: ``success`` or ``failed``.
    :param run_id: Airflow's id of the run.
    :param tasks: its task instances, in the order of the DAG.
    """

    state: str
    run_id: str
    tasks: tuple[TaskResult, ...]

    def task(self, task_id: str, map_index: int = -1) -> TaskResult:
        """
        Return one task.

        :param task_id: its id, that of its group before it.
        :param map_index: which of several mapped ones, from 0.
        :raises KeyError: when there is none; tells which there are.
        """
        for task in self.tasks:
            if (task.task_id, task.map_index) == (task_id, map_index):
                return task
        known = ", ".join(f"{task.task_id} [{task.map_index}]" for task in self.tasks)
        raise KeyError(f"The run has no task {task_id} [{map_index}]; it has {known}")


def load_dag(path: Path, dag_id: str | None = None) -> DAG:
    """
    Read a DAG from a file as Airflow does.

    :param path: the file.
    :param dag_id: which of several DAGs in it.
    :raises ValueError: when it cannot be imported, or holds no such DAG, or several; one line.
    """
    from airflow.dag_processing.dagbag import DagBag

    if not path.is_file():
        raise ValueError(f"There is no DAG file {path}")
    bag = DagBag(path, safe_mode=False)
    if bag.import_errors:
        reasons = (text.strip().splitlines()[-1] for text in bag.import_errors.values())
        raise ValueError(f"{path} cannot be imported: {'; '.join(reasons)}")
    found = {name: dag for name, dag in bag.dags.items() if dag_id in {None, name}}
    if len(found) != 1:
        wanted = "one DAG" if dag_id is None else f"the DAG {dag_id}"
        raise ValueError(f"{path} should hold {wanted}; it holds {', '.join(sorted(bag.dags)) or 'none'}")
    (dag,) = found.values()
    return dag


@contextmanager
def hurried(dag: DAG, poke_interval: float, timeout: float) -> Iterator[None]:
    """
    Let a DAG's tasks not dawdle inside a ``with``: a retry comes at once, and waits are short.

    :param dag: the DAG; afterwards it is as it was. (Airflow's mapped tasks do not survive being copied.)
    :param poke_interval: seconds between two looks of sensors and waiting operators.
    :param timeout: seconds that each of them waits at most; shorter limits stay.
    """
    tasks = [_Arguments(task) for task in dag.tasks]
    try:
        for task in tasks:
            task.set("retry_delay", timedelta(0))
            if task.takes("poke_interval"):
                task.set("poke_interval", poke_interval)
                for limit in ("timeout", "outage_timeout"):
                    if task.takes(limit):
                        task.set(limit, min(timeout, _seconds(task.get(limit, timeout))))
        yield
    finally:
        for task in tasks:
            task.restore()


class _Arguments:
    """A task's arguments, whether it is mapped or not."""

    def __init__(self, task: Any) -> None:
        mapped = getattr(task, "partial_kwargs", None)
        self._values: dict[str, Any] = vars(task) if mapped is None else mapped
        self._kind: type = type(task) if mapped is None else task.operator_class
        self._before: dict[str, Any] = {}

    def takes(self, name: str) -> bool:
        return any(
            name in inspect.signature(vars(kind).get("__init__", object)).parameters for kind in self._kind.__mro__
        )

    def get(self, name: str, default: Any) -> Any:
        return self._values.get(name, default)

    def set(self, name: str, value: Any) -> None:
        self._before[name] = self._values.get(name, _NOT_GIVEN)
        self._values[name] = value

    def restore(self) -> None:
        for name, value in self._before.items():
            if value is _NOT_GIVEN:
                del self._values[name]
            else:
                self._values[name] = value


def _seconds(limit: float | timedelta) -> float:
    return limit.total_seconds() if isinstance(limit, timedelta) else limit


def run(dag: DAG, conf: dict[str, Any] | None = None, logical_date: datetime | None = None) -> DagResult:
    """
    Run a DAG to its end.

    The metadata database must be there. The DAG need not lie in a DAGs folder.

    :param dag: the DAG.
    :param conf: the run's configuration, which may hold other values for the DAG's params.
    :param logical_date: the run's date, aware; by default now. The same date again repeats the same run.
    :raises ValueError: when the date has no zone.
    """
    date = logical_date or datetime.now(UTC)
    if date.tzinfo is None:  # Airflow tells that with a page of SQL
        raise ValueError(f"logical_date {date} has no zone; give it one, such as tzinfo=UTC")
    with _sound_session(), _listening() as errors:
        _register(dag)
        ended = dag.test(run_conf=conf, logical_date=date, run_after=date)  # the run's id follows from the latter
    ordered: list[Any] = dag.topological_sort()  # type: ignore[no-untyped-call]  # Airflow's
    order = {task.task_id: number for number, task in enumerate(ordered)}
    instances = sorted(ended.get_task_instances(), key=lambda ti: (order[ti.task_id], ti.map_index))
    return DagResult(
        state=str(ended.state),
        run_id=ended.run_id,
        tasks=tuple(
            TaskResult(
                task_id=ti.task_id,
                map_index=ti.map_index,
                state=str(ti.state),
                tries=ti.try_number,
                returned=_returned(ended, ti.task_id, ti.map_index),
                errors=tuple(errors.get((ti.task_id, ti.map_index), ())),
            )
            for ti in instances
        ),
    )


def _register(dag: DAG) -> None:
    """Make a DAG known to the database, as the DAG processor does; ``dag.test()`` knows only those in its folders."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    bundles = DagBundlesManager()  # type: ignore[no-untyped-call]  # Airflow's
    bundles.sync_bundles_to_db()
    name = next(iter(bundles.get_all_dag_bundles())).name
    bag = DagBag(collect_dags=False, bundle_name=name)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, name, None)


@contextmanager
def _sound_session() -> Iterator[None]:
    """
    Let no run spoil the next one: Airflow's database session is one for the whole process.

    Airflow looks for the one stored version of a DAG when it repeats a run of it. Tests that ran several versions, half
    a minute apart, have more: a warning, which is an error for those who make errors of warnings.
    """
    from airflow import settings

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"Multiple rows returned .*'Dag(Run|Model)\.serialized_dag'")
            yield
    except BaseException:
        if settings.Session is not None:
            settings.Session.rollback()
        raise


@contextmanager
def _listening() -> Iterator[dict[tuple[str, int], list[str]]]:
    """Gather the errors of tasks inside a ``with``."""
    from airflow.sdk.listener import get_listener_manager

    listener = _listener()
    manager = get_listener_manager()
    manager.add_listener(listener)  # type: ignore[no-untyped-call]  # Airflow's
    try:
        yield listener.errors
    finally:
        manager.pm.unregister(listener)


def _listener() -> Any:
    from airflow.listeners import hookimpl

    class Listener:
        def __init__(self) -> None:
            self.errors: dict[tuple[str, int], list[str]] = {}

        @hookimpl
        def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
            index = -1 if task_instance.map_index is None else task_instance.map_index
            self.errors.setdefault((task_instance.task_id, index), []).append(str(error))

    return Listener()


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
