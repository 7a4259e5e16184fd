from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import airflow_provider_icsftps
from airflow_provider_icsftps.gateway.names import FileNameRule
from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, GatewaySettings
from airflow_provider_icsftps.get_provider_info import get_provider_info
from airflow_provider_icsftps.hooks._connection import EXTRAS

INFO = get_provider_info()
(CONNECTION_TYPE,) = INFO["connection-types"]
FORM = CONNECTION_TYPE["conn-fields"]
SECRETS = {"private_key_p12", "private_key_pem", "private_key_passphrase"}
KINDS = ("hooks", "operators", "sensors", "triggers")
DEFAULTS = {f.name: f.default for f in fields(GatewaySettings)} | {
    "environment": "custom",
    "file_name_characters": FileNameRule().characters,
    "file_name_max_length": FileNameRule().max_length,
}


def schema(name: str) -> dict:
    (folder,) = importlib.util.find_spec("airflow").submodule_search_locations
    return json.loads((Path(folder) / name).read_text())


def test_it_is_read_without_airflow_and_without_anything_heavy():
    program = (
        "import sys; from airflow_provider_icsftps.get_provider_info import get_provider_info; get_provider_info(); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.split())
    assert "airflow_provider_icsftps" in loaded
    assert not {"airflow", "cryptography", "pendulum", "defusedxml", "ssl", "asyncio", "rich", "typer"} & loaded


def test_no_module_of_the_core_is_read_with_it():
    program = "import sys, airflow_provider_icsftps.get_provider_info; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    ours = {name for name in run.stdout.split() if name.startswith("airflow_provider_icsftps")}
    assert ours == {"airflow_provider_icsftps", "airflow_provider_icsftps.get_provider_info"}


def test_it_is_json_and_the_same_each_time():
    assert json.loads(json.dumps(INFO)) == INFO == get_provider_info()


def test_airflow_accepts_it():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(INFO, schema("provider_info.schema.json"))
    stricter = schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(INFO["connection-types"], stricter)


def test_it_is_this_package():
    assert INFO["package-name"] == "airflow-provider-icsftps"
    assert INFO["versions"] == [airflow_provider_icsftps.__version__]


@pytest.mark.parametrize("kind", KINDS)
def test_every_module_in_it_imports(kind):
    (group,) = INFO[kind]
    assert group["python-modules"] == [f"airflow_provider_icsftps.{kind}.icsftps"]
    for module in group["python-modules"]:
        assert importlib.import_module(module)


def test_every_integration_in_it_is_described():
    described = {integration["integration-name"] for integration in INFO["integrations"]}
    assert {group["integration-name"] for kind in KINDS for group in INFO[kind]} == described


def test_the_hook_of_the_connection_type_imports_and_knows_it():
    module, _, name = CONNECTION_TYPE["hook-class-name"].rpartition(".")
    hook = getattr(importlib.import_module(module), name)
    assert (hook.conn_type, hook.hook_name) == (CONNECTION_TYPE["connection-type"], CONNECTION_TYPE["hook-name"])
    assert hook.default_conn_name == "icsftps_default"


def test_the_form_holds_every_extra_and_no_other():
    assert set(FORM) == EXTRAS


@pytest.mark.parametrize("name", sorted(set(FORM) & set(DEFAULTS)))
def test_the_form_shows_the_default_that_is_used(name):
    assert FORM[name]["schema"].get("default") == (DEFAULTS[name] if DEFAULTS[name] is not None else None)


def test_the_form_offers_every_environment():
    assert FORM["environment"]["schema"]["enum"] == [*ENVIRONMENTS, "custom"]


@pytest.mark.parametrize("name", FORM)
def test_every_field_may_be_left_empty_and_is_explained(name):
    assert "null" in FORM[name]["schema"]["type"]
    assert FORM[name]["label"]
    assert FORM[name]["description"].endswith((".", "certificate.p12"))


def test_a_field_with_a_password_format_is_a_secret():
    assert {name for name in FORM if FORM[name]["schema"].get("format") == "password"} <= SECRETS


@pytest.mark.parametrize("name", FORM)
def test_airflow_masks_what_is_secret_and_nothing_else(name):
    masker = importlib.import_module("airflow.sdk._shared.secrets_masker")
    assert masker.should_hide_value_for_key(name) is (name in SECRETS)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_extra_is_redacted_by_airflow(name):
    masker = importlib.import_module("airflow.sdk._shared.secrets_masker")
    assert masker.redact({name: "GEHEIM-7391", "outbox": "/out"}) == {name: "***", "outbox": "/out"}
