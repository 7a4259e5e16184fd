"""
Watch the client certificates of all connections to the gateway, once a week.

Warns in the log for 60 days before a certificate ends, and fails from 14 days on: let Airflow's failures reach you.
"""

from airflow.sdk import dag, task

from airflow_provider_icsftps.operators.icsftps import IcsFtpsCertificateExpiryOperator


# [START certificate_watch]
@dag(schedule="@weekly", catchup=False)
def certificate_watch():
    watched = IcsFtpsCertificateExpiryOperator.partial(task_id="watch").expand(
        icsftps_conn_id=["icsftps_default"],  # all that you have
    )

    @task(trigger_rule="all_done")
    def to_renew(found) -> list[str]:
        """Put what you want to happen early here: a ticket, a mail."""
        return [f"{each['conn_id']}: {each['company']}, until {each['valid_until']}" for each in found if each["renew"]]

    to_renew(watched.output)


certificate_watch()
# [END certificate_watch]
