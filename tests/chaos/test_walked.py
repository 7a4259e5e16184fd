"""The table of docs/exactly-once.md is that of a walk, and a walk of today ends as it says."""

from __future__ import annotations

import json

import pytest
from journeys import QUICK, journey
from relay import Stall
from walked import FAULTS, PAGE, PARTS, RECORD, SIZE, VERDICTS, parts_of_an_upload, pasted, totals

RECORDED = json.loads(RECORD.read_text())


def test_the_page_shows_what_was_recorded():
    """`python tests/chaos/walked.py paste` pastes it in anew."""
    text = PAGE.read_text()
    assert "| Where |" in text
    assert pasted(text, RECORDED) == text


def test_what_was_recorded_files_nothing_twice_and_loses_nothing():
    for counted in (totals(RECORDED), RECORDED["at random"]):
        assert set(counted) <= {"filed once", "stopped"}
        assert set(counted) <= set(VERDICTS)
    assert len(RECORDED["not filed once"]) == totals(RECORDED)["stopped"]


def first_struck(relayed, folder, name, places, action):
    """
    Break at the first place that is passed, and return it with what became of the filing.

    Who ends a data connection first, and whether that is a reset, differs from run to run, so an end that was seen in
    the clean run need not come again.
    """
    for number, place in enumerate(places):
        ended = journey(relayed, folder, f"{name}-{number}", [(place, action)], size=SIZE)
        if ended.struck:
            return place, ended
    raise AssertionError(f"nothing broke at any of {', '.join(map(str, places))}")


@pytest.mark.timeout(400)
def test_an_upload_that_is_broken_today_ends_as_the_table_says(relayed_gateway, tmp_path, monkeypatch):
    """
    One place of each part, as near to its middle as the run passes one, broken in each way.

    A slow machine may run into a time limit beside the fault, and then the task may stop where it did not on the day
    of the walk. That is what the promise allows, but it is not the rule.
    """
    relayed = relayed_gateway(cut_uploads="accept", check_xml=True, delays={1: 0, 2: 0, 3: 0})
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection()))
    parts = parts_of_an_upload(relayed, tmp_path)
    assert tuple(parts) == PARTS
    unlike = []
    for part, places in parts.items():
        for fault, action in FAULTS.items():
            name = f"again-{PARTS.index(part)}-{list(FAULTS).index(fault)}"
            limits = QUICK if isinstance(action, Stall) else {}
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection(**limits)))
            middle = len(places) // 2
            nearest = places[middle:] + places[:middle][::-1]
            place, ended = first_struck(relayed, tmp_path, name, nearest, action)
            assert ended.verdict in {"filed once", "stopped"}, f"{part}, {fault}, {place}: {ended}"
            if ended.verdict not in RECORDED["walk"][part][fault]:
                unlike.append(f"{part}, {fault}, {place}: {ended}")
    assert len(unlike) <= 2, unlike
