from __future__ import annotations

import dataclasses
import ssl
import traceback

import certificate_factory as factory
import pytest
from certificate_factory import CVR, UUID, certificates_pem

from airflow_provider_icsftps.exceptions import (
    CertificateError,
    ConfigurationError,
    IcsFtpsError,
    ReadOnlyGatewayError,
)
from airflow_provider_icsftps.gateway.names import FileNameRule
from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, Environment, GatewaySettings

SECRET = "GEHEIM-7391"


def made(**values) -> GatewaySettings:
    given = {"certificate": factory.oces3().client_certificate, "password": SECRET, "host": "gateway.test"}
    return GatewaySettings(**given | values)


def refusal(**values) -> IcsFtpsError:
    with pytest.raises(ConfigurationError) as caught:
        made(**values)
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + str(vars(caught.value))
    return caught.value


@pytest.mark.parametrize(
    "expected",
    [
        Environment("production", "secureftpgateway.skat.dk", 6381, (36000, 39999), read_only=False),
        Environment("tfe", "secureftpgatewaytest.skat.dk", 6381, (36000, 39999), read_only=False),
        Environment("legacy", "secureftpgateway.skat.dk", 6371, (35000, 35100), read_only=True),
    ],
    ids=lambda environment: environment.name,
)
def test_the_authoritys_gateways(expected):
    assert expected == ENVIRONMENTS[expected.name]
    certificate = factory.oces3(test=expected.name == "tfe").client_certificate
    settings = made(environment=expected.name, host="", certificate=certificate)
    assert (settings.host, settings.port, settings.read_only) == (expected.host, expected.port, expected.read_only)
    assert settings.address == f"{expected.host}:{expected.port}"


def test_there_are_three_environments():
    assert list(ENVIRONMENTS) == ["production", "tfe", "legacy"]


def test_defaults_of_a_gateway_of_ones_own():
    settings = made()
    values = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    del values["certificate"], values["password"]
    assert values == {
        "host": "gateway.test",
        "port": 6381,
        "username": f"CVR_{CVR}_UI_{UUID}",
        "environment": None,
        "ca_pem": None,
        "connect_timeout": 15.0,
        "timeout": 30.0,
        "data_timeout": 60.0,
        "completion_timeout": 120.0,
        "outbox": "/out",
        "file_name_rule": FileNameRule(),
        "read_only": False,
        "data_ports": None,
        "encoding": "utf-8",
        "sessions": 4,
    }


def test_what_is_given_wins_over_the_environment():
    settings = made(environment="production", host="10.0.0.1", port=2121, username="somebody", read_only=True)
    seen = (settings.host, settings.port, settings.username, settings.read_only)
    assert seen == ("10.0.0.1", 2121, "somebody", True)


def test_the_old_gateway_is_read_only_whatever_is_said():
    assert made(environment="legacy", read_only=False).read_only


def test_the_outbox_is_tidied():
    assert made(outbox="/user/out/").outbox == "/user/out"


def test_settings_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        made().host = "another"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"host": ""}, "No gateway host"),
        ({"environment": "prod"}, "Environment 'prod' is none of production, tfe, legacy"),
        ({"environment": ""}, "Environment '' is none of"),
        ({"environment": "Production"}, "Environment 'Production' is none of"),
        ({"password": ""}, "No password for CVR_"),
        ({"port": -1}, "Port -1 is not between"),
        ({"port": 65536}, "Port 65536 is not between"),
        ({"outbox": "out"}, "must be absolute"),
        ({"outbox": "/"}, "must be absolute"),
        ({"outbox": "/out/../etc"}, "is no name"),
        ({"outbox": "/out\r\nDELE a"}, "cannot be printed"),
        ({"data_ports": (0, 100)}, "Data ports 0-100 are no port range"),
        ({"data_ports": (200, 100)}, "Data ports 200-100 are no port range"),
        ({"data_ports": (1, 65536)}, "Data ports 1-65536 are no port range"),
        ({"encoding": "utf\0"}, "it must be one that extends ASCII"),
        ({"encoding": "latin-1", "username": "łukasz"}, "Username holds a character that latin-1 does not have"),
        ({"username": "\udce6"}, "Username holds a character that utf-8 does not have"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(values, message):
    assert message in str(refusal(**values))


@pytest.mark.parametrize("name", ["connect_timeout", "timeout", "data_timeout", "completion_timeout"])
@pytest.mark.parametrize("value", [0, -1, 86401, float("nan"), float("inf")])
def test_a_limit_is_above_nothing_and_at_most_a_day(name, value):
    assert f"{name} is {value}; it must be seconds" in str(refusal(**{name: value}))
    assert getattr(made(**{name: 86400}), name) == 86400
    assert getattr(made(**{name: 0.01}), name) == 0.01


@pytest.mark.parametrize("data_ports", [(1, 65535), (36000, 36000), (36000, 39999)])
def test_a_range_of_data_ports_may_be_one_port(data_ports):
    assert made(data_ports=data_ports).data_ports == data_ports


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\0", "\t", "\x1b", "\x7f"], ids=ascii)
@pytest.mark.parametrize("field", ["host", "username", "password"])
def test_control_characters_go_nowhere(field, character):
    for text in (f"{SECRET}{character}", f"{SECRET}{character}DELE a"):
        assert str(refusal(**{field: text})).startswith(f"{field.capitalize()} holds a control character")


@pytest.mark.parametrize("password", ["planted €", "planted \ud800"], ids=ascii)
def test_a_password_that_cannot_be_sent_is_told_and_not_shown(password):
    """The wire would tell which character cannot be encoded, and take it for the gateway's answer."""
    assert str(refusal(encoding="latin-1", password=password)) == (
        "Password holds a character that latin-1 does not have; correct it, or the encoding"
    )


@pytest.mark.parametrize(
    "host",
    [
        "ftps://gateway.test",
        "gateway.test:6381",
        "gateway.test/out",
        "gateway test",
        "gateway\u00a0test",
        "[::1]",
        "::1:6381:x",
        "10.0.0.1:6381",
        "somebody@gateway.test",
    ],
)
def test_a_host_is_a_name_or_an_address_and_no_url(host):
    assert "is no host name or address; write it like secureftpgateway.skat.dk, without ftps://" in str(
        refusal(host=host)
    )


def test_a_password_in_the_host_is_not_shown():
    assert str(refusal(host=f"ftps://somebody:{SECRET}@gateway.test:6381")).startswith("Host 'gateway.test:6381' is no")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("gateway.test", "gateway.test:6381"),
        ("bücher.test", "bücher.test:6381"),
        ("gateway_1.test.", "gateway_1.test.:6381"),
        ("10.0.0.1", "10.0.0.1:6381"),
        ("::1", "[::1]:6381"),
        ("fe80::1%eth0", "[fe80::1%eth0]:6381"),
    ],
)
def test_an_address_can_be_told_from_its_port(host, address):
    assert made(host=host).address == address


def test_a_password_may_hold_blanks_and_danish_letters():
    assert made(password=" rødgrød med fløde ").password == " rødgrød med fløde "


def test_a_certificate_that_is_not_oces_needs_a_username():
    certificate = factory.other().client_certificate
    error = refusal(certificate=certificate)
    assert (type(error), error.reason) == (CertificateError, "username")
    assert "CN=client,O=Example Ltd" in str(error)
    assert made(certificate=certificate, username="client").username == "client"


@pytest.mark.parametrize(
    ("environment", "test", "text"),
    [
        ("production", True, "is a test certificate; the gateway 'production' takes only production certificates"),
        ("legacy", True, "is a test certificate; the gateway 'legacy' takes only production certificates"),
        ("tfe", False, "is a production certificate; the gateway 'tfe' takes only test certificates"),
    ],
)
@pytest.mark.parametrize("make", [factory.oces3, factory.oces2], ids=["OCES3", "OCES2"])
def test_a_certificate_for_another_environment_is_refused(environment, test, text, make):
    error = refusal(environment=environment, host="", certificate=make(test=test).client_certificate)
    assert (type(error), error.reason) == (CertificateError, "environment")
    assert text in str(error)


@pytest.mark.parametrize("test", [True, False])
def test_a_gateway_of_ones_own_takes_every_certificate(test):
    assert made(certificate=factory.oces3(test=test).client_certificate).host == "gateway.test"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_certificate_of_unknown_origin_is_left_to_the_gateway(environment):
    certificate = factory.other().client_certificate
    assert made(environment=environment, certificate=certificate, username="x").username == "x"


def test_repr_holds_no_secret():
    settings = made(ca_pem=certificates_pem(*factory.gateway_identity().authorities).decode())
    for text in (repr(settings), str(settings), f"{settings}", repr([settings])):
        assert SECRET not in text
        assert "BEGIN" not in text
        assert f"CVR_{CVR}_UI_{UUID}" in text


def test_only_a_writable_gateway_takes_uploads():
    made().check_writable()
    with pytest.raises(ReadOnlyGatewayError, match=r"gateway\.test:6381 is read-only here \(read_only is set\)"):
        made(read_only=True).check_writable()
    with pytest.raises(ReadOnlyGatewayError, match=r"secureftpgateway\.skat\.dk:6371 is read-only here \(legacy\)"):
        made(environment="legacy", host="").check_writable()


class TestTlsContext:
    def test_is_exactly_tls_1_2_and_checks_the_gateway(self):
        context = made().tls_context
        assert context.minimum_version is context.maximum_version is ssl.TLSVersion.TLSv1_2
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname is True

    def test_is_made_once(self):
        settings = made()
        assert settings.tls_context is settings.tls_context
        assert settings.tls_context is not made().tls_context

    def test_trusts_only_the_ca_that_was_given(self):
        (root,) = factory.gateway_identity().authorities
        context = made(ca_pem=certificates_pem(root).decode()).tls_context
        assert [dict(x[0] for x in ca["subject"])["commonName"] for ca in context.get_ca_certs()] == ["Gateway CA"]

    @pytest.mark.parametrize(
        "ca_pem",
        [
            "junk",
            "",
            " ",
            "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ],
    )
    def test_a_ca_that_cannot_be_read_is_told(self, ca_pem):
        """At once: none in it must not mean that the system's are trusted."""
        assert "CA certificates (ca_pem, ca_file) cannot be read" in str(refusal(ca_pem=ca_pem))


@pytest.mark.parametrize("sessions", [0, -1, 17])
def test_sessions_are_few(sessions):
    with pytest.raises(ConfigurationError, match=f"sessions is {sessions}; it must be 1 to 16"):
        made(sessions=sessions)
