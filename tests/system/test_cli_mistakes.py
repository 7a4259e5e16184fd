"""Mistakes at the command line: one line on standard error, an exit code that says whose it is, and no traceback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import psutil
import pytest
from moments import within
from processes import ICSFTPS
from typer.testing import CliRunner

from airflow_provider_icsftps.cli.app import app
from airflow_provider_icsftps.cli.connecting import asked
from airflow_provider_icsftps.simulator import GatewaySimulator


@pytest.fixture
def place(simulator, tmp_path, monkeypatch):
    """Where commands run: a connection file, the certificate's files, a file to upload, and a file named like one."""
    monkeypatch.chdir(tmp_path)
    simulator.write_credentials(tmp_path)
    (tmp_path / "a.xml").write_text("<a/>")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    return tmp_path


def is_sending(simulator):
    """Say whether the data connection of an upload is there."""
    said = [entry.line for entry in simulator.transcript]
    sent = any(line.startswith("STOR") for line in said)
    return sent and simulator.connections.data == sum(line.startswith("227") for line in said)


def process(*arguments, **options):
    """Run a verb in a process of its own; nobody is there to be asked."""
    streams = {"stdin": subprocess.DEVNULL, "stderr": subprocess.PIPE, "stdout": subprocess.PIPE} | options
    done = subprocess.run(
        [*ICSFTPS, *arguments], text=True, timeout=100, check=False, start_new_session=True, **streams
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["download", "--target", "a.xml", "--connection", "connection.json"], "icsftps: a.xml: File exists"),
        (["simulate", "--port", "0", "--directory", "a.xml"], "Not a directory"),
        (["simulate", "--port", "0", "--credentials", "a.xml"], "a.xml: File exists"),
        (["simulate", "--port", "0", "--host", "no host"], "choose another port or host"),
        (["demo", "--directory", "a.xml"], "Not a directory"),
        (["playground", "--directory", "a.xml"], "a.xml: File exists"),
        (["archive", "verify", "a.xml"], "cannot be read (Not a directory)"),
        (["upload", "gone.xml", "--service", "Manifest", "--connection", "connection.json"], "cannot be opened"),
        (["status", "deep.json", "--connection", "connection.json"], "deep.json is no JSON"),
        (["status", "in/a.xml", "--service", "Manifest", "--connection", "connection.json"], "holds a path separator"),
        (["connection", "--p12", "client.p12", "--host", "h", "--ca", "a.xml", "--no-secrets"], "a.xml holds no cert"),
    ],
)
def test_what_cannot_be_read_or_written_is_one_line(place, arguments, told):
    code, _, errors = process(*arguments)
    (line,) = errors.splitlines()
    assert (code, told in line) == (1, True), line


def test_a_connection_that_airflow_cannot_read_is_not_said_to_be_unknown(place):
    environment = os.environ | {"AIRFLOW_CONN_TOLD": "{", "AIRFLOW_HOME": str(place)}
    code, said, errors = process("check", "--conn-id", "told", "--json", env=environment)
    assert code == 1, errors
    assert json.loads(said)["steps"][0]["sentence"].endswith(
        "; AIRFLOW_CONN_TOLD is set, but is neither JSON of a connection nor a URI"
    )


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_was_filed_is_told_also_where_its_name_cannot_be_written(place, simulator, encoding):
    """A locale of old, or a file whose name is none in this one: the file is filed, and that must be said."""
    names = ["b\udce6d.xml", "ærø 😀.xml"]
    for name in names:
        (place / name).write_text(f"<{name.encode('ascii', 'replace').decode()}/>")
    given = ["upload", "--service", "Manifest", "--connection", "connection.json", *names]
    streams = {"env": os.environ | {"PYTHONIOENCODING": encoding}, "text": False}
    shown = subprocess.run([*ICSFTPS, *given], capture_output=True, timeout=100, check=False, **streams)
    lines = shown.stdout.decode(encoding).splitlines()
    assert (shown.returncode, shown.stderr, [line.split()[0] for line in lines]) == (0, b"", ["filed", "filed"])
    shown = subprocess.run([*ICSFTPS, *given, "--json"], capture_output=True, timeout=100, check=False, **streams)
    assert [outcome["source"] for outcome in json.loads(shown.stdout.decode(encoding))] == names


def test_a_full_disk_is_one_line(place):
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        code, _, errors = process(
            "status", "a.xml", "--service", "Manifest", "--connection", "connection.json", stdout=full
        )
    assert (code, errors) == (1, "icsftps: No space left on device\n")


def test_a_reader_that_has_left_is_no_error_to_talk_about(place):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        code, _, errors = process("check", "--connection", "connection.json", "--json", stdout=closed)
    assert (code, errors) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "--port", "65536"],
        ["simulate", "--port", "-1"],
        ["simulate", "--data-ports", "abc"],
        ["simulate", "--data-ports", "40000-36000"],
        ["simulate", "--data-ports", "36000-70000"],
        ["simulate", "--delivered", "-1"],
        ["simulate", "--responses", "-1"],
        ["simulate", "--seconds", "-1"],
        ["playground", "--port", "65536"],
        ["certificate"],
        ["archive", "list", ".", "--since", "yesterday"],
        ["check", "--connection", "connection.json", "--host", "localhost"],
        ["check", "--conn-id", "customs", "--environment", "tfe", "--ca", "ca.pem"],
        ["upload", "a.xml", "--service", "Manifest", "--connection", "connection.json", "--own-name", "--run-id", "2"],
    ],
)
def test_wrong_use_ends_with_2(place, arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_misspelt_service_is_not_filed(place, simulator):
    code, said, _ = process("upload", "a.xml", "--service", "Manifes", "--connection", "connection.json", "--json")
    (outcome,) = json.loads(said)
    assert (code, outcome["state"], outcome["error"]["error"]) == (1, "failed", "FileNotAvailableError")
    assert simulator.uploads == []


class TestSecrets:
    def test_one_that_nobody_can_be_asked_for_is_told_with_its_variable(self, place):
        code, _, errors = process("check", "--p12", "client.p12", "--host", "localhost", "--password", "x")
        told = "Passphrase of the certificate: it is needed, and nobody is there to be asked; set ICSFTPS_PASSPHRASE"
        assert (code, errors.splitlines()[-1].strip()) == (1, f"icsftps: {told}")

    def test_a_certificate_asks_for_its_passphrase_only_if_it_has_one(self, place, simulator):
        shown = CliRunner().invoke(app, ["certificate", "client.p12"], input=f"{simulator.default_client.passphrase}\n")
        assert shown.exit_code == 0, shown.output
        assert simulator.default_client.username in shown.stdout.replace("\n", "")
        key = (place / "client-key.pem").read_text() + (place / "client.pem").read_text()
        (place / "both.pem").write_text(key)
        assert CliRunner().invoke(app, ["certificate", "both.pem"], input="").exit_code == 0

    def test_who_stops_the_question_gets_130_as_everywhere(self, monkeypatch):
        def stopped(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("getpass.getpass", stopped)
        with pytest.raises(SystemExit) as ended:
            asked("Passphrase of the certificate", "ICSFTPS_PASSPHRASE")
        assert ended.value.code == 130

    def test_an_empty_passphrase_is_one_and_is_not_asked_for(self, place):
        shown = CliRunner().invoke(app, ["certificate", "client.p12", "--passphrase", ""], input="")
        assert str(shown.exception).startswith("Client certificate: wrong passphrase")


def test_a_path_is_shown_as_it_is(place):
    """Square brackets are no markup of ours, and no line is broken in it."""
    target = place / ("[red]" + "long" * 20)
    target.mkdir()
    (place / "both.pem").write_text((place / "client-key.pem").read_text() + (place / "client.pem").read_text())
    done = CliRunner().invoke(app, ["certificate", "both.pem", "--public", str(target / "public.pem")])
    assert (done.exit_code, f"is in {target}/public.pem." in done.stdout) == (0, True), done.stdout


def test_no_shell_is_given_a_variable_that_it_does_not_take(place):
    asked = ["connection", "--p12", "client.p12", "--host", "localhost", "--no-secrets", "--conn-id"]
    assert "export AIRFLOW_CONN_CUSTOMS=" in CliRunner().invoke(app, [*asked, "customs"]).stdout
    hyphen = CliRunner().invoke(app, [*asked, "customs-test"]).stdout
    assert "export" not in hyphen
    assert "airflow connections add customs-test --conn-json" in hyphen


@pytest.fixture
def heeded():
    """A process that we start heeds signals, also where this one was told not to, as by nohup or a shell's "&"."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("heeded")
def test_a_command_that_is_stopped_while_it_starts_says_nothing(place):
    """It imports for a second or so."""
    code = (
        "import builtins, os, signal; plain = builtins.__import__\n"
        "def stopped(name, *rest, **more):\n"
        "    if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return plain(name, *rest, **more)\n"
        "builtins.__import__ = stopped\n"
        "from airflow_provider_icsftps.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_demo_that_is_stopped_leaves_no_airflow_behind(place, number):
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([*ICSFTPS, "demo", "--directory", "demo"], **streams, start_new_session=True) as demo:
        log = place / "demo" / "airflow.log"
        assert within(120, lambda: log.exists() and log.stat().st_size)  # Airflow is at work
        children = psutil.Process(demo.pid).children()
        demo.send_signal(number)
        assert demo.wait(60) == (-number if number is signal.SIGKILL else 128 + number)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert (alive, demo.stderr.read()) == ([], b"")


@pytest.mark.usefixtures("heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_upload_that_is_stopped_is_aborted_and_does_not_just_end(tmp_path, number):
    with GatewaySimulator() as simulator:
        (tmp_path / "connection.json").write_text(json.dumps(simulator.connection()))
        with (tmp_path / "big.xml").open("wb") as big:
            big.truncate(1 << 30)
        command = [*ICSFTPS, "upload", "big.xml", "--service", "Manifest", "--connection", "connection.json"]
        with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE) as upload:
            assert within(60, lambda: is_sending(simulator))
            upload.send_signal(number)
            assert (upload.wait(60), upload.stderr.read()) == (128 + number, b"")
        assert within(20, lambda: any("ABOR" in entry.line for entry in simulator.transcript))
        assert [record for record in simulator.uploads if record.filed] == []
        simulator.check()
