"""The wheel alone, with no extra and no tool beside it, does all that needs no simulator."""

from __future__ import annotations

import json
import re

import pytest

from airflow_provider_icsftps import __version__
from airflow_provider_icsftps.cli.airflow_home import environment
from airflow_provider_icsftps.get_provider_info import get_provider_info
from airflow_provider_icsftps.simulator import GatewaySimulator

pytestmark = pytest.mark.timeout(600)  # for an index that is slow

EXTRAS = ["pyftpdlib", "OpenSSL", "openlineage", "airflow.providers.openlineage", "pytest", "mypy"]


@pytest.fixture
def connection_file(bare, simulator):
    file = bare.home / "connection.json"
    file.write_text(json.dumps(simulator.connection()))
    return file.name


def test_every_module_but_those_of_an_extra_is_imported_without_it(bare, distributions):
    paths = [name.removesuffix(".py") for name in distributions.in_wheel if name.endswith(".py")]
    names = [path.removesuffix("/__init__").replace("/", ".") for path in paths]
    ours = [name for name in names if not re.search(r"\.(simulator|example_dags|testing\.pytest_plugin)\b", name)]
    assert {"airflow_provider_icsftps.gateway.client", "airflow_provider_icsftps.triggers.icsftps"} <= set(ours)
    program = (
        "import importlib, importlib.util, json, airflow_provider_icsftps\n"
        f"for name in {ours!r}: importlib.import_module(name)\n"
        f"def there(name): return importlib.util.find_spec(name.partition('.')[0]) and importlib.util.find_spec(name)\n"
        f"print(json.dumps([airflow_provider_icsftps.__file__, *filter(there, {EXTRAS!r})]))"
    )
    assert json.loads(bare.python(program)) == [str(bare.package / "__init__.py")]


def test_the_command_tells_its_version_and_its_verbs(bare):
    assert bare.run("icsftps", "--version").stdout == f"icsftps {__version__}\n"
    shown = bare.run("icsftps", "--help")
    assert shown.returncode == 0, shown.stderr
    for verb in ("archive", "certificate", "check", "connection", "demo", "download", "simulate", "status", "upload"):
        assert verb in shown.stdout


@pytest.mark.parametrize("verb", ["simulate", "demo", "playground"])
def test_a_verb_that_needs_the_simulator_says_what_to_install(bare, verb):
    done = bare.run("icsftps", verb)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert re.match(r"icsftps: The embedded gateway needs \w+; install ", done.stderr)
    assert done.stderr.endswith("install 'airflow-provider-icsftps[simulator]'\n")


def test_the_fixtures_for_tests_say_what_to_install(bare):
    done = bare.run("python", "-c", "import airflow_provider_icsftps.testing.pytest_plugin")
    assert done.returncode == 1
    assert done.stderr.endswith("install 'airflow-provider-icsftps[testing]'\n")


def test_airflow_finds_the_provider(bare):
    program = (
        "import json; from airflow.providers_manager import ProvidersManager; manager = ProvidersManager(); "
        "provider = manager.providers['airflow-provider-icsftps']; "
        "print(json.dumps([provider.version, provider.data, 'icsftps' in manager.hooks]))"
    )
    version, info, has_connection_type = json.loads(bare.python(program))
    assert (version, has_connection_type) == (__version__, True)
    assert info.pop("documentation-url").strip() == "https://pypi.org/project/airflow-provider-icsftps/"
    assert info == get_provider_info()


def test_the_gateway_is_checked_and_a_file_is_filed_once(bare, simulator, connection_file):
    checked = bare.run("icsftps", "check", "--connection", connection_file, "--service", "Manifest")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "All is well" in checked.stdout
    (bare.home / "departure.xml").write_text("<departure/>")
    for word in ("filed ", "filed before"):
        command = ("upload", "departure.xml", "--service", "Manifest", "--connection", connection_file)
        done = bare.run("icsftps", *command)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(word)
    assert len([upload for upload in simulator.uploads if upload.filed]) == 1


def test_the_dag_of_the_demonstration_files_defers_and_fetches(bare, tmp_path):
    result = tmp_path / "result.json"
    conf = json.dumps({"target": str(tmp_path / "responses")})
    module = "airflow_provider_icsftps.cli._run_dag"
    # later than a slow machine's first look, which finds nothing and defers
    with GatewaySimulator(services=["Manifest"], delays={1: 0, 2: 0, 3: 25}) as simulator:
        variables = environment(tmp_path, simulator.connection())
        airflow = {name: value for name, value in variables.items() if name.startswith("AIRFLOW")}
        airflow["AIRFLOW__CORE__DAGS_FOLDER"] = str(bare.package / "example_dags")
        done = bare.run("python", "-W", "ignore", "-m", module, "manifest_submission", conf, str(result), **airflow)
    simulator.check()
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(result.read_text())["state"] == "success"
    assert "running trigger in line" in done.stdout + done.stderr
    assert len(list((tmp_path / "responses").glob("*_response1.xml"))) == 3
    assert len([upload for upload in simulator.uploads if upload.filed]) == 3
