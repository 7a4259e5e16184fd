"""Secrets of a connection, looked for where Airflow could show them: REST API, Test button, task logs, files."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_icsftps.cli.airflow_home import environment
from airflow_provider_icsftps.simulator.issued import pkcs12_file

PASSPHRASE = "planted-passphrase-7391"
PASSWORD = "planted-password-7391"

ASK = """
import json, os, sys
os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"
from airflow.utils.db import initdb

initdb()
from airflow.api_fastapi.app import create_app
from starlette.testclient import TestClient

connections = json.loads(sys.argv[1])
answers = {}
with TestClient(create_app(), base_url="http://localhost") as client:
    token = client.get("/auth/token").json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"
    for conn_id, values in connections.items():
        body = values | {"connection_id": conn_id, "extra": json.dumps(values["extra"])}
        made = client.post("/api/v2/connections", json=body)
        shown = client.get(f"/api/v2/connections/{conn_id}")
        tested = client.post("/api/v2/connections/test", json=body)
        answers[conn_id] = [(answer.status_code, answer.text) for answer in (made, shown, tested)]
    answers["all"] = [(answer.status_code, answer.text) for answer in [client.get("/api/v2/connections")]]
print("ANSWERS " + json.dumps(answers))
"""

DAG = """
from airflow.sdk import dag

from airflow_provider_icsftps.operators.icsftps import IcsFtpsCertificateExpiryOperator, IcsFtpsUploadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor


@dag(schedule=None)
def shows_nothing():
    filed = IcsFtpsUploadOperator(task_id="file", source="{source}", service="Manifest")
    IcsFtpsResponseSensor(task_id="wait", submission=filed.output, deferrable=True, poke_interval=0.2, timeout=60)
    IcsFtpsCertificateExpiryOperator(task_id="watch")
    for conn_id in ("wrong_password", "wrong_passphrase", "pem"):
        IcsFtpsUploadOperator(
            task_id=conn_id, source="{source}", service="Manifest", icsftps_conn_id=conn_id, outage_timeout=0
        )


shows_nothing()
"""


@pytest.fixture
def connections(simulator):
    """Connections that work and that do not, each full of secrets."""
    client = simulator.client_certificate(password=PASSWORD)
    p12 = base64.b64encode(pkcs12_file(client.certificate, PASSPHRASE)).decode()
    good = simulator.connection(client)
    good["extra"] |= {"private_key_p12": p12, "private_key_passphrase": PASSPHRASE}
    pem = good | {"extra": {"private_key_pem": client.pem.decode(), "ca_pem": simulator.ca_pem}}
    return {
        "good": good,
        "pem": pem,
        "wrong_password": good | {"password": f"{PASSWORD}-wrong"},
        "wrong_passphrase": good | {"extra": good["extra"] | {"private_key_passphrase": f"{PASSPHRASE}-wrong"}},
    }


@pytest.fixture
def secrets(connections) -> list[str]:
    """What must not be seen: passwords, and any longer piece of the key or the .p12."""
    key = connections["pem"]["extra"]["private_key_pem"].partition("-----END")[0].splitlines()[1:]
    p12 = connections["good"]["extra"]["private_key_p12"]
    return [PASSWORD, PASSPHRASE, *key, *(p12[i : i + 40] for i in range(0, len(p12) - 40, 40))]


def seen(secrets: list[str], text: str) -> list[str]:
    return [secret for secret in secrets if secret in text]


@pytest.mark.timeout(550)
def test_the_rest_api_and_the_test_button_show_no_secret(connections, secrets, tmp_path):
    home = environment(tmp_path, {"conn_type": "icsftps"})
    home |= {
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of this test alone, and long enough for it",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK, json.dumps(connections)],
        env=home,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ANSWERS ")]
    answers = json.loads(line.removeprefix("ANSWERS "))
    for conn_id in connections:
        (made, _), (shown, body), (tested, result) = answers[conn_id]
        assert (made, shown, tested) == (201, 200, 200), answers[conn_id]
        extra = json.loads(json.loads(body)["extra"])
        assert {value for key, value in extra.items() if key.startswith("private_key")} == {"***"}
        assert json.loads(result)["status"] is (conn_id in {"good", "pem"}), result
    assert "refuses the password" in answers["wrong_password"][2][1]
    assert "The passphrase does not open" in answers["wrong_passphrase"][2][1]
    assert seen(secrets, done.stdout + done.stderr) == []


@pytest.mark.timeout(550)
def test_task_logs_and_what_tasks_leave_behind_show_no_secret(connections, secrets, tmp_path):
    source = tmp_path / "manifest.xml"
    source.write_bytes(b"<manifest/>")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "shows_nothing.py").write_text(DAG.format(source=source))
    home = environment(tmp_path / "home", connections["good"])
    home |= {f"AIRFLOW_CONN_{name.upper()}": json.dumps(values) for name, values in connections.items()}
    # not DEBUG for all: Airflow itself, when it tests a DAG, then logs what it is asked to mask
    home |= {
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "airflow_provider_icsftps=DEBUG",
    }
    result = tmp_path / "result.json"
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_icsftps.cli._run_dag", "shows_nothing", "{}", str(result)],
        env=home,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    states = {task["task_id"]: task["state"] for task in json.loads(result.read_text())["tasks"]}
    assert states == {
        **dict.fromkeys(("file", "wait", "watch", "pem"), "success"),
        **dict.fromkeys(("wrong_password", "wrong_passphrase"), "failed"),
    }
    shown = done.stdout + done.stderr + result.read_text()
    assert "LoginRefusedError" in shown
    assert "CertificateError" in shown
    shown += "".join(path.read_text(errors="replace") for path in _written(tmp_path))
    assert seen(secrets, shown) == []


def _written(folder: Path) -> list[Path]:
    """All files of a run, the database with task state and XComs included."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".py"]


@pytest.mark.timeout(120)
def test_airflows_own_command_shows_all_to_who_may_run_it(connections, secrets, tmp_path):
    """Known and told in docs/connection.md: whoever has a shell beside Airflow can read its connections."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "connections", "get", "good", "-o", "json"],
        env=environment(tmp_path, {}) | {"AIRFLOW_CONN_GOOD": json.dumps(connections["good"])},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert seen(secrets, done.stdout), done.stderr[-2000:]
