"""
Fetch every day what customs answered, keep it for good, and hand it on.

`airflow backfill create --dag-id responses_daily ...` gives the files of past days, from the outbox or the archive.
"""

from airflow.sdk import CronDataIntervalTimetable, dag, task
from pendulum import datetime

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator


# [START responses_daily]
@dag(
    # a run at 3 o'clock Danish time, about the 24 hours before (23 or 25 when the clocks change)
    schedule=CronDataIntervalTimetable("0 3 * * *", timezone="Europe/Copenhagen"),
    start_date=datetime(2026, 1, 1, tz="Europe/Copenhagen"),
    params={"archive": "/tmp/icsftps-archive"},  # any folder or object store, the same for all DAGs
)
def responses_daily():
    fetched = IcsFtpsDownloadOperator(
        task_id="fetch",
        archive="{{ params.archive }}",
        retries=5,  # a retry fetches only what is missing
    )

    @task
    def hand_on(paths: list[str]) -> int:
        """Put your own work here: each file comes in one run, and in that one again when you clear it."""
        return len(paths)

    hand_on(fetched.output)


responses_daily()
# [END responses_daily]
