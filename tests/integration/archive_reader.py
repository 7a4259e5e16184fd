"""``archive_reader.py CONNECTION FOLDER``: reconcile an outbox twice; print what the second run cost, as JSON."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from airflow_provider_icsftps.gateway import Archive, GatewayClient, reconcile
from airflow_provider_icsftps.hooks._connection import to_settings
from airflow_provider_icsftps.hooks._fields import ConnectionFields


def peak() -> int:
    """Return the greatest memory so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(connection: str, folder: str) -> None:
    values = json.loads(connection)
    fields = ConnectionFields(
        "reader", values["host"], values["port"], values["login"], values["password"], values["extra"]
    )
    os.fsync = lambda _: None  # type: ignore[assignment]  # the first run is not what is measured
    with GatewayClient(to_settings(fields)) as gateway:
        archive = Archive(Path(folder))
        gateway.look_at("nothing")
        bare = peak()
        begun = time.monotonic()
        first = reconcile(gateway, archive)
        after_first, seconds = peak() - bare, time.monotonic() - begun
        cpu, begun = time.process_time(), time.monotonic()
        second = reconcile(gateway, archive)
        result = {
            "cpu": time.process_time() - cpu,
            "seconds": time.monotonic() - begun,
            "memory": peak() - bare,
            "first_memory": after_first,
            "first_seconds": seconds,
            "bare": bare,
            "fetched": [len(first.fetched), len(second.fetched)],
            "kept_before": second.kept_before,
        }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
