"""The demonstration: real Airflow, real TLS, and what a newcomer sees."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from processes import ICSFTPS

EXAMPLES = Path(__file__).parents[2] / "example_dags"
DAY = timedelta(days=1)


def run(*arguments: str, timeout: float = 400) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ICSFTPS, *arguments], capture_output=True, text=True, timeout=timeout, check=False)


@pytest.mark.timeout(450)
def test_two_manifests_are_answered_and_one_is_rejected(tmp_path):
    done = run("demo", "--json", "--directory", str(tmp_path))
    assert (done.returncode, done.stderr if done.returncode else "") == (0, "")
    journeys = {journey["file"]: journey for journey in json.loads(done.stdout)}
    assert {"departure_aarhus.xml", "arrival_esbjerg.xml", "arrival_without_trailer.xml"} == set(journeys)
    for name in ("departure_aarhus.xml", "arrival_esbjerg.xml"):
        journey = journeys[name]
        assert journey["outcome"] == "answered"
        delivered, accepted, answered = (
            datetime.strptime(journey[moment], "%H:%M:%S").replace(tzinfo=UTC)
            for moment in ("delivered", "accepted", "answered")
        )
        # the clock may have passed midnight in between
        assert (accepted - delivered) % DAY < DAY / 2
        assert (answered - accepted) % DAY < DAY / 2
        assert journey["name"].startswith(Path(name).stem)
        (saved,) = journey["saved"]
        assert Path(saved).read_bytes().startswith(b"<?xml")
    rejected = journeys["arrival_without_trailer.xml"]
    assert (
        rejected["outcome"],
        rejected["reason"],
    ) == ("rejected", "LAST_RECORD_INCORRECT: The declaration has no trailer.")
    assert "SubmissionRejectedError" in (tmp_path / "airflow.log").read_text()


def test_an_example_is_short_enough_to_be_understood_at_once():
    for path in EXAMPLES.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 60


def test_the_samples_look_like_real_ones():
    for path in (EXAMPLES / "data").glob("*.xml"):
        assert 4_000 < path.stat().st_size < 20_000
