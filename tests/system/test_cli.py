"""The command line: help for every verb, one line for an error, exit codes that a script can use."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest
from processes import ICSFTPS
from typer.testing import CliRunner

from airflow_provider_icsftps import __version__
from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import ConnectionFields

VERBS = sorted(command.callback.__name__ for command in app.registered_commands)


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ICSFTPS, *arguments], capture_output=True, text=True, timeout=60, check=False, **options)


def test_it_tells_its_version():
    assert CliRunner().invoke(app, ["--version"]).stdout == f"icsftps {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.stdout


def test_wrong_use_ends_with_2():
    assert run("no-such-verb").returncode == 2


class TestCertificate:
    @pytest.fixture
    def p12(self, simulator, tmp_path):
        return simulator.write_credentials(tmp_path)["client.p12"]

    def test_it_tells_who_and_how_long(self, simulator, p12):
        passphrase = simulator.default_client.passphrase
        done = run("certificate", str(p12), "--json", env=os.environ | {"ICSFTPS_PASSPHRASE": passphrase})
        facts = json.loads(done.stdout)
        assert simulator.default_client.username == facts["username"]
        assert (facts["cvr"], facts["environment"], facts["issuing_ca_included"]) == ("12345678", "tfe", True)
        assert facts["days_left"] > 1000

    def test_an_error_is_one_line_and_no_traceback(self, p12):
        done = run("certificate", str(p12), "--passphrase", "planted-secret-2")
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("icsftps: Client certificate: wrong passphrase")
        assert "planted-secret-2" not in done.stderr

    def test_a_file_that_is_not_there(self, tmp_path):
        done = run("certificate", str(tmp_path / "gone.p12"))
        assert done.returncode == 1
        assert "cannot be read: No such file or directory" in done.stderr


class TestSimulate:
    def test_it_says_how_to_connect_serves_and_stops_at_a_signal(self):
        process = subprocess.Popen(
            [*ICSFTPS, "simulate", "--port", "0", "--seconds", "110"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            values = json.loads(process.stdout.readline())
            fields = ConnectionFields(
                "cli", values["host"], values["port"], values["login"], values["password"], values["extra"]
            )
            with GatewayClient(to_settings(fields)) as client:
                client.upload(b"<x/>", service="Manifest", file_name="a.xml")
                assert "status_Manifest_a.xml_1.xml" in [entry.name for entry in client.list_outbox()]
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0

    def test_it_stops_by_itself(self):
        assert run("simulate", "--port", "0", "--seconds", "0.2").returncode == 0

    def test_a_port_that_is_taken_is_one_line(self, simulator):
        done = run("simulate", "--port", str(simulator.port), "--seconds", "5")
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("icsftps: The embedded gateway cannot listen")
