"""
Fetch all that is left in the outbox of the old gateway into the archive.

The old gateway takes no uploads and forgets after 30 days. Trigger this as often as you like: what is in the archive
is not fetched again. The new gateway's files may lie in the same archive; each gateway has its own part of it.
"""

from airflow.sdk import dag, task

from airflow_provider_icsftps.operators.icsftps import IcsFtpsDownloadOperator


# [START legacy_outbox]
@dag(schedule=None, params={"archive": "/tmp/icsftps-archive"})
def legacy_outbox():
    fetched = IcsFtpsDownloadOperator(
        task_id="fetch",
        archive="{{ params.archive }}",
        icsftps_conn_id="icsftps_legacy",  # environment "legacy", with the certificate that was registered there
        status_files=True,
        retries=10,  # each try goes on where the one before it ended
    )

    @task
    def report(paths: list[str], summary: dict) -> str:
        left = len(summary["postponed"])
        return f"{len(paths)} files are safe, {len(summary['fetched'])} of them new; {left} could not be fetched yet"

    report(fetched.output, fetched.output["summary"])


legacy_outbox()
# [END legacy_outbox]
