"""Faults that were found and mended: each of these was not true once."""

from __future__ import annotations

import base64
import io
import string

import certificate_factory as factory
import pytest
from certificate_factory import certificates_pem
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import ConfigurationError, SubmissionRejectedError
from airflow_provider_icsftps.gateway.certificates import ClientCertificate
from airflow_provider_icsftps.gateway.names import FileNameRule, upload_name
from airflow_provider_icsftps.gateway.outbox_names import digit_of, status_digit, status_file_name
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.gateway.sources import MeasuredFile, measure
from airflow_provider_icsftps.gateway.status import NAME_REUSED, StatusCode, StatusFile
from airflow_provider_icsftps.gateway.submission import Evidence, Transfer, Verdict, judge
from airflow_provider_icsftps.hooks._connection import ConnectionFields, to_settings

SHA = "0123456789abcdef" * 4
SENDS = {Verdict.SEND, Verdict.NEXT_GENERATION, Verdict.REPLACE}


def settings_of(**extra):
    return to_settings(ConnectionFields("customs", "gateway.test", None, None, "secret", extra))


def p12() -> str:
    return base64.b64encode(factory.oces3().pkcs12()).decode()


@pytest.mark.parametrize("digit", range(4))
@pytest.mark.parametrize("repeat", [1, 2, 3, 4])
def test_digit_of_a_further_status_file_is_its_digit(digit, repeat):
    name = status_file_name("M", "a-0123456789abcdef.xml", digit, repeat)
    assert digit_of(name) == status_digit(name, "M", "a-0123456789abcdef.xml") == digit


def test_a_further_digit_0_file_still_says_that_the_name_was_used():
    name = status_file_name("M", "a-0123456789abcdef.xml", 0, 2)
    status = StatusFile.from_xml(StatusFile(code=StatusCode.ERROR, error_code=NAME_REUSED).to_xml(), digit_of(name))
    assert status.name_was_used


@pytest.mark.parametrize("field", ["client_p12_file", "client_pem_file", "ca_file"])
@pytest.mark.parametrize("secret", [lambda: factory.oces3().pem().decode(), p12], ids=["PEM", "base64"])
def test_a_secret_pasted_into_a_file_field_is_not_shown(field, secret):
    extra = {field: secret()} | ({"private_key_pem": factory.oces3().pem().decode()} if field == "ca_file" else {})
    with pytest.raises(ConfigurationError, match=field) as caught:
        settings_of(**extra)
    assert secret()[100:130] not in str(caught.value)


def test_a_path_that_holds_nul_is_told():
    with pytest.raises(ConfigurationError, match="Connection 'customs': client_p12_file"):
        settings_of(client_p12_file="a\0b")


def test_a_ca_text_with_danish_comments_is_read():
    (root,) = factory.gateway_identity().authorities
    ca_pem = "# Rod-CA for gatewayen på Ærø\n" + certificates_pem(root).decode()
    certificate = factory.oces3().client_certificate
    settings = GatewaySettings(certificate=certificate, password="x", host="h", ca_pem=ca_pem)
    assert len(settings.tls_context.get_ca_certs()) == 1


def test_a_ca_text_of_danish_words_is_told():
    certificate = factory.oces3().client_certificate
    with pytest.raises(ConfigurationError, match="ca_pem"):
        GatewaySettings(certificate=certificate, password="x", host="h", ca_pem="rødgrød")


def test_a_passphrase_of_digits_stored_as_a_number_is_read_or_told():
    data = base64.b64encode(factory.oces3().pkcs12("123456")).decode()
    assert settings_of(private_key_p12=data, private_key_passphrase=123456).username


@pytest.mark.parametrize("value", ["nan", "inf", float("nan"), float("inf"), "1e999"])
def test_a_length_that_is_no_length_is_told(value):
    with pytest.raises(ConfigurationError, match="Connection 'customs': "):
        settings_of(private_key_pem=factory.oces3().pem().decode(), file_name_max_length=value)


@pytest.mark.parametrize("encoding", ["utf-99", "utf-16", "rot13", "base64"])
def test_an_encoding_that_no_listing_can_have_is_refused(encoding):
    certificate = factory.oces3().client_certificate
    with pytest.raises(ConfigurationError, match="encoding"):
        GatewaySettings(certificate=certificate, password="x", host="h", encoding=encoding)


def test_a_passphrase_that_is_no_text_for_a_p12_is_told():
    with pytest.raises(ConfigurationError):
        ClientCertificate.from_pkcs12(factory.oces3().pkcs12(), "\udcff")


@pytest.mark.parametrize("characters", ["a0", "a-f0-9", "a0-9", "a-z0", "a-z0-9]|//[a", "^/\\\\\\r\\n\\x00"])
def test_a_rule_that_cannot_write_a_unique_name_is_refused(characters):
    with pytest.raises(ConfigurationError):
        FileNameRule(characters)


@given(st.sets(st.sampled_from(string.ascii_lowercase + string.digits + "_-."), min_size=1))
def test_every_rule_that_is_accepted_can_write_every_unique_name(characters):
    try:
        rule = FileNameRule("".join(sorted(characters)).replace("-", r"\-"))
    except ConfigurationError:
        return
    assert upload_name("x.xml", "s", "M", SHA, generation=3, rule=rule)


@pytest.mark.parametrize("characters", ["[a-z0-9", "a-z0-9&&b", "a-z0-9--b", "a-z0-9||b", "a-z0-9~~b"])
def test_a_rule_that_python_may_read_otherwise_one_day_is_refused(characters):
    with pytest.raises(ConfigurationError):
        FileNameRule(characters)


@pytest.mark.parametrize("generation", [1, 2, 3])
def test_a_name_does_not_begin_with_a_dash(generation):
    name = upload_name("afgang.abcdefghijkl", "s", "M", SHA, generation=generation, rule=FileNameRule(max_length=32))
    assert name[0].isalnum()


@pytest.mark.parametrize("transfer", Transfer)
def test_a_digit_0_that_nobody_has_read_sends_nothing(transfer):
    assert judge(Evidence(size=1, transfer=transfer, codes=frozenset({StatusCode.ERROR}))) not in SENDS


def test_a_confirmed_transfer_is_not_replaced():
    assert judge(Evidence(size=100, transfer=Transfer.CONFIRMED, stored_size=99)) not in SENDS


def test_a_copy_that_may_be_cut_is_unproven_and_not_on_its_way():
    assert judge(Evidence(size=1, transfer=Transfer.KILLED, name_reused=True)) is Verdict.UNPROVEN


def test_the_gateways_error_code_holds_no_control_characters():
    assert SubmissionRejectedError("m", error_code="A\r\nB\x85C" + "x" * 5000).error_code.isprintable()
    assert len(SubmissionRejectedError("m", error_code="x" * 5000).error_code) <= 2000


def test_the_ca_that_signed_is_sent_along_when_another_has_its_name():
    root = factory.authority("Den Danske Stat OCES rod-CA")
    real = factory.oces3_authority()
    impostor = factory.Authority(
        factory.signed(real.certificate.subject, factory.rsa_key("impostor"), root, ca=True),
        factory.rsa_key("impostor"),
    )
    leaf = factory.identity(factory.oces3_subject(), real)
    both = factory.Identity(leaf.certificate, leaf.key, (impostor.certificate, real.certificate))
    assert both.client_certificate.chain == (real.certificate,)


def test_a_response_without_a_name_is_no_response():
    data = b"<status><file><response><filename>/out/</filename></response></file></status>"
    assert StatusFile.from_xml(data, 3).responses == ()


def test_buffers_of_different_sizes_are_filled():
    file = MeasuredFile(io.BytesIO(b"0123456789"), measure(b"0123456789"), "a")
    out = b""
    for size in (6, 3, 3, 6, 6):
        buffer = bytearray(size)
        count = file.readinto(memoryview(buffer))
        out += bytes(buffer[:count])
    assert out == b"0123456789"
