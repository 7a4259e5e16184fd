"""The gateway library's public names as a user's type checker sees them; see api.py."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, assert_type

from airflow_provider_icsftps.exceptions import IcsFtpsError
from airflow_provider_icsftps.gateway import (
    ENVIRONMENTS,
    Answer,
    Archive,
    CertificateKind,
    ClientCertificate,
    Diagnosis,
    Done,
    Environment,
    Evidence,
    FetchOutcome,
    FetchProgress,
    FetchSummary,
    FileNameRule,
    Filing,
    Findings,
    Fleet,
    FleetCancelledError,
    GatewayClient,
    GatewaySettings,
    Goal,
    Journal,
    Kept,
    Observation,
    OutboxEntry,
    OutboxNames,
    Outcome,
    Patience,
    Problem,
    Record,
    Shelf,
    Sight,
    Span,
    State,
    StatusCode,
    StatusFile,
    Step,
    Submission,
    Transfer,
    Verdict,
    conclude,
    diagnose,
    fetch_one,
    fetch_or_tell,
    file_all,
    file_each,
    judge,
    observe,
    reconcile,
    status_file_name,
    submissions_of,
    upload_name,
)

# ------------------------------------------------------------ who and where


def certificate(data: bytes) -> ClientCertificate:
    found = ClientCertificate.from_pkcs12(data, "secret")
    assert_type(ClientCertificate.from_pem(data), ClientCertificate)
    assert_type(found.username, str | None)
    assert_type(found.cvr, str | None)
    assert_type(found.kind, CertificateKind)
    assert_type(found.not_after, datetime)
    assert_type(found.fingerprint, str)
    assert_type(found.environment, str | None)
    assert_type(found.days_left(), int)
    found.cvr = "12345678"  # type: ignore[misc]
    ClientCertificate.from_pem("-----BEGIN")  # type: ignore[arg-type]
    return found


def settings(certificate: ClientCertificate) -> GatewaySettings:
    assert_type(ENVIRONMENTS["tfe"], Environment)
    assert_type(ENVIRONMENTS["tfe"].data_ports, tuple[int, int])
    GatewaySettings(certificate=certificate)  # type: ignore[call-arg]
    GatewaySettings(certificate=certificate, password=None)  # type: ignore[arg-type]
    found = GatewaySettings(
        host="localhost",
        port=6381,
        password="secret",
        certificate=certificate,
        timeout=30.0,
        data_ports=(36000, 39999),
        file_name_rule=FileNameRule("A-Za-z0-9_", 60),
        sessions=2,
    )
    found.password = "other"  # type: ignore[misc]
    assert_type(found.address, str)
    return found


def diagnosis(settings: GatewaySettings) -> str:
    found = diagnose(lambda: settings, services=["Manifest"], heartbeat=True, seconds=9)
    assert_type(found, Diagnosis)
    assert_type(found.ok, bool)
    assert_type(found.steps, tuple[Step, ...])
    assert_type(found.steps[0].state, State)
    diagnose(settings)  # type: ignore[arg-type]
    return found.message if found.failure is None else found.failure.who


# ------------------------------------------------------------ the gateway's verbs


def client(settings: GatewaySettings, data: bytes) -> None:
    with GatewayClient(settings) as gateway:
        assert_type(gateway.upload(data, service="Manifest", file_name="a.xml"), int)
        assert_type(gateway.list_outbox(), list[OutboxEntry])
        assert_type(gateway.list_outbox()[0].modified, datetime | None)
        assert_type(gateway.list_outbox()[0].size, int | None)
        assert_type(gateway.outbox_names(), OutboxNames)
        assert_type(gateway.outbox_names().matching("*.xml"), list[str])
        assert_type(gateway.read_status("status_Manifest_a.xml_1.xml"), StatusFile)
        assert_type(gateway.download("a.xml", Path("a.xml")), int)
        gateway.delete("a.xml")
        gateway.upload(data, "Manifest", "a.xml")  # type: ignore[call-arg]


def fleet(settings: GatewaySettings) -> Iterator[int]:
    with Fleet(settings, sessions=4) as several:
        for done in several.run(lambda gateway, name: gateway.download(name, Path(name)), ["a.xml", "b.xml"]):
            assert_type(done, Done[str, int])
            assert_type(done.item, str)
            assert_type(done.error, IcsFtpsError | None)
            yield done.get()


def cancelled(fleet: Fleet) -> None:
    try:
        fleet.pause(5)
    except FleetCancelledError as error:
        as_ours: IcsFtpsError = error  # type: ignore[assignment]  # nobody's fault, and never retried
        raise as_ours from None


# ------------------------------------------------------------ names, status files, submissions


def names_and_status(data: bytes) -> StatusCode:
    assert_type(upload_name("a.xml", "dag/task/run", "Manifest", "0" * 64, 0), str)
    assert_type(status_file_name("Manifest", "a.xml", 1), str)
    status = StatusFile.from_xml(data, 1)
    assert_type(status.timestamp, datetime | None)
    assert_type(status.responses, tuple[str, ...])
    assert_type(status.error_code, str)
    return status.code


def submission(data: object) -> Submission:
    assert_type(Submission.from_data(data).to_data(), dict[str, Any])
    Submission("Manifest", "a.xml")  # type: ignore[call-arg]
    Submission(service="Manifest")  # type: ignore[call-arg]
    return Submission(service="Manifest", file_name="a.xml")


def filing(gateway: GatewayClient | Fleet, names: OutboxNames) -> list[Submission]:
    filings = [Filing(source="a.xml", service="Manifest", scope="by hand")]
    outcomes = file_each(gateway, filings, Journal(complete=False), Patience(60))
    assert_type(outcomes, list[Outcome])
    assert_type(outcomes[0].submission, Submission | None)
    assert_type(outcomes[0].error, IcsFtpsError | None)
    assert_type(submissions_of(outcomes), list[Submission])
    assert_type(judge(Evidence(size=1, transfer=Transfer.SENT)), Verdict)
    seen = observe(names, submissions_of(outcomes)[0], Goal("accepted"))
    assert_type(seen, Observation)
    assert_type(seen.sight, Sight)
    Filing("a.xml", "Manifest", "by hand")  # type: ignore[call-arg]
    return file_all(gateway, filings)


def answers(gateway: GatewayClient, submissions: list[Submission], names: OutboxNames) -> list[str]:
    found = conclude(gateway, submissions, Goal("response", responses=2), names, set())
    assert_type(found, list[Answer] | None)
    found[0]  # type: ignore[index]
    return [] if found is None else found[0].responses


# ------------------------------------------------------------ keeping


def archive(gateway: GatewayClient, settings: GatewaySettings, since: datetime, until: datetime) -> None:
    kept = Archive("/data/archive")
    shelf = kept.shelf(settings)
    assert_type(shelf, Shelf)
    assert_type(shelf.find(["a.xml"]), list[Kept])
    assert_type(shelf.gaps(since, until), list[Span])
    assert_type(shelf.records(since, until), Iterator[Record])
    assert_type(kept.verify(), Findings)
    assert_type(kept.verify().problems, list[Problem])
    assert_type(reconcile(gateway, kept, window=Span(since, until)), FetchSummary)


def progress(gateway: GatewayClient, kept: Archive) -> None:
    def show(progress: FetchProgress) -> None:
        assert_type(progress.rate, float)

    reconcile(gateway, kept, progress=show)
    for entry in gateway.list_outbox():
        assert_type(fetch_one(gateway, entry, kept), Record)
        assert_type(fetch_or_tell(gateway, entry, kept), FetchOutcome)
