"""
Names that are no text: the byte E6 is an æ in Latin-1, and nothing in UTF-8.

Airflow's processes speak UTF-8 with one another. What one of them cannot say fails a task with a line that helps
nobody, and an event that a trigger cannot say ends the whole triggerer, and the next one.
"""

from __future__ import annotations

import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_task import carried, context, run_to_the_end

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDeleteOperator, IcsFtpsDownloadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsOutboxSensor
from airflow_provider_icsftps.simulator.transfers import TransferringConnection

TOLD = r"ConfigurationError: 'sv.udce6r\.xml' in the outbox.* extra 'encoding', to latin-1"


@pytest.fixture(autouse=True)
def written_in_latin_1(simulator, monkeypatch):
    monkeypatch.setattr(TransferringConnection, "unicode_errors", "surrogateescape")  # bytes as they are
    outbox = simulator._gateway.storage.outbox(simulator.default_client.username)
    (outbox / "sv\udce6r.xml").write_bytes(b"<svar/>")
    simulator.put_in_outbox("a.xml", b"1")


@pytest.fixture
def in_latin_1(simulator, monkeypatch):
    given = simulator.connection()
    given["extra"] |= {"encoding": "latin-1"}
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(given))


@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])
class TestASensor:
    def wait(self, deferrable, pattern):
        waiting = IcsFtpsOutboxSensor(
            task_id="wait", pattern=pattern, deferrable=deferrable, poke_interval=0.05, timeout=10
        )
        return carried(run_to_the_end(waiting))

    @pytest.mark.parametrize("away", [False, True])
    def test_fails_with_the_setting_that_helps(self, away, deferrable, connection, simulator):
        if away and deferrable:
            simulator.faults.busy_421(times=1)  # so that the triggerer sees it first
        with pytest.raises(AirflowFailException, match=TOLD):
            self.wait(deferrable, "*.xml")

    def test_minds_only_what_it_waits_for(self, deferrable, connection):
        assert self.wait(deferrable, "a*") == ["a.xml"]

    def test_has_it_as_text_in_the_right_encoding(self, deferrable, in_latin_1):
        assert self.wait(deferrable, "*.xml") == ["a.xml", "svær.xml"]


def test_a_download_by_pattern_says_so_before_it_fetches(connection, tmp_path):
    fetching = IcsFtpsDownloadOperator(task_id="fetch", pattern="*.xml", target=str(tmp_path / "target"))
    with pytest.raises(AirflowFailException, match=TOLD):
        fetching.execute(context())


def test_a_deletion_by_pattern_says_so_before_it_deletes(connection, gateway):
    with pytest.raises(AirflowFailException, match=TOLD):
        IcsFtpsDeleteOperator(task_id="delete", pattern="*").execute(context())
    assert len(gateway.outbox_names()) == 2


def test_an_archive_keeps_it_and_the_summary_can_be_told(connection, tmp_path):
    given = context()
    paths = IcsFtpsDownloadOperator(task_id="fetch", archive=str(tmp_path / "archive")).execute(given)
    assert len(carried(paths)) == 2
    summary = carried(given["ti"].pushed["summary"])
    assert sorted(summary["names"]) == ["a.xml", "sv\\udce6r.xml"]
