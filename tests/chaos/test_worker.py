"""Functions in processes of their own: how they end is told as data, and they can be killed at a moment."""

import json
import os
import signal
import sys
import threading
import time

import pytest
import worker_tasks
from relay import Call, Connect, Control, Data
from worker import KillSwitch, run_in_worker

from airflow_provider_icsftps.exceptions import GatewayRefusedError, LoginRefusedError

CONTENT = b"<manifest>" + b"x" * 100_000 + b"</manifest>"


def add(one, other):
    return one + other


def refuse():
    raise LoginRefusedError("Not you", command="PASS", code=530, text="no")


def leave():
    raise SystemExit(3)


def give_a_lock():
    return threading.Lock()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever():
    threading.Event().wait()


def look(name):
    return os.environ.get(name), "airflow_provider_icsftps.operators.icsftps" in sys.modules


@pytest.fixture
def connected(relayed, monkeypatch):
    """A gateway behind a relay, and an Airflow connection that leads there."""
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection()))
    return relayed


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.xml"
    path.write_bytes(CONTENT)
    return str(path)


def test_a_value_comes_back():
    outcome = run_in_worker(add, [1], [2])
    assert (outcome.value, outcome.error, outcome.killed) == ([1, 2], (), False)


def test_an_exception_comes_back_as_data():
    outcome = run_in_worker(refuse)
    assert outcome.error_name == LoginRefusedError.__name__
    assert GatewayRefusedError.__name__ in outcome.error
    assert outcome.error[-1] == "Exception"
    assert "Not you" in outcome.message
    assert "in refuse" in outcome.trace


def test_even_an_exit_and_a_value_that_cannot_be_carried_come_back():
    assert run_in_worker(leave).error_name == "SystemExit"
    assert run_in_worker(give_a_lock).error_name == "TypeError"


def test_airflow_is_there_already_and_sees_the_environment_of_now(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_SOMETHING", "one")
    assert run_in_worker(look, "AIRFLOW_CONN_SOMETHING").value == ("one", True)
    monkeypatch.delenv("AIRFLOW_CONN_SOMETHING")
    assert run_in_worker(look, "AIRFLOW_CONN_SOMETHING").value == (None, True)
    assert run_in_worker(look, "AIRFLOW_HOME").value[0] == os.environ["AIRFLOW_HOME"]


def test_a_process_is_killed_by_its_switch():
    switch = KillSwitch()
    timer = threading.Timer(0.2, switch.set)
    timer.start()
    assert run_in_worker(wait_for_ever, kill_on=switch).killed
    timer.join()
    assert switch.is_set()


def test_a_switch_that_is_set_before_kills_at_once_and_one_set_afterwards_nobody():
    switch = KillSwitch()
    switch.set()
    assert run_in_worker(wait_for_ever, kill_on=switch).killed
    switch = KillSwitch()
    assert run_in_worker(add, 1, 2, kill_on=switch).value == 3
    switch.set()


def test_a_process_that_dies_by_itself_is_an_error():
    with pytest.raises(RuntimeError, match="ended with code -9"):
        run_in_worker(die)


def test_a_process_that_takes_too_long_is_ended():
    with pytest.raises(TimeoutError, match="took longer"):
        run_in_worker(wait_for_ever, seconds=0.2)


def test_an_operator_files_through_the_relay(connected, manifest):
    outcome = run_in_worker(worker_tasks.upload, manifest)
    assert outcome.error == (), outcome.trace
    [record] = connected.simulator.uploads
    assert record.filed
    assert outcome.value["file_name"] == record.file_name
    assert record.content() == CONTENT


def test_an_operator_is_killed_at_a_message(connected, manifest):
    switch = KillSwitch()
    connected.relay.plan(Connect("control"), Call(switch.set))
    assert run_in_worker(worker_tasks.upload, manifest, kill_on=switch).killed
    assert connected.simulator.uploads == []


def test_an_operator_that_was_killed_in_the_middle_of_a_file_is_tried_again(connected, manifest):
    switch = KillSwitch()
    fault = connected.relay.plan(Data(None, "client", 40_000), Call(switch.set))
    assert run_in_worker(worker_tasks.upload, manifest, kill_on=switch).killed
    assert len(fault.struck) == 1
    patience = {"timeout": 0.2, "poke_interval": 0.05, "outage_timeout": 0}
    again = run_in_worker(worker_tasks.upload, manifest, 2, patience)
    assert not again.killed
    assert again.value is not None or "AirflowException" in again.error
    assert [record.filed for record in connected.simulator.uploads].count(True) <= 1


def test_a_kill_at_a_command_is_over_before_the_command_passes(connected, manifest):
    switch = KillSwitch()
    connected.relay.plan(Control("client", 9), Call(switch.set))
    begun = time.monotonic()
    assert run_in_worker(worker_tasks.upload, manifest, kill_on=switch).killed
    assert time.monotonic() - begun < 9  # a kill that is waited for in vain takes longer
    connected.relay.check()
