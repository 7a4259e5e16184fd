"""No secret in an error, its attributes, its traceback, a log or a repr: also when a gateway repeats the password."""

from __future__ import annotations

import json
import logging
import pickle
import traceback

import pytest
from scripted_server import ScriptedServer
from throwaway_pki import PASSPHRASE, pem

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import ClientCertificate
from airflow_provider_icsftps.gateway._ftps import FtpsSession
from airflow_provider_icsftps.gateway.diagnosis import diagnose
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import ConnectionFields

PASSWORD = "planted-password-7391"


def shown(error: BaseException) -> str:
    """Everything that an error could show: itself, its data, and the whole chain of tracebacks."""
    parts = [repr(error), str(vars(error)), "".join(traceback.format_exception(error))]
    if isinstance(error, IcsFtpsError):
        parts += [json.dumps(error.to_data()), repr(pickle.dumps(error))]
    return " ".join(parts)


ECHOES = {
    "PASS": f"530 no such login: {PASSWORD}",
    "PASS twice": f"530-you sent {PASSWORD}\r\n530 and {PASSWORD} is wrong",
    "PASS later": f"431 cannot check {PASSWORD} now",
    "PASS unknown": f"599 PASS {PASSWORD}?",
    "PASS nonsense": f"hello {PASSWORD}",
    "PASS answered twice": f"230 welcome\r\n500 PASS {PASSWORD}?",
    "PASS, and then another": f"332 an account to {PASSWORD}, please",
}


@pytest.mark.parametrize("name", [name for name in ECHOES if name != "PASS nonsense"])
def test_a_password_that_a_gateway_repeats_is_starred(pki, client, settings, caplog, name):
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(pki, {"PASS": ECHOES[name]}) as server:
        gateway = client(server, password=PASSWORD)
        with pytest.raises(IcsFtpsError) as caught:
            gateway.connect()
        diagnosis = diagnose(lambda: settings(server, password=PASSWORD))
    assert "***" in str(caught.value)
    assert "***" in diagnosis.message
    told = shown(caught.value) + caplog.text + repr(gateway) + repr(diagnosis) + json.dumps(diagnosis.to_data())
    assert PASSWORD not in told


def test_also_when_its_reply_makes_no_sense(pki, client, caplog):
    caplog.set_level(logging.DEBUG)
    with ScriptedServer(pki, {"PASS": ECHOES["PASS nonsense"]}) as server, pytest.raises(IcsFtpsError) as caught:
        client(server, password=PASSWORD).connect()
    assert PASSWORD not in shown(caught.value) + caplog.text


def test_no_object_shows_one(pki, settings, client):
    made = settings(1, password=PASSWORD)
    session = FtpsSession(made)
    fields = ConnectionFields(
        "customs",
        "gateway.test",
        password=PASSWORD,
        extra={"private_key_pem": pem(pki.client.private_key).decode(), "private_key_passphrase": PASSPHRASE},
    )
    objects = [made, session, client(1), pki.client, fields, made.tls_context, diagnose(lambda: made)]
    told = " ".join(repr(one) + str(one) for one in objects)
    for secret in (PASSWORD, PASSPHRASE, "PRIVATE KEY", *pem(pki.client.private_key).decode().splitlines()[1:-1]):
        assert secret not in told


@pytest.mark.parametrize(
    "extra",
    [
        {"private_key_p12": "planted-text-1", "private_key_passphrase": "planted-text-2"},
        {"private_key_pem": "planted-text-1", "private_key_passphrase": "planted-text-2"},
        {"client_p12_file": "-----BEGIN planted-text-1", "private_key_passphrase": "planted-text-2"},
        {"private_key_p12": "planted-text-1", "private_key_pem": "planted-text-2"},
        {"planted": "planted-text-1"},
    ],
    ids=lambda extra: ", ".join(extra),
)
def test_what_is_wrong_with_a_connection_is_told_without_its_values(extra):
    fields = ConnectionFields("customs", "gateway.test", password=PASSWORD, extra=extra)
    with pytest.raises(IcsFtpsError) as caught:
        to_settings(fields)
    told = shown(caught.value) + diagnose(lambda: to_settings(fields)).message
    for secret in (PASSWORD, "planted-text-1", "planted-text-2"):
        assert secret not in told


def test_a_wrong_passphrase_is_not_told(pki):
    wrong = f"{PASSPHRASE}-wrong"  # not as a literal below: a traceback shows the line
    with pytest.raises(IcsFtpsError) as caught:
        ClientCertificate.from_pkcs12(pki.client_p12, wrong)
    assert PASSPHRASE not in shown(caught.value)
