"""Each manifest of a folder is filed by a mapped task and waited for in the triggerer."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag, task, task_group

from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsResponseSensor

WAITING = {"deferrable": True, "poke_interval": 3, "timeout": timedelta(hours=1).total_seconds()}
RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=1)}


@task
def manifests(params) -> list[str]:
    return sorted(str(path) for path in Path(params["folder"]).glob("*.xml"))


@dag(schedule=None, params={"folder": ""}, default_args=RETRIES)
def file_and_wait():
    """One task for each manifest files it, and waits for the answer."""
    IcsFtpsUploadOperator.partial(task_id="file", service="Manifest", wait_until="response", **WAITING).expand(
        source=manifests()
    )


@dag(schedule=None, params={"folder": ""}, default_args=RETRIES)
def file_then_wait():
    """One task for each manifest files it, another one waits."""

    @task_group
    def journey(manifest):
        # an upload waits, too, when an earlier try of it was killed: nobody knows whether the whole file got through
        filed = IcsFtpsUploadOperator(task_id="file", source=manifest, service="Manifest", **WAITING)
        IcsFtpsResponseSensor(task_id="wait", submission=filed.output, **WAITING)

    journey.expand(manifest=manifests())


file_and_wait()
file_then_wait()
