"""
One run for each response: as soon as it comes, and for good.

The first DAG is woken when something new lies in the outbox, keeps everything in the archive, and announces each
response. The second one has a run for each of them; its partition key is the response's name, so one response can be
done again by triggering a run with that key.
"""

import logging

from airflow.sdk import Asset, AssetWatcher, PartitionedAssetTimetable, Variable, dag, task

from airflow_provider_icsftps.gateway import Archive
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook
from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator
from airflow_provider_icsftps.triggers.icsftps import IcsFtpsOutboxEventTrigger

# [START responses_by_event]
ARCHIVE = "/tmp/icsftps-archive"  # any folder or object store, the same for all DAGs
PATTERN = "Manifest_*.xml"

doorbell = AssetWatcher(name="outbox", trigger=IcsFtpsOutboxEventTrigger(pattern=PATTERN))
response = Asset("customs_response")


@dag(schedule=[Asset("customs_outbox", watchers=[doorbell])], max_active_runs=1)
def announce_responses():
    kept = IcsFtpsDownloadOperator(task_id="keep", archive=ARCHIVE, pattern=PATTERN, retries=5)

    @task(outlets=[response])
    def announce(summary: dict, outlet_events=None) -> list[str]:
        known = Variable.get("announced_responses", default=[], deserialize_json=True)
        outlet_events[response].add_partitions([name for name in summary["names"] if name not in known])
        return summary["names"]  # what has left the outbox can be forgotten

    @task(retries=10)
    def remember(names: list[str]) -> None:  # only now: what was not announced is announced by the next run
        Variable.set("announced_responses", names, serialize_json=True)

    remember(announce(kept.output["summary"]))


@dag(schedule=PartitionedAssetTimetable(assets=response))
def one_response():
    @task
    def process(dag_run=None) -> str:
        archive, name = Archive(ARCHIVE), dag_run.partition_key or "(no partition key)"
        found = archive.shelf(IcsFtpsHook().get_settings()).find([name])
        if not found:  # a run by hand, for another name
            raise ValueError(f"{name} is not kept in {ARCHIVE}; the partition key must be a response's name")
        path = archive.path(found[0])
        logging.info("%s: %d bytes", name, path.stat().st_size)  # your own work with the file
        return str(path)

    process()


announce_responses()
one_response()
# [END responses_by_event]
