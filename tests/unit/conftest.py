"""Unit tests: no sockets, no Airflow (but for the provider's own description), nothing mocked."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile(
    "unit",
    max_examples=80,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.differing_executors],  # mutmut collects them twice in one process
)
settings.load_profile("unit")
