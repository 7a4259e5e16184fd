"""The same files filed in two ways: one task for all, and a mapped task for each."""

import os
import sys
from functools import cached_property
from pathlib import Path

from airflow.providers.ftp.operators.ftp import FTPSFileTransmitOperator
from airflow.sdk import DAG

from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator

sys.path.append(str(Path(__file__).parents[1]))

from transfer_clients import SERVICE, Door, certified_hook

FILES = sorted(Path(os.environ["BENCHMARK_FILES"]).glob("*.xml"))


class CertifiedTransmitOperator(FTPSFileTransmitOperator):
    """Airflow's operator, with the client certificate that its hook has no setting for."""

    @cached_property
    def hook(self):
        return certified_hook(Door(Path(os.environ["BENCHMARK_CREDENTIALS"])), self.ftp_conn_id)


with DAG("benchmark_one_task", schedule=None):
    IcsFtpsUploadOperator(task_id="file", source=[str(path) for path in FILES], service=SERVICE)

with DAG("benchmark_mapped_tasks", schedule=None):
    CertifiedTransmitOperator.partial(task_id="file", ftp_conn_id="benchmark_ftps").expand_kwargs(
        [{"local_filepath": str(path), "remote_filepath": f"/{SERVICE}/{path.name}"} for path in FILES]
    )
