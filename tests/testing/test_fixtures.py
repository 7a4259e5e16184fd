"""The shipped fixtures, in a pytest of their own as a user starts it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook
from airflow_provider_icsftps.testing.airflow_home import AirflowHome

PLUGIN = "airflow_provider_icsftps.testing.pytest_plugin"
pytestmark = pytest.mark.timeout(300)  # some import Airflow and make a database, in a process of their own


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A user's project whose conftest.py loads the fixtures, where nothing is known of the Airflow of our own tests."""
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        monkeypatch.delenv(name)
    pytester.makeconftest(f'pytest_plugins = ["{PLUGIN}"]')
    return pytester


def test_each_test_has_a_gateway_of_its_own_that_ends_with_it(project):
    project.makepyfile(
        """
        import threading

        seen = []

        def test_one(icsftps_gateway, icsftps_client):
            icsftps_client.upload(b"<a/>", service="Manifest", file_name="a.xml")
            assert len(icsftps_gateway.uploads) == 1
            assert "status_Manifest_a.xml_1.xml" in icsftps_gateway.outbox()
            icsftps_gateway.faults.busy_421(times=None)
            seen.append(icsftps_gateway)

        def test_nothing_is_left(pytestconfig):
            assert not [t.name for t in threading.enumerate() if t.name.startswith("icsftps")]

        def test_another(icsftps_gateway, icsftps_client):
            assert icsftps_gateway is not seen[0]
            assert icsftps_gateway.uploads == icsftps_gateway.outbox() == icsftps_gateway.faults.active == []
            # the certificates are the same: Airflow's masker keeps each that it meets
            assert icsftps_gateway.default_client.p12 == seen[0].default_client.p12
            icsftps_client.upload(b"<a/>", service="Manifest", file_name="a.xml")
            assert icsftps_gateway.uploads[0].filed
        """
    )
    project.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_the_gateway_can_be_made_otherwise(project):
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def icsftps_gateway_parameters():
            return {"services": ["ICS"], "delays": {2: None, 3: None}}

        def test_ics(icsftps_gateway, icsftps_client):
            icsftps_client.upload(b"<a/>", service="ICS", file_name="a.xml")
            icsftps_gateway.clock.advance(days=1)
            assert icsftps_gateway.outbox() == ["status_ICS_a.xml_1.xml"]
        """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_failed_test_shows_what_passed_over_the_connections(project):
    project.makepyfile(
        """
        def test_fine(icsftps_client):
            icsftps_client.list_outbox()

        def test_wrong(icsftps_client, icsftps_gateway, record_property):
            icsftps_client.list_outbox()
            print("PASSWORD", icsftps_gateway.default_client.password)
            assert False

        def test_long(icsftps_client):
            for _ in range(50):
                icsftps_client.list_outbox()
            assert False
        """
    )
    done = project.runpytest_subprocess("-p", "no:randomly")
    done.assert_outcomes(passed=1, failed=2)
    fine, wrong, long = (done.stdout.str().split(f" test_{name} ") for name in ("fine", "wrong", "long"))
    assert len(fine) == 1
    shown, _, captured = wrong[1].partition("- Captured stdout call -")
    shown += captured.partition("- icsftps_gateway -")[2].partition("____")[0]
    assert "[1] > PASS ****" in shown
    assert "[1] < 230 Login successful." in shown
    password = captured.split("PASSWORD ")[1].split()[0]
    assert len(password) > 10
    assert password not in shown
    assert " lines before)" in long[1]


def test_an_error_inside_the_gateway_fails_the_test(project):
    project.makepyfile(
        """
        import shutil

        def test_it(icsftps_gateway, icsftps_client):
            icsftps_gateway.clock.advance(days=1)
            folder = icsftps_gateway._gateway.storage.directory
            icsftps_client.upload(b"<a/>", service="Manifest", file_name="a.xml")
            shutil.rmtree(folder / "homes")
            try:
                icsftps_client.list_outbox()
            except Exception:
                pass
        """
    )
    done = project.runpytest_subprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*FileNotFoundError*homes*"])


def test_no_variable_of_an_airflow_in_use_is_left(project, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "/opt/airflow")
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", "icsftps://the-real-gateway")
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql://in/use")
    project.mkpydir("nested").joinpath("conftest.py").write_text("import airflow.configuration\n")
    project.makepyfile(
        **{
            "nested/test_home": """
            import os
            from pathlib import Path

            from airflow.configuration import AIRFLOW_HOME, conf

            def test_home(icsftps_airflow):
                assert "icsftps-airflow-" in AIRFLOW_HOME
                assert conf.get("database", "sql_alchemy_conn") == f"sqlite:///{AIRFLOW_HOME}/airflow.db"
                assert (Path(AIRFLOW_HOME) / "airflow.db").stat().st_size
                assert "AIRFLOW_CONN_ICSFTPS_DEFAULT" not in os.environ
                Path("home").write_text(AIRFLOW_HOME)
            """
        }
    )
    project.runpytest_subprocess("nested").assert_outcomes(passed=1)
    home = Path("home").read_text()
    assert home.startswith("/")
    assert not Path(home).exists()


def test_airflow_that_was_imported_before_is_not_used(project):
    project.makeconftest(f'import airflow\n\npytest_plugins = ["{PLUGIN}"]')
    project.makepyfile(
        """
        def test_gateway(icsftps_client):
            assert icsftps_client.list_outbox() == []

        def test_dag(icsftps_run_dag):
            raise AssertionError("not reached")
        """
    )
    done = project.runpytest_subprocess()
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*RuntimeError: Airflow was imported before this plugin was loaded*"])


def test_the_plugin_can_be_named_on_the_command_line(project):
    project.makeconftest("import airflow.configuration")
    project.makepyfile("def test_home(icsftps_airflow): pass")
    project.runpytest_subprocess("-p", PLUGIN).assert_outcomes(passed=1)


@pytest.mark.parametrize("missing", ["pyftpdlib", "OpenSSL"])
def test_what_is_missing_is_told_in_one_line(project, missing):
    project.makeconftest(f'import sys\n\nsys.modules["{missing}"] = None\npytest_plugins = ["{PLUGIN}"]')
    done = project.runpytest_subprocess()
    assert done.ret != 0
    done.stderr.fnmatch_lines([f"*need {missing}; install 'airflow-provider-icsftps?testing?'*"])


def test_the_environment_is_as_it_was_when_the_home_is_left(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "airflow", None)
    monkeypatch.delitem(__import__("sys").modules, "airflow")
    for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIRFLOW_VAR_COLOUR", "blue")
    before = dict(os.environ)
    home = AirflowHome()
    home.enter()
    folder = Path(os.environ["AIRFLOW_HOME"])
    assert folder.is_dir()
    assert "AIRFLOW_VAR_COLOUR" not in os.environ
    home.leave()
    home.leave()
    assert dict(os.environ) == before
    assert not folder.exists()


def test_parallel_workers_have_an_airflow_each(project):
    """They inherit the environment of the process that starts them; one database for all was made by each of them."""
    project.makeconftest(f'pytest_plugins = ["{PLUGIN}"]')
    project.makepyfile(
        """
        import os
        from pathlib import Path

        def test_home(icsftps_airflow, worker_id):
            Path(f"{worker_id}.home").write_text(os.environ["AIRFLOW_HOME"])
        """
    )
    project.runpytest_subprocess("--dist", "each", "--tx", "2*popen").assert_outcomes(passed=2)
    homes = {path.read_text() for path in project.path.rglob("*.home")}
    assert len(homes) == 2
    assert not any(Path(home).exists() for home in homes)


def test_an_airflow_for_tests_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__UNIT_TEST_MODE", "True")
    before = dict(os.environ)
    home = AirflowHome()
    home.enter()
    assert dict(os.environ) == before
    home.leave()
    assert dict(os.environ) == before


def test_connections_are_those_of_airflow(icsftps_gateway, icsftps_connect, icsftps_connection):
    other = icsftps_gateway.client_certificate()
    icsftps_connect("customs_tfe", other, sessions=2)
    hook = IcsFtpsHook(icsftps_connection)
    assert (icsftps_connection, hook.get_settings().username) == (
        "icsftps_default",
        icsftps_gateway.default_client.username,
    )
    settings = IcsFtpsHook("customs_tfe").get_settings()
    assert (settings.username, settings.sessions) == (other.username, 2)
    assert hook.test_connection()[0]
