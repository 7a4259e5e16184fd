"""Airflow's REST API, for tests that watch a run from outside."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

_PAGE = 100  # Airflow gives no more at once


class Api:
    """Airflow's REST API, as anybody on the machine sees it where all are let in."""

    def __init__(self, port: int) -> None:
        self.base = f"http://127.0.0.1:{port}"
        self.token = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self.base + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def log_in(self, *parts: str, seconds: float = 200) -> None:
        """Wait until these parts of Airflow are healthy, and get a token."""

        def healthy() -> bool:
            health = self.call("GET", "/api/v2/monitor/health")
            return all(health[part]["status"] == "healthy" for part in ("metadatabase", *parts))

        until(healthy, seconds)
        self.token = self.call("GET", "/auth/token")["access_token"]

    def trigger(self, dag: str, conf: dict[str, Any]) -> Run:
        """Start a run as soon as the DAG is known."""
        until(lambda: self.call("GET", f"/api/v2/dags/{dag}"), 300)
        run = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf})["dag_run_id"]
        return Run(self, f"/api/v2/dags/{dag}/dagRuns/{urllib.parse.quote(run)}")


class Run:
    """One run of a DAG."""

    def __init__(self, api: Api, path: str) -> None:
        self.api = api
        self.path = path

    @property
    def state(self) -> str:
        return str(self.api.call("GET", self.path)["state"])

    def count(self, **chosen: str) -> int:
        """Count task instances, such as those with ``state="deferred"``."""
        query = urllib.parse.urlencode({**chosen, "limit": 1})
        return int(self.api.call("GET", f"{self.path}/taskInstances?{query}")["total_entries"])

    def task_instances(self, **chosen: str) -> list[dict[str, Any]]:
        """List task instances, page by page."""
        listed: list[dict[str, Any]] = []
        while True:
            query = urllib.parse.urlencode({**chosen, "limit": _PAGE, "offset": len(listed), "order_by": "map_index"})
            page = self.api.call("GET", f"{self.path}/taskInstances?{query}")
            listed += page["task_instances"]
            if len(listed) >= page["total_entries"] or not page["task_instances"]:
                return listed

    def returned(self, task: str, map_index: int) -> Any:
        """What a mapped task returned."""
        path = f"{self.path}/taskInstances/{task}/xcomEntries/return_value?map_index={map_index}&deserialize=true"
        return self.api.call("GET", path)["value"]


def until(what: Callable[[], Any], seconds: float, pause: float = 0.5) -> Any:
    """Return what a call gives once it gives something."""
    ends = time.monotonic() + seconds
    while True:
        try:
            if found := what():
                return found
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(pause)
