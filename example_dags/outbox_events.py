"""
Fetch and process what customs puts into the outbox, each response once, whenever it comes.

The watcher is a doorbell: it wakes the DAG. What is to be done the DAG finds out for itself, by comparing the outbox
with two folders: what lies in ``fetched`` is still to be processed, what lies in ``done`` is finished.
"""

import fnmatch
import logging
from pathlib import Path

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, dag, task

from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators.icsftps import IcsFtpsDeleteOperator
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsOutboxEventTrigger

# [START outbox_events]
PATTERN = "Manifest_*.xml"
FETCHED = Path("/tmp/icsftps-outbox/fetched")  # a disk that all workers share
DONE = Path("/tmp/icsftps-outbox/done")

doorbell = AssetWatcher(name="doorbell", trigger=IcsFtpsOutboxEventTrigger(pattern=PATTERN))
every_morning = CronTriggerTimetable("0 6 * * *", timezone="Europe/Copenhagen")  # should the bell be out of order


@dag(
    schedule=AssetOrTimeSchedule(timetable=every_morning, assets=Asset("manifest_responses", watchers=[doorbell])),
    max_active_runs=1,  # two runs at once would do the same work
    is_paused_upon_creation=True,  # it takes away what another DAG may be waiting for
)
def outbox_events():
    @task(retries=3)
    def fetch() -> list[str]:
        with fail_without_retry(), IcsFtpsHook().get_conn() as gateway:
            names = [entry.name for entry in gateway.list_outbox(times=False)]
            names = fnmatch.filter(names, PATTERN)
            for name in names:
                if not (FETCHED / name).exists() and not (DONE / name).exists():
                    gateway.download(name, FETCHED / name)  # appears only when it is complete
        return names

    @task(retries=3)
    def process(names: list[str]) -> list[str]:
        DONE.mkdir(parents=True, exist_ok=True)
        for path in sorted(FETCHED.glob(PATTERN)):
            logging.info("%s: %d bytes", path.name, path.stat().st_size)  # your own work with the file
            path.rename(DONE / path.name)
        return [name for name in names if (DONE / name).exists()]

    IcsFtpsDeleteOperator(task_id="delete", responses=process(fetch()))


outbox_events()
# [END outbox_events]
