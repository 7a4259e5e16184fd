"""Setting a connection up from the command line: check it, make it, and know its certificate."""

from __future__ import annotations

import json
import os
import re
import shlex
import stat
import subprocess
from pathlib import Path

import pytest
from processes import ICSFTPS
from typer.testing import CliRunner

from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.cli.connecting import settings_from_file, settings_from_values
from airflow_provider_icsftps.gateway.faults import STEPS


@pytest.fixture
def files(simulator, tmp_path) -> dict[str, str]:
    return {name: str(path) for name, path in simulator.write_credentials(tmp_path / "files").items()}


@pytest.fixture
def secrets(simulator) -> dict[str, str]:
    client = simulator.default_client
    return {"ICSFTPS_PASSPHRASE": client.passphrase, "ICSFTPS_PASSWORD": client.password}


def run(*arguments: str, given: str | None = None, **environment: str):
    return CliRunner().invoke(app, list(arguments), input=given, env=environment)


class TestCheck:
    def test_a_good_gateway_is_a_list_of_good_steps(self, files):
        shown = run("check", "--connection", files["connection.json"], "--service", "Manifest")
        assert shown.exit_code == 0, shown.output
        for step in STEPS:
            assert step in shown.stdout
        assert "All is well" in shown.stdout

    def test_a_fault_ends_with_1_and_says_who_can_mend_it(self, files):
        shown = run("check", "--connection", files["connection.json"], "--service", "Ics")
        assert shown.exit_code == 1
        assert re.search("FAILED +service folders", shown.stdout)
        assert shown.stdout.rstrip().endswith("Who can mend it: the certificate portal")
        assert "clock" not in shown.stdout

    def test_a_machine_gets_json(self, files, simulator):
        shown = run("check", "--connection", files["connection.json"], "--json")
        found = json.loads(shown.stdout)
        assert found["ok"] is True
        assert [step["name"] for step in found["steps"]] == list(STEPS)
        assert set(found["steps"][0]) == {"name", "state", "seconds", "sentence", "who", "fault"}
        assert simulator.uploads == []

    def test_a_ping_is_sent_only_when_asked_for(self, files, simulator):
        assert run("check", "--connection", files["connection.json"], "--heartbeat").exit_code == 0
        assert [upload.service for upload in simulator.uploads] == ["FTPSGW.Heartbeat"]

    @pytest.mark.parametrize("arguments", [[], ["--connection", "a", "--conn-id", "b"], ["--timeout", "0"]])
    def test_wrong_use_ends_with_2(self, arguments):
        assert run("check", *arguments).exit_code == 2

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            (None, "cannot be read: No such file"),
            ("no json", "is no JSON"),
            ("[]", "holds no connection"),
            ('{"conn_type": "icsftps", "extra": "{"}', "extra is no JSON object"),
            ('{"conn_type": "icsftps", "extra": [1]}', "extra is no JSON object"),
            ('{"conn_type": "icsftps", "port": "x"}', "port is 'x'; it must be a number"),
            ('{"conn_type": "icsftps", "port": "²"}', "port is '²'; it must be a number"),
            ('{"conn_type": "icsftps", "host": 5}', "host must be text, in quotation marks"),
            ('{"conn_type": "icsftps", "password": 73910}', "password must be text, in quotation marks"),
            ("[" * 100_000, "is no JSON"),
            (f'{{"conn_type": "icsftps", "extra": "{"[" * 100_000}"}}', "extra is no JSON object"),
            ('{"conn_type": "icsftps"}', "no client certificate is given"),
        ],
    )
    def test_a_connection_that_is_none_is_a_fault_in_one_sentence(self, text, told, tmp_path):
        path = tmp_path / "c.json"
        if text is not None:
            path.write_text(text)
        shown = run("check", "--connection", str(path), "--json")
        assert shown.exit_code == 1
        step = json.loads(shown.stdout)["steps"][0]
        assert (step["fault"], step["who"], told in step["sentence"]) == ("incomplete", "you", True)
        assert "73910" not in shown.output

    def test_a_certificate_file_is_enough_and_secrets_are_asked_for_without_echo(self, files, simulator):
        client = simulator.default_client
        shown = run(
            *("check", "--p12", files["client.p12"], "--host", simulator.host, "--port", str(simulator.port)),
            *("--ca", files["ca.pem"]),
            given=f"{client.passphrase}\n{client.password}\n",
        )
        assert shown.exit_code == 0, shown.output
        assert "Passphrase of the certificate" in shown.output
        assert client.passphrase not in shown.output
        assert client.password not in shown.output

    def test_a_process_says_it_without_a_traceback(self, files, simulator):
        simulator.stop()
        done = subprocess.run(
            [*ICSFTPS, "check", "--connection", files["connection.json"]],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (1, "")
        assert "Nothing listens on port" in done.stdout.replace("\n", " ")

    @pytest.mark.timeout(240)
    def test_a_connection_of_airflow_is_found_by_its_id(self, simulator):
        environment = os.environ | {"AIRFLOW_CONN_CUSTOMS": json.dumps(simulator.connection())}
        for conn_id, code in (("customs", 0), ("nobody", 1)):
            done = subprocess.run(
                [*ICSFTPS, "check", "--conn-id", conn_id, "--json"],
                env=environment,
                capture_output=True,
                text=True,
                timeout=110,
                check=False,
            )
            assert done.returncode == code, done.stderr
            found = json.loads(done.stdout)
            assert found["ok"] is (code == 0)
        assert "Connection 'nobody' is not known to Airflow" in found["message"]


class TestConnection:
    def test_every_form_is_the_same_connection(self, files, secrets, simulator, monkeypatch):
        from airflow.sdk import Connection

        shown = run(
            *("connection", "--p12", files["client.p12"], "--host", simulator.host, "--port", str(simulator.port)),
            *("--username", "a/b c", "--ca", files["ca.pem"], "--conn-id", "customs"),
            **secrets,
        )
        assert shown.exit_code == 0, shown.output
        assert "holds secrets" in shown.stderr
        lines = shown.stdout.splitlines()
        command, variable, text, uri = (lines[lines.index(line) + 1] for line in lines if line.startswith("# "))
        values = json.loads(text)
        assert shlex.split(command) == ["airflow", "connections", "add", "customs", "--conn-json", text]
        assert shlex.split(variable) == ["export", f"AIRFLOW_CONN_CUSTOMS={text}"]
        theirs = Connection(conn_id="customs", **values | {"extra": json.dumps(values["extra"])})
        assert theirs.get_uri() == uri
        settings = settings_from_values("customs", values)
        assert (settings.username, settings.password) == ("a/b c", simulator.default_client.password)
        assert settings.certificate.fingerprint == simulator.default_client.certificate.fingerprint

    def test_what_it_writes_is_a_connection_that_works(self, files, secrets, simulator, tmp_path):
        path = tmp_path / "new.json"
        path.touch(mode=0o644)
        shown = run(
            *("connection", "--p12", files["client.p12"], "--host", simulator.host, "--port", str(simulator.port)),
            *("--ca", files["ca.pem"], "--output", str(path)),
            **secrets,
        )
        assert shown.stdout == f"airflow connections import {path}\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for secret in secrets.values():
            assert secret not in shown.output
        assert settings_from_file(path).address == f"{simulator.host}:{simulator.port}"
        assert run("check", "--connection", str(path)).exit_code == 0

    def test_placeholders_need_no_secrets_and_show_none(self, files, simulator):
        shown = run("connection", "--p12", files["client.p12"], "--environment", "tfe", "--no-secrets")
        assert shown.exit_code == 0
        assert "<password from the certificate portal>" in shown.stdout
        for secret in (simulator.default_client.password, simulator.connection()["extra"]["private_key_p12"][:40]):
            assert secret not in shown.output

    def test_pem_is_a_connection_too(self, simulator, tmp_path):
        path = tmp_path / "all.pem"
        path.write_bytes(simulator.default_client.pem)
        shown = run("connection", "--p12", str(path), "--environment", "tfe", ICSFTPS_PASSWORD="x")
        text = next(line for line in shown.stdout.splitlines() if line.startswith("{"))
        assert settings_from_values("c", json.loads(text)).environment == "tfe"

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["--environment", "production"], "is a test certificate; the gateway 'production' takes only"),
            (["--environment", "prod"], "Environment 'prod' is none of"),
        ],
    )
    def test_what_is_wrong_is_told_before_anything_is_printed(self, files, secrets, arguments, told):
        done = subprocess.run(
            [*ICSFTPS, "connection", "--p12", files["client.p12"], *arguments],
            env=os.environ | secrets,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert told in done.stderr
        assert len(done.stderr.splitlines()) == 1

    def test_neither_environment_nor_host_is_wrong_use(self, files):
        assert run("connection", "--p12", files["client.p12"]).exit_code == 2


class TestCertificate:
    def test_it_says_what_to_register_and_writes_the_public_part(self, files, secrets, simulator, tmp_path):
        public = tmp_path / "public.pem"
        shown = run("certificate", files["client.p12"], "--public", str(public), **secrets)
        assert shown.exit_code == 0
        told = " ".join(shown.stdout.split())
        assert "Register at the certificate portal: the certificate with this fingerprint, for CVR 12345678" in told
        assert simulator.default_client.certificate.fingerprint in told.replace(" ", "")
        assert public.read_text() in Path(files["client.pem"]).read_text()
