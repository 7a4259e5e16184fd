"""The public names as a user's type checker sees them; checked by mypy, never run."""

from datetime import datetime

from airflow_provider_icsftps.gateway import ClientCertificate, GatewaySettings, StatusCode, StatusFile, Submission


def certificate(data: bytes) -> tuple[str | None, str | None, datetime, str, str | None]:
    found = ClientCertificate.from_pkcs12(data, "secret")
    return found.username, found.cvr, found.not_after, found.fingerprint, found.environment


def settings(certificate: ClientCertificate) -> GatewaySettings:
    return GatewaySettings(host="localhost", port=6381, password="secret", certificate=certificate, timeout=30.0)


def status(data: bytes) -> StatusCode:
    return StatusFile.from_xml(data, 1).code


def submission() -> Submission:
    return Submission(service="Manifest", file_name="a.xml")
