"""Files every manifest of a folder, waits for customs, and fetches what it answered."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task, task_group

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator, IcsFtpsUploadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor


@dag(schedule=None, params={"folder": "/data/manifests", "target": "/data/responses"})
def file_manifests():
    @task
    def manifests(params) -> list[str]:
        return sorted(str(path) for path in Path(params["folder"]).glob("*.xml"))

    @task_group
    def journey(manifest):
        filed = IcsFtpsUploadOperator(task_id="file", source=manifest, service="Manifest", retries=5)
        answered = IcsFtpsResponseSensor(
            task_id="wait", submission=filed.output, deferrable=True, timeout=timedelta(days=3)
        )
        IcsFtpsDownloadOperator(task_id="fetch", responses=answered.output, target="{{ params.target }}")

    journey.expand(manifest=manifests())


file_manifests()
