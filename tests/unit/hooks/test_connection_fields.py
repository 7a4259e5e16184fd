from __future__ import annotations

import base64
import traceback

import certificate_factory as factory
import pytest
from certificate_factory import CVR, PASSPHRASE, UUID, certificates_pem

from airflow_provider_icsftps.exceptions import CertificateError, ConfigurationError
from airflow_provider_icsftps.gateway.names import FileNameRule
from airflow_provider_icsftps.gateway.settings import GatewaySettings
from airflow_provider_icsftps.hooks._connection import EXTRAS, ConnectionFields, to_settings

PASSWORD = "GEHEIM-7391"
USERNAME = f"CVR_{CVR}_UI_{UUID}"


def p12() -> str:
    return base64.b64encode(factory.oces3().pkcs12()).decode()


def pem(passphrase: str | None = None) -> str:
    identity = factory.oces3()
    return (identity.key_pem(passphrase) + certificates_pem(identity.certificate, *identity.authorities)).decode()


def fields(*, login: str | None = None, host: str | None = "gateway.test", port: int | None = None, **extra):
    if not {"private_key_p12", "private_key_pem", "client_p12_file", "client_pem_file"} & set(extra):
        extra["private_key_pem"] = pem()
    return ConnectionFields("customs", host, port, login, PASSWORD, extra)


def refusal(connection: ConnectionFields, *secrets: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        to_settings(connection)
    told = "".join(traceback.format_exception(caught.value)) + str(vars(caught.value))
    for secret in (PASSWORD, PASSPHRASE, "PRIVATE KEY", *secrets):
        assert secret not in told
    assert str(caught.value).startswith("Connection 'customs': ")
    return caught.value


class TestSettings:
    def test_of_a_connection_that_says_little_are_the_defaults(self):
        connection = ConnectionFields("customs", "gateway.test", None, None, PASSWORD, {"private_key_pem": pem()})
        certificate = factory.oces3().client_certificate
        settings = to_settings(connection)
        assert settings.certificate.fingerprint == certificate.fingerprint
        expected = GatewaySettings(certificate=settings.certificate, password=PASSWORD, host="gateway.test")
        assert settings == expected

    def test_of_untouched_fields_of_the_form_are_the_defaults(self):
        untouched = dict.fromkeys(EXTRAS - {"private_key_pem"})
        blank = dict.fromkeys(EXTRAS - {"private_key_pem"}, "")
        assert to_settings(fields(**untouched, private_key_pem=pem())).outbox == "/out"
        assert to_settings(fields(**blank, private_key_pem=pem())).timeout == 30

    def test_hold_every_value_that_is_given(self):
        (root,) = factory.gateway_identity().authorities
        settings = to_settings(
            fields(
                login=" somebody ",
                host=" 10.0.0.1 ",
                port=2121,
                environment="custom",
                ca_pem=certificates_pem(root).decode(),
                connect_timeout=1,
                timeout="2.5",
                data_timeout=3.0,
                completion_timeout="4",
                outbox="/user/out/",
                read_only=True,
                data_ports="36000-39999",
                file_name_characters="a-z0-9_",
                file_name_max_length="40",
                encoding="latin-1",
            )
        )
        assert (settings.host, settings.port, settings.username) == ("10.0.0.1", 2121, "somebody")
        assert settings.password == PASSWORD
        assert settings.environment is None
        assert settings.ca_pem == certificates_pem(root).decode()
        limits = (settings.connect_timeout, settings.timeout, settings.data_timeout, settings.completion_timeout)
        assert limits == (1, 2.5, 3, 4)
        assert (settings.outbox, settings.read_only, settings.data_ports) == ("/user/out", True, (36000, 39999))
        assert settings.file_name_rule == FileNameRule("a-z0-9_", 40)
        assert settings.encoding == "latin-1"

    @pytest.mark.parametrize("environment", ["production", "legacy"])
    def test_of_an_environment_need_no_host(self, environment):
        settings = to_settings(fields(host=None, environment=environment))
        assert (settings.environment, settings.host) == (environment, "secureftpgateway.skat.dk")
        assert settings.username == USERNAME

    def test_have_no_environment_unless_one_is_named(self):
        assert to_settings(fields()).environment is None

    @pytest.mark.parametrize("extra", [{"colour": "blue"}, {"private_key": pem()}, {"cert": PASSPHRASE}], ids=list)
    def test_an_unknown_extra_is_named_and_not_shown(self, extra):
        message = str(refusal(fields(**extra)))
        assert f"unknown extra {next(iter(extra))}; known are ca_file, ca_pem, " in message

    def test_every_known_extra_is_named_when_one_is_unknown(self):
        assert str(refusal(fields(colour="blue"))).endswith(", ".join(sorted(EXTRAS)))

    def test_an_unknown_extra_without_value_is_no_matter(self):
        assert to_settings(fields(colour=None)).host == "gateway.test"


class TestCertificate:
    @pytest.mark.parametrize(
        "written",
        [
            pytest.param(lambda text: text, id="one line"),
            pytest.param(lambda text: "\n".join(text[i : i + 64] for i in range(0, len(text), 64)), id="lines"),
            pytest.param(lambda text: "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76)), id="CRLF"),
            pytest.param(lambda text: f"  {text[:100]} \t {text[100:]}\n\n", id="blanks"),
            pytest.param(lambda text: f"data:application/x-pkcs12;base64,{text}", id="data URL"),
            pytest.param(lambda text: f" data:;base64,\n{text}\n", id="short data URL"),
        ],
    )
    def test_base64_is_read_as_people_paste_it(self, written):
        settings = to_settings(fields(private_key_p12=written(p12()), private_key_passphrase=PASSPHRASE))
        assert settings.certificate.certificate == factory.oces3().certificate

    @pytest.mark.parametrize("passphrase", [None, PASSPHRASE], ids=["clear", "encrypted"])
    @pytest.mark.parametrize("field", ["private_key_pem", "private_key_p12"])
    def test_pem_is_read_in_either_field(self, field, passphrase):
        settings = to_settings(fields(**{field: pem(passphrase), "private_key_passphrase": passphrase}))
        assert settings.certificate.certificate == factory.oces3().certificate

    @pytest.mark.parametrize(
        ("field", "content"),
        [
            ("client_p12_file", lambda: factory.oces3().pkcs12()),
            ("client_p12_file", lambda: pem(PASSPHRASE).encode()),
            ("client_pem_file", lambda: pem(PASSPHRASE).encode()),
        ],
    )
    def test_a_file_on_the_worker_is_read(self, field, content, tmp_path):
        path = tmp_path / "certificate æ"
        path.write_bytes(content())
        settings = to_settings(fields(**{field: str(path), "private_key_passphrase": PASSPHRASE}))
        assert settings.certificate.certificate == factory.oces3().certificate

    @pytest.mark.parametrize("field", ["client_p12_file", "client_pem_file", "ca_file"])
    def test_a_missing_file_is_named(self, field, tmp_path):
        path = str(tmp_path / "none.p12")
        expected = f"{field} {path}: cannot be read on this machine (No such file or directory)"
        assert expected in str(refusal(fields(**{field: path})))

    def test_a_folder_is_no_certificate(self, tmp_path):
        assert "cannot be read on this machine (Is a directory)" in str(refusal(fields(client_p12_file=tmp_path)))

    @pytest.mark.parametrize("field", ["client_pem_file", "ca_file"])
    def test_a_file_may_be_in_the_home_of_who_runs_the_worker(self, field, tmp_path, monkeypatch):
        (root,) = factory.gateway_identity().authorities
        monkeypatch.setenv("HOME", str(tmp_path))
        (tmp_path / "file.pem").write_bytes(pem().encode() if field == "client_pem_file" else certificates_pem(root))
        connection = fields(**{field: "~/file.pem"} | ({} if field == "ca_file" else {"private_key_pem": None}))
        assert to_settings(connection).username == USERNAME

    def test_a_home_of_nobody_is_a_file_that_is_not_there(self):
        assert "ca_file ~nobody-of-that-name/ca.pem: cannot be read" in str(
            refusal(fields(ca_file="~nobody-of-that-name/ca.pem"))
        )

    def test_none_is_told(self):
        connection = ConnectionFields("customs", "gateway.test", None, None, PASSWORD, {})
        assert "no client certificate is given (give private_key_p12, the base64 text" in str(refusal(connection))

    @pytest.mark.parametrize(
        "given",
        [
            ("private_key_p12", "private_key_pem"),
            ("private_key_pem", "client_pem_file"),
            ("private_key_p12", "private_key_pem", "client_p12_file", "client_pem_file"),
        ],
        ids=", ".join,
    )
    def test_several_are_told(self, given):
        message = str(refusal(fields(**dict.fromkeys(given, "x"))))
        assert f"several client certificates are given ({', '.join(given)})" in message

    @pytest.mark.parametrize(
        ("extra", "reason", "text"),
        [
            pytest.param({"private_key_p12": "ikke base64!"}, "unreadable", "private_key_p12 is no base64", id="text"),
            pytest.param({"private_key_p12": "MIIabc"}, "unreadable", "private_key_p12 is cut: 3 of", id="cut base64"),
            pytest.param({"private_key_p12": "ærø="}, "unreadable", "is no base64 text", id="Danish"),
            pytest.param({"private_key_p12": "SGVqIHZlcmRlbg=="}, "unreadable", "no PKCS#12", id="junk in base64"),
            pytest.param({"private_key_p12": {"a": 1}}, "unreadable", "is no base64 text", id="an object"),
            pytest.param({"private_key_pem": "MIIKYQIBAzCC"}, "unreadable", "private_key_pem is no PEM", id="no PEM"),
            pytest.param(
                {"private_key_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
                "no_key",
                "holds no private key",
                id="a certificate alone",
            ),
        ],
    )
    def test_what_is_none_is_told(self, extra, reason, text):
        error = refusal(fields(**extra), *(str(value) for value in extra.values()))
        assert type(error) is CertificateError
        assert (error.reason, text in str(error)) == (reason, True)

    def test_a_wrong_passphrase_is_told_and_not_shown(self):
        for extra in ({"private_key_p12": p12()}, {"private_key_pem": pem(PASSPHRASE)}):
            error = refusal(fields(**extra, private_key_passphrase="FORKERT-55"), "FORKERT-55", *extra.values())
            assert error.reason == "passphrase"

    def test_a_missing_passphrase_is_told(self):
        error = refusal(fields(private_key_p12=p12()), p12())
        assert (error.reason, "none was given" in str(error)) == ("passphrase", True)

    @pytest.mark.parametrize("content", [b"junk", b"\x00\xff"])
    def test_a_file_that_is_none_is_told(self, content, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(content)
        assert "no PKCS#12" in str(refusal(fields(client_p12_file=str(path))))
        assert "client_pem_file is no PEM text" in str(refusal(fields(client_pem_file=str(path))))


class TestValues:
    @pytest.mark.parametrize("value", [True, "true", "True", "TRUE", "1", 1])
    def test_a_flag_is_set(self, value):
        assert to_settings(fields(read_only=value)).read_only is True

    @pytest.mark.parametrize("value", [False, "false", "False", "0", 0, None, ""])
    def test_a_flag_is_not_set(self, value):
        assert to_settings(fields(read_only=value)).read_only is False

    @pytest.mark.parametrize("value", ["yes", "ja", 2, [], "truee"])
    def test_a_flag_that_is_neither_is_told(self, value):
        assert f"read_only is {value!r}; it must be true or false" in str(refusal(fields(read_only=value)))

    @pytest.mark.parametrize("name", ["connect_timeout", "timeout", "data_timeout", "completion_timeout"])
    @pytest.mark.parametrize("value", ["soon", [], {}, "1,5"])
    def test_a_limit_that_is_no_number_is_told(self, name, value):
        assert f"{name} is {value!r}; it must be a number" in str(refusal(fields(**{name: value})))

    @pytest.mark.parametrize("value", [0, "-1", "nan", "inf", 86401])
    def test_a_limit_that_makes_no_sense_is_told(self, value):
        assert "timeout is " in str(refusal(fields(timeout=value)))

    @pytest.mark.parametrize("text", ["36000-39999", " 36000 - 39999 ", "36000- 39999"])
    def test_data_ports_are_two_numbers(self, text):
        assert to_settings(fields(data_ports=text)).data_ports == (36000, 39999)

    @pytest.mark.parametrize("text", ["36000", "36000:39999", "36000-", "a-b", "360000-1", "٣-٤", ["1-2"], "-1-2"])
    def test_data_ports_that_are_none_are_told(self, text):
        message = str(refusal(fields(data_ports=text)))
        assert f"data_ports is {text!r}; write it like 36000-39999 (production)" in message

    @pytest.mark.parametrize("text", ["0-1", "2-1", "1-65536"])
    def test_data_ports_that_are_no_range_are_told(self, text):
        assert "are no port range" in str(refusal(fields(data_ports=text)))

    @pytest.mark.parametrize(
        ("extra", "text"),
        [
            ({"environment": "prod"}, "Environment 'prod' is none of production, tfe, legacy"),
            ({"environment": "tfe"}, "takes only test certificates"),
            ({"outbox": "out"}, "Folder 'out' must be absolute"),
            ({"file_name_characters": "A-Z/"}, "path separators"),
            ({"file_name_characters": "z-a"}, "no set of characters"),
            ({"file_name_max_length": 10}, "allows 10 characters"),
            ({"file_name_max_length": "long"}, "file_name_max_length is 'long'; it must be a number"),
            ({"sessions": 10**400}, f"sessions is 1{'0' * 39}; it must be a number"),
            ({"encoding": "utf\0"}, "it must be one that extends ASCII"),
            ({"ca_pem": "junk"}, "CA certificates (ca_pem, ca_file) cannot be read"),
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_told_with_its_connection(self, extra, text):
        assert text in str(refusal(fields(**extra)))

    @pytest.mark.parametrize(
        ("values", "text"),
        [
            ({"host": None}, "No gateway host"),
            ({"host": "  "}, "No gateway host"),
            ({"host": "a\r\nb"}, "Host holds a control character"),
            ({"host": "ftps://gateway.test"}, "Host 'ftps://gateway.test' is no host name"),
            ({"port": 70000}, "Port 70000"),
            ({"login": "a\nb"}, "Username holds a control character"),
        ],
        ids=str,
    )
    def test_fields_that_make_no_sense_are_told_with_their_connection(self, values, text):
        assert text in str(refusal(fields(**values)))

    @pytest.mark.parametrize("password", [None, ""])
    def test_a_missing_password_is_told(self, password):
        connection = ConnectionFields("customs", "gateway.test", password=password, extra={"private_key_pem": pem()})
        assert f"No password for {USERNAME}" in str(refusal(connection))

    def test_a_certificate_error_keeps_its_reason(self):
        error = refusal(fields(environment="tfe"))
        assert (type(error), error.reason) == (CertificateError, "environment")

    def test_a_ca_file_is_read(self, tmp_path):
        (root,) = factory.gateway_identity().authorities
        path = tmp_path / "ca.pem"
        path.write_bytes(certificates_pem(root))
        settings = to_settings(fields(ca_file=str(path)))
        assert settings.ca_pem == certificates_pem(root).decode()
        assert len(settings.tls_context.get_ca_certs()) == 1


def test_an_empty_ca_file_does_not_mean_that_the_systems_are_trusted(tmp_path):
    (tmp_path / "ca.pem").touch()
    assert "CA certificates (ca_pem, ca_file) cannot be read" in str(refusal(fields(ca_file=tmp_path / "ca.pem")))


def test_what_is_no_text_is_no_certificate():
    connection = ConnectionFields("customs", "gateway.test", password=PASSWORD, extra={"private_key_p12": "\ud800"})
    assert "private_key_p12 is no base64 text" in str(refusal(connection))


def test_repr_of_the_fields_holds_no_secret():
    text = repr(fields(private_key_p12=p12(), private_key_passphrase=PASSPHRASE))
    assert "customs" in text
    for secret in (PASSWORD, PASSPHRASE, p12()):
        assert secret not in text
