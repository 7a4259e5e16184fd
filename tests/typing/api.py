"""
The public names as a user's type checker sees them; checked by mypy, never run.

What is wrong use must be refused: there stands an ignored error, and mypy complains when there is none to ignore.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Any, assert_type

from airflow.sdk import Asset, AssetWatcher, ObjectStoragePath, dag, task

from airflow_provider_icsftps.exceptions import (
    CertificateError,
    ConfigurationError,
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    IncompleteArchiveError,
    InvalidNameError,
    LoginRefusedError,
    NameAlreadyUsedError,
    ReadOnlyGatewayError,
    StatusFileError,
    SubmissionRejectedError,
    TransferError,
    UntrustedGatewayError,
    one_line,
)
from airflow_provider_icsftps.gateway import ClientCertificate, Fleet, GatewayClient, GatewaySettings, Submission
from airflow_provider_icsftps.hooks.icsftps import IcsFtpsHook, fail_without_retry
from airflow_provider_icsftps.operators.icsftps import (
    IcsFtpsCertificateExpiryOperator,
    IcsFtpsDeleteOperator,
    IcsFtpsDownloadOperator,
    IcsFtpsUploadOperator,
)
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsOutboxSensor, IcsFtpsResponseSensor
from airflow_provider_icsftps.simulator import (
    ConnectionCounts,
    Faults,
    GatewaySimulator,
    IssuedCertificate,
    SimulatedClock,
    TranscriptEntry,
    UploadRecord,
)
from airflow_provider_icsftps.triggers.icsftps import (
    IcsFtpsOutboxEventTrigger,
    IcsFtpsOutboxTrigger,
    IcsFtpsResponseTrigger,
    names_of,
)

# ------------------------------------------------------------ Airflow


@dag(schedule=None)
def operators() -> None:
    filed = IcsFtpsUploadOperator(
        task_id="file",
        source=["/data/a.xml", Path("/data/b.xml"), ObjectStoragePath("s3://bucket/c.xml")],
        service="{{ params.service }}",
        naming="own",
        wait_until="accepted",
        resubmission="{{ params.resubmission }}",
        timeout=timedelta(days=3),
        outage_timeout=60,
        archive=ObjectStoragePath("s3://bucket/archive"),
        icsftps_conn_id="customs",
        retries=5,
    )
    answered = IcsFtpsResponseSensor(
        task_id="wait",
        submission=filed.output,
        until="response",
        responses=2,
        response_pattern="*receipt*.xml",
        deferrable=True,
        poke_interval=60,
        timeout=timedelta(days=3),
    )
    IcsFtpsResponseSensor(task_id="one", submission={"service": "Manifest", "file_name": "a.xml"})
    IcsFtpsResponseSensor(task_id="two", submission="{{ ti.xcom_pull('file') }}")
    fetched = IcsFtpsDownloadOperator(
        task_id="fetch", responses=answered.output, target=Path("/data"), status_files=True, retries=1
    )
    IcsFtpsDownloadOperator(
        task_id="keep",
        archive=filed.output,
        pattern="*.xml",
        since=date(2026, 11, 1),
        until="2026-12-01",
        on_gap="fail",
    )
    deleted = IcsFtpsDeleteOperator(task_id="delete", responses=["a.xml"], status_files=True)
    arrived = IcsFtpsOutboxSensor(task_id="letters", pattern="notice_*.xml", deferrable=False, mode="reschedule")
    IcsFtpsDeleteOperator(task_id="letters_deleted", responses=arrived.output)
    IcsFtpsCertificateExpiryOperator(task_id="watch", warn_days=90, fail_days=0)
    IcsFtpsCertificateExpiryOperator.partial(task_id="all").expand(icsftps_conn_id=["a", "b"])
    fetched >> deleted

    @task
    def mine() -> str:
        return "/data/a.xml"

    IcsFtpsUploadOperator(task_id="of_mine", source=mine(), service="Manifest")


def refused_operators(filed: IcsFtpsUploadOperator) -> None:
    IcsFtpsUploadOperator(task_id="file", source="a.xml")  # type: ignore[call-arg]
    IcsFtpsUploadOperator(task_id="file", source=5, service="Manifest")  # type: ignore[arg-type]
    IcsFtpsUploadOperator(task_id="file", source=["a.xml", None], service="Manifest")  # type: ignore[list-item]
    IcsFtpsUploadOperator(task_id="file", source="a.xml", service="Manifest", naming="other")  # type: ignore[arg-type]
    IcsFtpsUploadOperator(task_id="f", source="a.xml", service="M", wait_until="answer")  # type: ignore[arg-type]
    IcsFtpsUploadOperator(task_id="file", source="a.xml", service="M", timeout="3 days")  # type: ignore[arg-type]
    IcsFtpsUploadOperator("a.xml", task_id="file", service="Manifest")  # type: ignore[call-arg]
    IcsFtpsDownloadOperator(task_id="fetch", archive="/data", on_gap="ignore")  # type: ignore[arg-type]
    IcsFtpsDownloadOperator(task_id="fetch", archive="/data", since=5)  # type: ignore[arg-type]
    IcsFtpsDownloadOperator(task_id="fetch", target=filed)  # type: ignore[arg-type]  # its .output is meant
    IcsFtpsDeleteOperator(task_id="delete", responses=filed)  # type: ignore[arg-type]
    IcsFtpsResponseSensor(task_id="wait", submission=filed)  # type: ignore[arg-type]
    IcsFtpsResponseSensor(task_id="wait")  # type: ignore[call-arg]
    IcsFtpsOutboxSensor(task_id="wait", pattern=["a", "b"])  # type: ignore[arg-type]
    IcsFtpsCertificateExpiryOperator(task_id="watch", warn_days="60")  # type: ignore[arg-type]


def hook() -> None:
    found = IcsFtpsHook("icsftps_default")
    assert_type(found.icsftps_conn_id, str)
    assert_type(found.get_settings(), GatewaySettings)
    assert_type(found.certificate, ClientCertificate)
    assert_type(found.get_conn(), GatewayClient)
    assert_type(found.get_fleet(), Fleet)
    assert_type(found.test_connection(), tuple[bool, str])
    with fail_without_retry(), found.get_conn() as gateway:
        assert_type(gateway, GatewayClient)
    IcsFtpsHook(icsftps_conn_id=None)  # type: ignore[arg-type]


def triggers(submission: Submission, event: dict[str, Any]) -> None:
    doorbell = IcsFtpsOutboxEventTrigger(pattern="*.xml", icsftps_conn_id="customs", poke_interval=60, ring_again=300)
    Asset("customs_outbox", watchers=[AssetWatcher(name="doorbell", trigger=doorbell)])
    assert_type(doorbell.serialize(), tuple[str, dict[str, Any]])
    IcsFtpsResponseTrigger(
        submissions=[submission.to_data()], until="response", icsftps_conn_id="customs", deadline="2026-12-01T00:00Z"
    )
    IcsFtpsOutboxTrigger(pattern="*.xml", icsftps_conn_id="customs", deadline="2026-12-01T00:00Z")
    assert_type(names_of(event), list[str] | None)
    IcsFtpsResponseTrigger(submissions=[submission], until="response")  # type: ignore[list-item]
    IcsFtpsOutboxEventTrigger(pattern="*.xml", poke_interval=timedelta(minutes=1))  # type: ignore[arg-type]


# ------------------------------------------------------------ errors


def errors() -> None:
    try:
        IcsFtpsHook().get_settings()
    except CertificateError as error:
        assert_type(error.reason, str)
    except ConfigurationError as error:
        as_value: ValueError = error
        raise as_value from None
    except SubmissionRejectedError as error:
        assert_type((error.error_code, error.message, error.resolution), tuple[str, str, str])
    except LoginRefusedError as error:
        as_refused: GatewayRefusedError = error
        assert_type((as_refused.command, as_refused.code, as_refused.text), tuple[str, int, str])
    except GatewayTimeoutError as error:
        as_timeout: TimeoutError = error
        as_unavailable: GatewayUnavailableError = error
        raise as_timeout from as_unavailable
    except GatewayUnavailableError as error:
        as_connection: ConnectionError = error
        raise as_connection from None
    except TransferError as error:
        assert_type(error.local, bool)
        assert_type(error.retryable, bool)
        assert_type(IcsFtpsError.from_data(error.to_data()), IcsFtpsError)


def kinds_of_errors() -> None:
    yours: list[type[ConfigurationError]] = [CertificateError, InvalidNameError, ReadOnlyGatewayError]
    refused: list[type[GatewayRefusedError]] = [LoginRefusedError, FileNotAvailableError]
    unreadable: list[type[GatewayProtocolError]] = [StatusFileError]
    others: list[type[IcsFtpsError]] = [UntrustedGatewayError, NameAlreadyUsedError, IncompleteArchiveError]
    assert_type([kind.retryable for kind in [*yours, *refused, *unreadable, *others]], list[bool])
    assert_type(one_line("two\nlines"), str)


# ------------------------------------------------------------ the simulator


def simulator(tmp_path: Path) -> None:
    with GatewaySimulator(
        ["Manifest"], delays={1: 0, 2: None}, cut_uploads="keep", directory=tmp_path, clock=SimulatedClock()
    ) as running:
        assert_type(running, GatewaySimulator)
        assert_type(running.settings(), GatewaySettings)
        assert_type(running.connection(), dict[str, Any])
        assert_type(running.uploads, list[UploadRecord])
        assert_type(running.outbox(), list[str])
        running.clock.advance(days=2)
        running.reject("*broken*")
        running.faults.refuse_login(times=1)
        running.check()
        assert_type(running.default_client, IssuedCertificate)
        assert_type(running.faults, Faults)
        assert_type(running.transcript, list[TranscriptEntry])
        assert_type(running.connections, ConnectionCounts)
    GatewaySimulator("Manifest", cut_uploads="keeps")  # type: ignore[arg-type]
    GatewaySimulator(reused_name="551")  # type: ignore[arg-type]
