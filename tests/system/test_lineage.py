"""OpenLineage is told what was read and written."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_icsftps.cli.airflow_home import environment
from airflow_provider_icsftps.operators._lineage import Lineage, at_path

DAG = """
from airflow.sdk import dag

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator, IcsFtpsUploadOperator


@dag(schedule=None)
def traced():
    filed = IcsFtpsUploadOperator(task_id="file", source="{source}", service="Manifest", wait_until="response")
    IcsFtpsDownloadOperator(task_id="fetch", responses=filed.output, archive="{archive}")


traced()
"""


def run(simulator, tmp_path, **variables):
    source = tmp_path / "manifest.xml"
    source.write_bytes(b"<manifest/>")
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "traced.py").write_text(DAG.format(source=source, archive=tmp_path / "archive"))
    result = tmp_path / "result.json"
    done = subprocess.run(
        [sys.executable, "-m", "airflow_provider_icsftps.cli._run_dag", "traced", "{}", str(result)],
        env=environment(tmp_path, simulator.connection()) | {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)} | variables,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert result.exists(), done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads(result.read_text())["state"] == "success", done.stdout[-3000:]


@pytest.mark.timeout(550)
def test_uploads_and_downloads_report_their_files(simulator, tmp_path):
    events = tmp_path / "events.jsonl"
    transport = json.dumps({"type": "file", "log_file_path": str(events), "append": True})
    run(simulator, tmp_path, AIRFLOW__OPENLINEAGE__TRANSPORT=transport)
    told = {}
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event["eventType"] == "COMPLETE":
            told[event["job"]["name"]] = [
                {(dataset["namespace"], dataset["name"]) for dataset in event[side]} for side in ("inputs", "outputs")
            ]
    gateway = f"ftps://127.0.0.1:{simulator.port}"
    (upload,) = simulator.uploads
    assert told["traced.file"] == [
        {("file", str(tmp_path / "manifest.xml"))},
        {(gateway, f"/Manifest/{upload.file_name}")},
    ]
    ((source,), (target,)) = told["traced.fetch"]
    assert source[0] == gateway
    assert source[1].startswith("/out/Manifest_manifest-")
    assert target[0] == "file"
    assert target[1].startswith(str(tmp_path / "archive"))


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/data/a.xml", ("file", "/data/a.xml")),
        ("file:///data/a.xml", ("file", "/data/a.xml")),
        ("s3://bucket/x/a.xml", ("s3://bucket", "x/a.xml")),
        ("s3://conn_id@bucket/x/a.xml", ("s3://bucket", "x/a.xml")),
    ],
)
def test_files_are_named_as_openlineage_names_them(path, named):
    assert at_path(path) == named


def test_thousands_of_files_are_told_as_their_folders():
    many = Lineage([("ftps://gateway:6381", f"/out/{number}.xml") for number in range(5000)], [("file", "/a/b.xml")])
    told = many.to_openlineage()
    assert [(dataset.namespace, dataset.name) for dataset in told.inputs] == [("ftps://gateway:6381", "/out")]
    assert [dataset.name for dataset in told.outputs] == ["/a/b.xml"]
