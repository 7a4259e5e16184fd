"""Progress lines: a few, and readable."""

import pytest

from airflow_provider_icsftps.gateway import FetchProgress
from airflow_provider_icsftps.operators._progress import ProgressLog, in_bytes


def test_a_line_comes_every_few_seconds_at_most_and_none_for_what_is_quick():
    lines, now = [], 0.0
    log = ProgressLog(lines.append, clock=lambda: now)
    for second in range(1, 31):
        now = second / 2
        log(FetchProgress(second, 30, second * 1_000_000, 30_000_000, now))
    assert lines == [
        "10 of 30 files, 10.0 MB of 30.0 MB, 2.0 MB/s",
        "20 of 30 files, 20.0 MB of 30.0 MB, 2.0 MB/s",
        "30 of 30 files, 30.0 MB of 30.0 MB, 2.0 MB/s",
    ]


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (7e9, "7.0 GB")]
)
def test_bytes_are_written_for_people(number, shown):
    assert in_bytes(number) == shown
