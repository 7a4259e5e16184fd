"""A run of a DAG, as the fixture gives it."""

from __future__ import annotations

import textwrap
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from docs.pages import ROOT

from airflow_provider_icsftps.gateway import Archive
from airflow_provider_icsftps.testing import DagResult
from airflow_provider_icsftps.testing.dag_runs import hurried, load_dag

pytestmark = pytest.mark.timeout(240)  # the first run makes a database and imports Airflow's API

JOURNEY = """
from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator, IcsFtpsUploadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor


@dag(schedule=None)
def journey():
    filed = IcsFtpsUploadOperator(task_id="file", source="{folder}/m.xml", service="Manifest", retries=3)
    answered = IcsFtpsResponseSensor(task_id="wait", submission=filed.output, deferrable={deferrable})
    IcsFtpsDownloadOperator(task_id="fetch", responses=answered.output, target="{folder}/responses")


journey()
"""


@pytest.fixture
def journey(tmp_path):
    """Write a DAG of three tasks, and the file that it files."""

    def write(deferrable=True):
        (tmp_path / "m.xml").write_text("<manifest/>")
        path = tmp_path / "journey.py"
        path.write_text(JOURNEY.format(folder=tmp_path, deferrable=deferrable))
        return path

    return write


def threads_have_ended():
    """No thread that looked into the outbox for a deferred wait lives on after the run."""
    ends = time.monotonic() + 30
    while threads := [thread.name for thread in threading.enumerate() if thread.name.startswith("icsftps-outbox")]:
        assert time.monotonic() < ends, threads
        time.sleep(0.01)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_wait_of_two_days_is_short_in_the_triggerer_and_on_a_worker(
    deferrable, journey, icsftps_run_dag, icsftps_gateway, tmp_path
):
    icsftps_gateway.answer_after({1: 3600, 2: 86400, 3: 172800})
    began = icsftps_gateway.clock.now()
    result = icsftps_run_dag(journey(deferrable))
    assert isinstance(result, DagResult)
    assert [(task.task_id, task.state, task.tries) for task in result.tasks] == [
        (name, "success", 1) for name in ("file", "wait", "fetch")
    ]
    assert result.task("wait").returned["responses"] == [path.name for path in (tmp_path / "responses").iterdir()]
    assert icsftps_gateway.clock.now() - began > timedelta(days=2)
    threads_have_ended()


def test_a_retry_comes_at_once_and_each_error_is_told(journey, icsftps_run_dag, icsftps_gateway):
    icsftps_gateway.close_window()
    result = icsftps_run_dag(journey(), timeout=0.1)
    filed = result.task("file")
    assert (result.state, filed.state, filed.tries, filed.returned) == ("failed", "failed", 4, None)
    assert len(filed.errors) == 4
    assert "450 Service window" in filed.error
    assert (result.task("wait").state, result.task("wait").error) == ("upstream_failed", "")
    assert icsftps_gateway.uploads == []


def test_the_same_date_again_is_the_same_run_and_files_nothing_twice(journey, icsftps_run_dag, icsftps_gateway):
    path, date = journey(), datetime(2026, 3, 2, tzinfo=UTC)
    first, again = icsftps_run_dag(path, logical_date=date), icsftps_run_dag(path, logical_date=date)
    assert first.run_id == again.run_id
    assert first.state == again.state == "success"
    assert len(icsftps_gateway.uploads) == 1
    assert icsftps_run_dag(path).state == "success"
    assert len(icsftps_gateway.uploads) == 2


def test_a_dag_that_was_changed_repeats_the_same_run(icsftps_run_dag, monkeypatch):
    """Airflow warns when it repeats a run of a DAG that has several versions, and warnings are errors here."""
    monkeypatch.setenv("AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL", "0")  # else it keeps one in 30 seconds
    from airflow.sdk import DAG, task

    def version(word):
        with DAG("changing", schedule=None) as dag:
            task(task_id=word)(lambda: word)()
        return dag

    date = datetime(2026, 3, 3, tzinfo=UTC)
    for word in ("one", "two", "two"):
        assert icsftps_run_dag(version(word), logical_date=date).task(word).returned == word


def test_a_run_that_cannot_begin_spoils_no_other(icsftps_run_dag):
    from airflow.sdk import DAG, task

    with DAG("sound", schedule=None) as dag:
        task(task_id="say")(lambda: "yes")()
    with pytest.raises(Exception, match="not JSON serializable"):
        icsftps_run_dag(dag, conf={"word": object()})
    assert icsftps_run_dag(dag).task("say").returned == "yes"


def test_who_is_never_answered_waits_no_longer_than_told(journey, icsftps_run_dag, icsftps_gateway):
    icsftps_gateway.answer_after({3: None})
    result = icsftps_run_dag(journey(), timeout=1)
    assert "Nothing came in 1 s" in result.task("wait").error
    threads_have_ended()


def test_a_dag_needs_no_file(icsftps_run_dag):
    from airflow.sdk import DAG, task

    with DAG("in_a_test", schedule=None, params={"word": "no"}) as dag:

        @task
        def words(params):
            return [params["word"]] * 2

        @task
        def say(word, number=1):
            if word == "bad":
                raise ValueError("It was bad.")
            return word.upper()

        say.expand(word=words())
    result = icsftps_run_dag(dag, conf={"word": "yes"})
    assert [(task.map_index, task.returned) for task in result.tasks[1:]] == [(0, "YES"), (1, "YES")]
    result = icsftps_run_dag(dag, conf={"word": "bad"})
    assert result.task("say", 1).error == "It was bad."
    with pytest.raises(KeyError, match=r"no task say \[-1\]; it has words \[-1\], say \[0\], say \[1\]"):
        result.task("say")


def test_a_dag_is_hurried_for_a_while(tmp_path):
    from airflow.sdk import DAG

    from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator
    from airflow_provider_icsftps.sensors.icsftps import IcsFtpsOutboxSensor, IcsFtpsResponseSensor

    with DAG("slow", schedule=None) as dag:
        IcsFtpsUploadOperator.partial(
            task_id="mapped", service="Manifest", retry_delay=timedelta(hours=1), timeout=0.5
        ).expand(source=["a", "b"])
        IcsFtpsResponseSensor(task_id="wait", submission={}, timeout=timedelta(days=3))
        IcsFtpsOutboxSensor(task_id="quick", pattern="*", poke_interval=60, timeout=1)
    arguments = [dag.task_dict["mapped"].partial_kwargs, vars(dag.task_dict["wait"]), vars(dag.task_dict["quick"])]
    before = [dict(values) for values in arguments]
    named = ("retry_delay", "poke_interval", "timeout", "outage_timeout")
    with hurried(dag, 0.2, 30):
        seen = [[values.get(name) for name in named] for values in arguments]
    assert seen == [
        [timedelta(0), 0.2, 0.5, 30],
        [timedelta(0), 0.2, 30, None],
        [timedelta(0), 0.2, 1, None],
    ]
    assert [dict(values) for values in arguments] == before


def test_what_is_wrong_with_a_dag_file_is_told_in_one_line(tmp_path):
    def written(text):
        path = tmp_path / "dags.py"
        path.write_text(textwrap.dedent(text))
        return path

    with pytest.raises(ValueError, match=r"^There is no DAG file .*absent\.py$"):
        load_dag(tmp_path / "absent.py")
    with pytest.raises(ValueError, match=r"^\S+ cannot be imported: .*No module named 'nowhere'$"):
        load_dag(written("import nowhere"))
    with pytest.raises(ValueError, match=r"^\S+ should hold one DAG; it holds none$"):
        load_dag(written("pass"))
    two = written(
        """
        from airflow.sdk import DAG

        one, other = DAG("one", schedule=None), DAG("other", schedule=None)
        """
    )
    with pytest.raises(ValueError, match=r"^\S+ should hold one DAG; it holds one, other$"):
        load_dag(two)
    with pytest.raises(ValueError, match=r"^\S+ should hold the DAG third; it holds one, other$"):
        load_dag(two, "third")
    assert load_dag(two, "other").dag_id == "other"


def test_a_date_without_zone_is_told_in_one_line(journey, icsftps_run_dag):
    with pytest.raises(ValueError, match=r"^logical_date 2026-03-02 00:00:00 has no zone; give it one, such as tzin"):
        icsftps_run_dag(journey(), logical_date=datetime(2026, 3, 2))  # noqa: DTZ001 - that is the point


def test_an_example_says_that_its_run_has_no_response(icsftps_run_dag, icsftps_gateway, tmp_path):
    """Somebody triggers it by hand, and gives no partition key."""
    source = (ROOT / "example_dags" / "responses_by_event.py").read_text()
    (tmp_path / "dag.py").write_text(source.replace("/tmp/icsftps-archive", str(tmp_path / "archive")))
    Archive(tmp_path / "archive").shelf(icsftps_gateway.settings())
    process = icsftps_run_dag(tmp_path / "dag.py", dag_id="one_response").task("process")
    assert process.state == "failed"
    assert process.error.startswith("(no partition key) is not kept in ")
