"""A submission of another certificate: its answers come into another /out, so nobody waits for them here."""

from __future__ import annotations

import json
import logging

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_task import context, run_to_the_end

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway import Filing, GatewayClient, Submission, file_all, ownership
from airflow_provider_icsftps.gateway.ownership import check_owner
from airflow_provider_icsftps.operators.icsftps import IcsFtpsDeleteOperator, IcsFtpsDownloadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor

FILED = Submission(service="Manifest", file_name="a.xml", username="CVR_12345678_UI_AB", fingerprint="1" * 64)
OTHERS = "was filed as .*, and this connection is .*: its answers come into another /out"


class TestRule:
    def test_the_same_certificate_is_fine(self):
        assert check_owner(FILED, FILED.username, FILED.fingerprint) == ""

    def test_another_username_is_refused(self):
        with pytest.raises(ConfigurationError, match=OTHERS):
            check_owner(FILED, "CVR_12345678_UI_CD", FILED.fingerprint)

    def test_upper_and_lower_case_make_no_other_username(self):
        assert check_owner(FILED, FILED.username.lower(), FILED.fingerprint) == ""

    def test_a_renewed_certificate_is_worth_a_warning(self):
        assert "If that was renewed and nothing comes" in check_owner(FILED, FILED.username, "2" * 64)

    def test_a_submission_that_does_not_say_is_fine(self):
        assert check_owner(Submission(service="Manifest", file_name="a.xml"), "anybody", "2" * 64) == ""


@pytest.fixture
def theirs(simulator):
    """What another certificate of the same company filed, and got as an answer."""
    other = simulator.client_certificate()
    filing = Filing(source=b"<manifest/>", service="Manifest", scope="d/t/r", source_name="m.xml")
    with GatewayClient(simulator.settings(other)) as gateway:
        (submission,) = file_all(gateway, [filing])
    return submission.to_data()


@pytest.fixture
def answered(theirs):
    return theirs | {"statuses": [], "responses": ["response.xml"]}


@pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])
def test_a_wait_for_it_fails_at_once(deferrable, theirs, connection):
    sensor = IcsFtpsResponseSensor(
        task_id="wait", submission=theirs, deferrable=deferrable, poke_interval=0.1, timeout=30
    )
    with pytest.raises(AirflowFailException, match=OTHERS):
        run_to_the_end(sensor)


def test_a_wait_whose_connection_was_changed_in_the_middle_fails(theirs, simulator, monkeypatch):
    other = next(issued for issued in simulator._clients._issued if issued.username == theirs["username"])
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection(other)))
    sensor = IcsFtpsResponseSensor(task_id="wait", submission=theirs, deferrable=True, until="response")
    event = {"status": "ready", "names": [], "read": [], "submissions": [theirs], "until": "response"}
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection()))
    with pytest.raises(AirflowFailException, match=OTHERS):
        sensor.execute_complete(context(), event)


@pytest.mark.parametrize("into", ["target", "archive"])
def test_a_download_of_its_answers_fails_and_says_why(answered, connection, tmp_path, into):
    with pytest.raises(AirflowFailException, match=OTHERS):
        IcsFtpsDownloadOperator(task_id="fetch", responses=[answered], **{into: str(tmp_path)}).execute(context())


def test_nothing_is_deleted_for_it(answered, connection, simulator):
    simulator.put_in_outbox("response.xml", b"ours, by the same name")
    with pytest.raises(AirflowFailException, match=OTHERS):
        IcsFtpsDeleteOperator(task_id="delete", responses=answered).execute(context())
    assert "response.xml" in simulator.outbox()


def test_a_renewed_certificate_goes_on_and_warns_once(simulator, gateway, monkeypatch, caplog):
    monkeypatch.setattr(ownership, "_warned", set())
    filing = Filing(source=b"<manifest/>", service="Manifest", scope="d/t/r", source_name="m.xml")
    (submission,) = file_all(gateway, [filing])
    uuid = submission.username.rpartition("_")[2]
    renewed = simulator.client_certificate(identifier=uuid)
    assert renewed.username == submission.username
    assert renewed.certificate.fingerprint != submission.fingerprint
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(simulator.connection(renewed)))
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        sensor = IcsFtpsResponseSensor(task_id="wait", submission=submission.to_data(), deferrable=False)
        assert sensor.execute(context())["responses"]
    assert caplog.text.count("was filed under another certificate") == 1
