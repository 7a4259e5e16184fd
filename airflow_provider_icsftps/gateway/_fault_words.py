"""What a check knows of a connection, as the words that a fault's sentence is filled in with."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_icsftps.gateway.settings import ENVIRONMENTS, GatewaySettings

_MINUTE = "%Y-%m-%d %H:%M UTC"


def words_of(settings: GatewaySettings) -> dict[str, str]:
    """
    Return the words that settings give, by their names in the sentences; nothing secret.

    :param settings: where a check goes and as whom.
    """
    certificate = settings.certificate
    known = ENVIRONMENTS.get(settings.environment or "")
    ports = settings.data_ports or (known.data_ports if known else None)
    return {
        "address": settings.address,
        "host": settings.host,
        "port": str(settings.port),
        "ports": f"ports {ports[0]}-{ports[1]}" if ports else "its passive data ports",
        "username": settings.username,
        "certificate_username": certificate.username or "none",
        "issuer": certificate.certificate.issuer.rfc4514_string(),
        "not_before": certificate.not_before.strftime(_MINUTE),
        "not_after": certificate.not_after.strftime(_MINUTE),
        "outbox": settings.outbox,
        "environment": settings.environment or "read_only is set",
    }


def clock_words(newest: datetime | None) -> dict[str, str]:
    """
    Return the words on this machine's clock.

    :param newest: the time of the newest file at the gateway, aware; ``None`` when no file tells one.
    """
    now = datetime.now(UTC)
    told = {"now": now.strftime(_MINUTE)}
    if newest is not None:
        minutes = int((newest - now).total_seconds()) // 60
        skew = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
        told |= {"newest": newest.strftime(_MINUTE), "skew": skew}
    return told
