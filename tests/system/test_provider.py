"""Airflow finds the provider, its connection type and its form; without FAB."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_icsftps.cli.airflow_home import environment


def airflow(home: Path, *arguments: str) -> str:
    """Run Airflow's own command in a home of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *arguments],
        env=environment(home, {"conn_type": "icsftps"}),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_fab_is_not_installed():
    assert importlib.util.find_spec("airflow.providers.fab") is None


def test_the_providers_manager_knows_the_connection_type():
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    hook = ProvidersManagerTaskRuntime().hooks["icsftps"]
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("ICS FTPS gateway", "icsftps_conn_id")


# Airflow 3.2 asks its own providers manager by a name that it has deprecated
@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
def test_the_ui_gets_the_declared_form():
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    (meta,) = [meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "icsftps"]
    fields = meta.extra_fields
    assert {"environment", "private_key_p12", "private_key_passphrase", "ca_pem", "data_timeout"} <= set(fields)
    assert fields["environment"]["schema"]["enum"] == ["production", "tfe", "legacy", "custom"]
    assert fields["ca_pem"]["schema"]["format"] == "multiline"
    assert meta.standard_fields.login.title == "Username"
    assert meta.standard_fields.url_schema.hidden


@pytest.mark.timeout(600)
def test_the_airflow_command_lists_the_provider_and_keeps_a_connection(simulator, tmp_path):
    assert "airflow-provider-icsftps" in airflow(tmp_path, "providers", "list")
    airflow(tmp_path, "db", "migrate")
    airflow(tmp_path, "connections", "add", "icsftps_cli", "--conn-json", json.dumps(simulator.connection()))
    shown = airflow(tmp_path, "connections", "get", "icsftps_cli", "-o", "json")
    assert simulator.default_client.username in shown
