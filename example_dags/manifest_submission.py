"""
File manifests and fetch what customs answers: one journey for each file in a folder.

A file that customs rejects fails its own journey, with the gateway's words in the log, and stops no other.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task, task_group

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator, IcsFtpsUploadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor


# [START manifest_submission]
@dag(
    schedule=None,
    params={
        "folder": str(Path(__file__).parent / "data"),  # where your manifests are; each run files all of them
        "service": "Manifest",  # your service folder at the gateway
        "target": "/tmp/icsftps-responses",  # any folder or object store
    },
)
def manifest_submission():
    @task
    def manifests(params) -> list[str]:
        return sorted(str(path) for path in Path(params["folder"]).glob("*.xml"))

    @task_group
    def journey(manifest):
        filed = IcsFtpsUploadOperator(
            task_id="file",
            source=manifest,
            service="{{ params.service }}",
            retries=5,  # a retry files nothing twice
        )
        answered = IcsFtpsResponseSensor(
            task_id="wait",
            submission=filed.output,
            until="response",
            deferrable=True,  # no worker is held while customs thinks
            poke_interval=5,  # 60 is plenty with the real gateway
            timeout=timedelta(days=3),
        )
        IcsFtpsDownloadOperator(task_id="fetch", responses=answered.output, target="{{ params.target }}")

    journey.expand(manifest=manifests())


manifest_submission()
# [END manifest_submission]
