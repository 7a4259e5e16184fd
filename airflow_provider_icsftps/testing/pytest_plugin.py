"""
Fixtures to test DAGs against the embedded gateway, without an account, a network, or Airflow's services.

Load them in the ``conftest.py`` at the top of your tests, which must import nothing of Airflow::

    pytest_plugins = ["airflow_provider_icsftps.testing.pytest_plugin"]

docs/testing.md shows a DAG and its tests. Needs the extra ``testing``.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Generator, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

try:
    import pytest

    from airflow_provider_icsftps.simulator import GatewaySimulator, IssuedCertificate
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"The fixtures for tests need {error.name}; install 'airflow-provider-icsftps[testing]'", name=error.name
    ) from None

from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.testing.airflow_home import AirflowHome
from airflow_provider_icsftps.testing.dag_runs import DagResult, hurried, load_dag, run

if TYPE_CHECKING:
    from airflow.sdk import DAG

_GATEWAY = pytest.StashKey[GatewaySimulator]()
_LINES_SHOWN = 200
_HOME = "icsftps-airflow-home"


class Connect(Protocol):
    """What the fixture ``icsftps_connect`` is."""

    def __call__(self, conn_id: str, certificate: IssuedCertificate | None = None, **extra: Any) -> str:
        """
        Make an Airflow connection to the embedded gateway, for the rest of the test.

        :param conn_id: its id.
        :param certificate: whose, from ``icsftps_gateway.client_certificate()``; by default the default client's.
        :param extra: more fields of the connection's extra, such as ``sessions=2``.
        :return: the id.
        """


class RunDag(Protocol):
    """What the fixture ``icsftps_run_dag`` is."""

    def __call__(
        self,
        dag: DAG | Path | str,
        *,
        dag_id: str | None = None,
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
        poke_interval: float = 0.1,
        timeout: float = 60.0,
    ) -> DagResult:
        """
        Run a DAG to its end, in this process, against the embedded gateway.

        What would take long does not: a retry comes at once, sensors look every ``poke_interval`` seconds, and who
        waits for an answer is carried to its moment (:meth:`GatewaySimulator.waits_skipped`).

        :param dag: the DAG, or the path of its file.
        :param dag_id: which of several DAGs in the file.
        :param conf: the run's configuration, which may hold other values for the DAG's params.
        :param logical_date: the run's date, aware; by default now. The same date again repeats the same run, as
            clearing all its tasks does.
        :param poke_interval: seconds between two looks of sensors and waiting operators.
        :param timeout: seconds that each of them waits at most; shorter limits of the DAG stay.
        :raises ValueError: when the file cannot be imported, or holds no such DAG, or several; or the date has no zone.
        """


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """
    Make the Airflow home as soon as this plugin is loaded: what is loaded later may import Airflow.

    :param plugin: what was loaded.
    :param manager: pytest's.
    """
    if plugin is sys.modules[__name__] and not manager.has_plugin(_HOME):
        home = _Home()
        home.enter()
        manager.register(home, _HOME)


class _Home(AirflowHome):
    """The Airflow home of this test run, until its end."""

    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self) -> None:
        self.leave()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """
    Show what passed over the gateway's control connections when a test fails.

    :param item: the test.
    """
    report = yield
    gateway = item.stash.get(_GATEWAY, None)
    if report.failed and gateway is not None:
        lines = [str(entry) for entry in gateway.transcript]
        left_out = [f"({len(lines) - _LINES_SHOWN} lines before)"] if len(lines) > _LINES_SHOWN else []
        report.sections.append(("icsftps_gateway", "\n".join(left_out + lines[-_LINES_SHOWN:])))
    return report


@pytest.fixture(scope="session")
def icsftps_identities(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    A simulator's directory with its certificates and passwords, for all tests alike.

    Airflow's secrets masker keeps every secret it meets; a new certificate for each test would slow it to a crawl.
    """
    directory = tmp_path_factory.mktemp("icsftps-identities")
    with GatewaySimulator(directory=directory):
        pass
    return directory


@pytest.fixture
def icsftps_gateway_parameters() -> dict[str, Any]:
    """
    The parameters of :class:`GatewaySimulator` for ``icsftps_gateway``, none by default.

    Define a fixture of this name to have some, such as ``{"services": ["ICS"]}``.
    """
    return {}


@pytest.fixture
def icsftps_gateway(
    icsftps_identities: Path,
    icsftps_gateway_parameters: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[GatewaySimulator]:
    """
    An embedded gateway of this test's own, on a free port of loopback.

    It has nothing in it but one client. At the test's end it is stopped, and an error that happened inside it is
    raised. When the test fails, commands and replies are shown, passwords starred.
    """
    directory = tmp_path_factory.mktemp("icsftps-gateway") / "state"
    shutil.copytree(icsftps_identities, directory)
    with GatewaySimulator(**{"directory": directory} | icsftps_gateway_parameters) as gateway:
        request.node.stash[_GATEWAY] = gateway
        yield gateway
    gateway.check()


@pytest.fixture
def icsftps_client(icsftps_gateway: GatewaySimulator) -> Iterator[GatewayClient]:
    """A client that is logged in to the embedded gateway, as its default client."""
    with GatewayClient(icsftps_gateway.settings()) as client:
        yield client


@pytest.fixture
def icsftps_connect(icsftps_gateway: GatewaySimulator, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """A function that makes Airflow connections to the embedded gateway; see :class:`Connect`."""

    def connect(conn_id: str, certificate: IssuedCertificate | None = None, **extra: Any) -> str:
        connection = icsftps_gateway.connection(certificate)
        connection["extra"] |= extra
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        return conn_id

    return connect


@pytest.fixture
def icsftps_connection(icsftps_connect: Connect) -> str:
    """The id of the Airflow connection ``icsftps_default``, which leads to the embedded gateway in this test."""
    return icsftps_connect("icsftps_default")


@pytest.fixture(scope="session")
def icsftps_airflow(pytestconfig: pytest.Config) -> None:
    """Airflow's metadata database, SQLite in a temporary folder, made once for all tests."""
    home = pytestconfig.pluginmanager.get_plugin(_HOME)
    if isinstance(home, _Home):
        home.make_database()


@pytest.fixture
def icsftps_run_dag(
    icsftps_airflow: None,  # noqa: ARG001  # the database must be there
    icsftps_connection: str,  # noqa: ARG001  # so that no DAG reaches another gateway by the default id
    icsftps_gateway: GatewaySimulator,
) -> RunDag:
    """A function that runs a DAG against the embedded gateway; see :class:`RunDag`."""

    def run_dag(
        dag: DAG | Path | str,
        *,
        dag_id: str | None = None,
        conf: dict[str, Any] | None = None,
        logical_date: datetime | None = None,
        poke_interval: float = 0.1,
        timeout: float = 60.0,
    ) -> DagResult:
        loaded = load_dag(Path(dag), dag_id) if isinstance(dag, Path | str) else dag
        with icsftps_gateway.waits_skipped(), hurried(loaded, poke_interval, timeout):
            return run(loaded, conf, logical_date)

    return run_dag
