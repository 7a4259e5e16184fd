"""The end of a certificate is told in time: by an operator, and by every task that connects."""

from __future__ import annotations

import json
import logging
from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow_task import context

from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.gateway.renewal import certificate_facts, describe_end, public_pem
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook
from airflow_provider_icsftps.operators.icsftps import IcsFtpsCertificateExpiryOperator


@pytest.fixture
def issued(simulator):
    """Issue a certificate that has so many days left."""
    return lambda days: simulator.client_certificate(validity=timedelta(days=days, minutes=1))


@pytest.fixture
def connected(issued, simulator, monkeypatch):
    """Make a connection whose certificate has so many days left."""

    def make(days: float) -> str:
        values = simulator.connection(issued(days)) | {"host": "gateway.invalid"}  # nobody is asked
        monkeypatch.setenv("AIRFLOW_CONN_WATCHED", json.dumps(values))
        return "watched"

    return make


def watch(conn_id: str, **arguments):
    return IcsFtpsCertificateExpiryOperator(task_id="watch", icsftps_conn_id=conn_id, **arguments).execute(context())


class TestOperator:
    @pytest.mark.parametrize(("days", "renew"), [(400, False), (60, False), (59, True), (14, True)])
    def test_it_returns_the_facts_and_says_when_it_is_time(self, connected, days, renew):
        found = watch(connected(days))
        assert (found["conn_id"], found["days_left"], found["renew"]) == ("watched", days, renew)
        assert (found["cvr"], found["company"]) == ("12345678", "Simulator A/S")
        assert found == json.loads(json.dumps(found))

    @pytest.mark.parametrize("days", [13, 0, -2])
    def test_it_fails_for_good_when_it_is_urgent(self, connected, days):
        with pytest.raises(AirflowFailException, match=r"Connection 'watched': The client certificate of CVR_12345678"):
            watch(connected(days))

    def test_its_limits_can_be_set(self, connected):
        assert watch(connected(5), warn_days=3, fail_days=0)["renew"] is False

    def test_limits_that_make_no_sense_are_told(self, connected):
        with pytest.raises(AirflowFailException, match="fail_days=20 must be from 0 to warn_days=10"):
            watch(connected(5), warn_days=10, fail_days=20)

    def test_its_connection_is_templated(self):
        assert IcsFtpsCertificateExpiryOperator.template_fields == ("icsftps_conn_id",)


class TestFacts:
    def test_the_hook_gives_the_certificate(self, connection, simulator):
        assert IcsFtpsHook(connection).certificate.fingerprint == simulator.default_client.certificate.fingerprint

    def test_they_hold_nothing_secret(self, issued):
        client = issued(10)
        shown = json.dumps(certificate_facts(client.certificate)) + public_pem(client.certificate)
        assert "PRIVATE" not in shown
        assert public_pem(client.certificate).encode() in client.pem

    @pytest.mark.parametrize(("days", "words"), [(10, "in 10 days"), (0, "today"), (-3, "3 days ago")])
    def test_the_end_is_told_in_words(self, issued, days, words):
        assert f"ends {words}, on" in describe_end(issued(days).certificate)


class TestLog:
    def test_a_connection_says_once_that_the_end_is_near_however_often_it_is_made(self, simulator, issued, caplog):
        client = issued(29)
        caplog.set_level(logging.WARNING)
        for _ in range(3):
            with GatewayClient(simulator.settings(client)) as gateway:
                gateway.list_outbox()
        assert caplog.text.count("ends in 29 days") == 1
        assert "order the next one" in caplog.text

    def test_a_certificate_that_lasts_is_not_spoken_of(self, gateway, caplog):
        caplog.set_level(logging.WARNING)
        gateway.list_outbox()
        assert "ends in" not in caplog.text
