"""A certificate as people paste it: understood, or told in one line."""

from __future__ import annotations

import base64
import json
import traceback
from urllib.parse import quote

import certificate_factory as factory
import pytest
from airflow.sdk import Connection
from certificate_factory import PASSPHRASE, certificates_pem
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import ConnectionFields, read_fields
from airflow_provider_icsftps.hooks._pasted import pasted_ca, pasted_certificate

P12 = factory.oces3().pkcs12()
TEXT = base64.b64encode(P12).decode()
FINGERPRINT = factory.oces3().client_certificate.fingerprint


def pem(passphrase: str | None = None, *, traditional: bool = False) -> str:
    identity = factory.oces3()
    key = identity.key_pem(passphrase, traditional=traditional)
    return (key + certificates_pem(identity.certificate, *identity.authorities)).decode()


def understood(text: str, key: str = "private_key_p12", passphrase: str | None = PASSPHRASE) -> None:
    certificate = pasted_certificate(key, text.encode(), passphrase)
    assert certificate.fingerprint == FINGERPRINT
    assert certificate.chain


# ------------------------------------------------------------ blanks and line ends

_BLANKS = st.text(" \t\r\n\u00a0\u200b\ufeff", max_size=4)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, len(TEXT)), _BLANKS), max_size=12))
def test_base64_is_read_with_blanks_and_line_ends_anywhere(places):
    text = TEXT
    for place, blanks in places:
        text = text[:place] + blanks + text[place:]
    understood(text)


@settings(max_examples=25)
@given(st.sampled_from(["\n", "\r\n", "\r", " ", "  ", "\\n", "\n ", "\n\n"]), st.sampled_from([None, PASSPHRASE]))
def test_pem_is_read_whatever_became_of_its_line_ends(end, passphrase):
    understood(pem(passphrase).replace("\n", end), "private_key_pem", passphrase)


@settings(max_examples=25)
@given(st.integers(16, 200), _BLANKS)
def test_pem_is_read_in_lines_of_any_length(width, blanks):
    parts = pem().split("-----")  # every fourth, from the third, is a body
    for number in range(2, len(parts), 4):
        body = "".join(parts[number].split())
        lines = [body[i : i + width] + blanks for i in range(0, len(body), width)]
        parts[number] = "\n" + "\n".join(lines) + "\n"
    understood("-----".join(parts), "private_key_pem", None)


@pytest.mark.parametrize(
    "around", ["{}", '"{}"', "'{}'", "\ufeff{}\n", "data:application/x-pkcs12;base64,{}", ' "data:;base64,\n{}" ']
)
def test_what_editors_and_pages_leave_around_it_does_not_matter(around):
    understood(around.format(TEXT))


# ------------------------------------------------------------ another field, another wrapping


@pytest.mark.parametrize("key", ["private_key_p12", "private_key_pem", "client_p12_file", "client_pem_file"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TEXT, id="base64"),
        pytest.param(pem(PASSPHRASE), id="PEM"),
        pytest.param(f"-----BEGIN CERTIFICATE-----\n{TEXT}\n-----END CERTIFICATE-----", id="base64 in PEM lines"),
        pytest.param(f"-----BEGIN PKCS12-----\n{TEXT}\n-----END PKCS12-----", id="PKCS12 in PEM lines"),
    ],
)
def test_every_form_is_understood_in_every_field(key, text):
    understood(text, key)


def test_an_old_kind_of_encrypted_key_keeps_its_headers():
    understood(pem(PASSPHRASE, traditional=True), "private_key_pem")


@pytest.mark.parametrize("passphrase", [f"{PASSPHRASE}\n", f" {PASSPHRASE} ", f"{PASSPHRASE}\r\n"])
def test_blanks_pasted_along_with_a_passphrase_do_not_matter(passphrase):
    understood(TEXT, passphrase=passphrase)


# ------------------------------------------------------------ told


@given(st.integers(40, len(TEXT) - 1))
def test_a_text_that_is_cut_is_told(length):
    with pytest.raises(CertificateError, match=r"private_key_p12 is cut: \d+ of \d+ bytes are there"):
        pasted_certificate("private_key_p12", TEXT[:length].encode(), PASSPHRASE)


@given(st.text(max_size=300), st.sampled_from(["private_key_p12", "private_key_pem", "client_p12_file"]))
def test_any_other_text_is_an_error_in_one_line_that_does_not_show_it(text, key):
    with pytest.raises(CertificateError) as caught:
        pasted_certificate(key, text.encode(), PASSPHRASE)
    told = "".join(traceback.format_exception_only(caught.value))
    assert len(told.splitlines()) == 1
    assert len(text) < 12 or text not in told


def test_a_private_key_in_the_field_for_the_ca_is_told():
    with pytest.raises(ConfigurationError, match="ca_file holds a private key"):
        pasted_ca("ca_file", pem())


# ------------------------------------------------------------ through Airflow


def connection(extra: dict[str, str]) -> dict[str, object]:
    return {"conn_type": "icsftps", "host": "gateway.test", "password": "p@ss/w:rd +", "extra": extra}


EXTRAS = {
    "p12": {"private_key_p12": TEXT, "private_key_passphrase": PASSPHRASE},
    "p12 in lines": {"private_key_p12": base64.encodebytes(P12).decode(), "private_key_passphrase": PASSPHRASE},
    "PEM": {"private_key_pem": pem()},
    "PEM on one line": {"private_key_pem": pem().replace("\n", " ")},
    "PEM in the other field": {"private_key_p12": pem()},
}


def found(monkeypatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_PASTED", value)
    settings = to_settings(read_fields("pasted"))
    assert (settings.certificate.fingerprint, settings.password) == (FINGERPRINT, "p@ss/w:rd +")


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_it_comes_through_json_in_the_environment(monkeypatch, extra):
    found(monkeypatch, json.dumps(connection(extra)))


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_it_comes_through_a_uri_that_airflow_wrote(monkeypatch, extra):
    values = connection(extra) | {"extra": json.dumps(extra)}
    found(monkeypatch, Connection(conn_id="pasted", **values).get_uri())


@pytest.mark.parametrize(
    "text", [TEXT, base64.encodebytes(P12).decode().strip().replace("\n", "%0A")], ids=["", "lines"]
)
def test_a_uri_written_by_hand_loses_the_plus_signs_and_is_understood(monkeypatch, text):
    assert "+" in text
    password = quote("p@ss/w:rd +", safe="")
    passphrase = quote(PASSPHRASE, safe="")
    found(
        monkeypatch,
        f"icsftps://:{password}@gateway.test/?private_key_p12={text}&private_key_passphrase={passphrase}",
    )


def test_a_wrong_field_is_told_with_the_connection():
    fields = ConnectionFields("customs", "gateway.test", password="x", extra={"private_key_p12": TEXT[:200]})
    with pytest.raises(CertificateError, match=r"Connection 'customs': private_key_p12 is cut"):
        to_settings(fields)
