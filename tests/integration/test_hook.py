"""The hook: an Airflow connection becomes a client."""

import asyncio
import json
import logging
import traceback

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_icsftps.exceptions import ConfigurationError, GatewayUnavailableError, LoginRefusedError
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import aread_fields
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry


def test_a_connection_becomes_a_client(connection, simulator):
    with IcsFtpsHook(connection).get_conn() as gateway:
        assert gateway.list_outbox() == []
    assert gateway.settings.username == simulator.default_client.username


def test_the_same_on_an_event_loop(connection):
    hook = IcsFtpsHook(connection)
    fields = asyncio.run(aread_fields(connection))
    ours, theirs = to_settings(fields), hook.get_settings()
    for name in ("host", "port", "username", "password", "ca_pem", "outbox"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.certificate.fingerprint == theirs.certificate.fingerprint


def test_the_username_may_be_left_to_the_certificate(simulator, monkeypatch):
    values = simulator.connection() | {"login": ""}
    monkeypatch.setenv("AIRFLOW_CONN_NO_LOGIN", json.dumps(values))
    assert IcsFtpsHook("no_login").get_settings().username == simulator.default_client.username


def test_a_wrong_field_is_named_with_its_connection(simulator, monkeypatch):
    values = simulator.connection()
    values["extra"]["tiemout"] = 5
    monkeypatch.setenv("AIRFLOW_CONN_TYPO", json.dumps(values))
    with pytest.raises(ConfigurationError, match="Connection 'typo': unknown extra tiemout; known are"):
        IcsFtpsHook("typo").get_settings()


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ('["planted-secret-9"]', r"'odd': its extra is a JSON list; .* object"),
        ("{'password': 'planted-secret-9'}", r"'odd': its extra is no JSON; .* object"),
    ],
)
def test_an_extra_that_is_no_object_is_told(simulator, monkeypatch, extra, told):
    """Of one that is no JSON at all, Airflow makes an empty one."""
    monkeypatch.setenv("AIRFLOW_CONN_ODD", json.dumps(simulator.connection() | {"extra": extra}))
    for read in (IcsFtpsHook("odd").get_settings, lambda: asyncio.run(aread_fields("odd"))):
        with pytest.raises(ConfigurationError, match=told) as error:
            read()
        assert "planted" not in "".join(traceback.format_exception(error.value))


class TestTheTestButton:
    def test_it_tells_what_it_found(self, connection, simulator):
        simulator.put_in_outbox("a.xml", b"1")
        ok, message = IcsFtpsHook(connection).test_connection()
        assert ok
        assert f"as {simulator.default_client.username}; /out holds 1 files" in message
        assert simulator.uploads == []

    def test_it_tells_what_is_wrong_and_who_can_mend_it(self, simulator, monkeypatch):
        values = simulator.connection() | {"password": "planted-secret-1"}
        monkeypatch.setenv("AIRFLOW_CONN_WRONG", json.dumps(values))
        ok, message = IcsFtpsHook("wrong").test_connection()
        assert not ok
        assert "refuses the password" in message
        assert "Who can mend it: you (step: login)" in message
        assert "planted-secret-1" not in message

    def test_it_tells_what_is_missing(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_EMPTY", json.dumps({"conn_type": "icsftps", "host": "localhost"}))
        ok, message = IcsFtpsHook("empty").test_connection()
        assert not ok
        assert "no client certificate is given" in message


class TestRetries:
    def test_what_may_pass_is_left_to_airflow(self):
        with pytest.raises(GatewayUnavailableError), fail_without_retry():
            raise GatewayUnavailableError("later")

    def test_what_will_not_pass_fails_the_task_for_good(self):
        with pytest.raises(AirflowFailException, match="LoginRefusedError: no") as caught, fail_without_retry():
            raise LoginRefusedError("no")
        assert isinstance(caught.value.__cause__, LoginRefusedError)

    def test_other_exceptions_are_left_alone(self):
        with pytest.raises(KeyError), fail_without_retry():
            raise KeyError("ours")


def test_no_secret_is_in_any_repr_or_log(simulator, connection, caplog):
    caplog.set_level(logging.DEBUG)
    hook = IcsFtpsHook(connection)
    settings = hook.get_settings()
    with hook.get_conn() as gateway:
        gateway.list_outbox()
        shown = " ".join([repr(hook.__dict__), repr(settings), repr(gateway), repr(settings.certificate), caplog.text])
    issued = simulator.default_client
    for secret in (issued.password, issued.passphrase, simulator.connection()["extra"]["private_key_p12"]):
        assert secret not in shown
