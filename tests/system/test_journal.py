"""The journal in Airflow's own task state store: a real retry knows how the try before it ended."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version

import pytest
from packaging.version import Version

from airflow_provider_icsftps.cli.airflow_home import environment

DAG = """
from datetime import timedelta

from airflow.sdk import dag

from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator


@dag(schedule=None)
def breaks_once():
    IcsFtpsUploadOperator(
        task_id="file",
        source="{source}",
        service="Manifest",
        outage_timeout=0,
        retries=1,
        retry_delay=timedelta(0),
    )


breaks_once()
"""


@pytest.mark.timeout(550)
@pytest.mark.skipif(
    Version(version("apache-airflow-core")) < Version("3.3"), reason="Airflow 3.2 keeps no state over tries"
)
def test_a_retry_knows_that_the_transfer_before_it_broke(simulator, tmp_path):
    source = tmp_path / "manifest.xml"
    source.write_bytes(b"<manifest>" + b"<line/>" * 100_000 + b"</manifest>")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "breaks_once.py").write_text(DAG.format(source=source))
    simulator.start_outage()  # no status file helps: only the journal can know
    simulator.faults.drop_after_bytes(100_000, "upload", reset=True)
    result = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_icsftps.cli._run_dag", "breaks_once", "{}", str(result)],
        env=environment(tmp_path, simulator.connection()) | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    (task,) = json.loads(result.read_text())["tasks"]
    assert task["state"] == "success", done.stdout[-3000:]
    assert task["returned"]["file_name"].endswith("-g2.xml")
    assert [record.filed for record in simulator.uploads] == [False, True]
