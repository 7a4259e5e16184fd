"""Every cut point of an upload, and the retry that follows: filed once, or stopped with a named error."""

from __future__ import annotations

import json
import shutil

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from journeys import QUICK, file_without_a_fault, journey, manifest, one_try
from long_run import MODES, run
from relay import Control, Cut, Data, Stall
from walked import parts_of_an_upload, places_of_an_upload

from airflow_provider_icsftps.exceptions import GatewayUnavailableError

#: Every point is walked in the hardest mode, every tenth in the others; `make chaos` goes on at random.
WHOLE = {("accept", "reset")}


@pytest.fixture(params=["discard", "keep", "accept"])
def gateway_of(request, relayed_gateway, monkeypatch):
    """A gateway behind a relay that treats cut copies in one of the three ways; customs looks at what it is given."""
    relayed = relayed_gateway(cut_uploads=request.param, check_xml=True, delays={1: 0, 2: 0, 3: 0})
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection(**QUICK)))
    return relayed


def points_of_one_upload(relayed, folder, step=1):
    """All of them, or of those that are certain to be met again each so manieth."""
    points = places_of_an_upload(relayed, folder, certain=step > 1)
    sending = [point for point in points if isinstance(point, Data) and point.sender == "client"]
    commands = [point for point in points if isinstance(point, Control)]
    assert len(sending) >= 10
    assert len(commands) >= 60
    return points[::step]


def well_ended(ended, passed=0.9):
    """
    Each content is filed once, or not filed and the task failed with a named error; return those that stopped.

    A fault that struck nothing shows nothing. A few may not: who ends a connection first differs from run to run.
    """
    missed = [place for place, end in ended.items() if not end.struck]
    assert len(missed) <= len(ended) * (1 - passed), missed
    wrong = {place: end for place, end in ended.items() if end.verdict not in {"filed once", "stopped"}}
    assert not wrong
    stopped = {place: end.message for place, end in ended.items() if end.verdict == "stopped"}
    remedies = ("resubmission", "new filing", "Clearing", "looks first")
    without = {place: message for place, message in stopped.items() if not any(r in message for r in remedies)}
    assert not without
    return stopped


@pytest.mark.timeout(400)
@pytest.mark.parametrize("how", ["reset", "fin"])
def test_every_cut_point_ends_well(how, request, gateway_of, tmp_path):
    mode = request.node.callspec.params["gateway_of"]
    step = 1 if (mode, how) in WHOLE else 10
    points = points_of_one_upload(gateway_of, tmp_path, step)
    action = Cut("rst" if how == "reset" else "fin")
    ended = {str(point): journey(gateway_of, tmp_path, f"cut-{n}", [(point, action)]) for n, point in enumerate(points)}
    stopped = well_ended(ended)
    print(f"{len(ended)} cut points, {len(stopped)} stopped with a named error: {stopped}")
    of_a_sample = 2 if step > 1 else 0  # the places inside the file lie side by side, so it may have more of them
    assert len(stopped) <= len(ended) // 7 + of_a_sample


@pytest.mark.timeout(400)
@pytest.mark.parametrize("action", ["kill", Stall()], ids=["kill", "stall"])
def test_a_kill_and_a_stall_at_a_sample_of_points_end_well(action, gateway_of, tmp_path):
    points = points_of_one_upload(gateway_of, tmp_path, 30)
    well_ended({str(p): journey(gateway_of, tmp_path, f"other-{n}", [(p, action)]) for n, p in enumerate(points)})


@pytest.mark.timeout(400)
@pytest.mark.parametrize("action", [Cut("rst"), "kill"], ids=["cut", "kill"])
def test_a_fault_at_a_sample_of_points_in_four_sessions_ends_well(action, gateway_of, tmp_path):
    """What was cut in one session is decided by evidence while the others go on filing."""
    paths = [tmp_path / f"clean-{n}.xml" for n in range(6)]
    for path in paths:
        path.write_bytes(manifest(path.name, 120_000))
    gateway_of.relay.reset()
    file_without_a_fault([str(path) for path in paths])
    points = gateway_of.relay.cut_points(certain=True)
    assert len({str(point).split("/")[1] for point in points if isinstance(point, Control)}) > 1
    well_ended(
        {
            str(point): journey(gateway_of, tmp_path, f"fleet-{n}", [(point, action)], files=6)
            for n, point in enumerate(points[7 :: len(points) // 3])
        },
        passed=0.5,  # which session files what differs, too
    )


@pytest.mark.parametrize("until", [None, "accepted"])
def test_a_copy_that_is_kept_and_never_handed_on_is_not_taken_for_filed(until, relayed_gateway, tmp_path, monkeypatch):
    """It looks whole. Trying again or clearing the task finds it again; what the error says helps."""
    relayed = relayed_gateway(cut_uploads="keep", check_xml=True, delays={1: 0, 2: 0, 3: 0})
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(relayed.connection(**QUICK)))
    place = parts_of_an_upload(relayed, tmp_path)["From the last byte to the gateway's reply"][0]
    path = tmp_path / "kept.xml"
    path.write_bytes(manifest("kept", 120_000))
    store = str(tmp_path / "kept.json")
    relayed.relay.reset()
    relayed.relay.plan(place, Cut("rst"))
    before = len(relayed.simulator.uploads)
    with pytest.raises(GatewayUnavailableError, match="426"):
        one_try(str(path), 1, store, "kept", 0, until)
    for number in (2, 3):
        with pytest.raises(AirflowFailException, match=r"nothing shows whether .* only waits again.* resubmission=1"):
            one_try(str(path), number, store, "kept", 0, until)
    assert [upload.filed for upload in relayed.simulator.uploads[before:]] == [False]
    one_try(str(path), 4, store, "kept", 1, until)
    assert [upload.filed for upload in relayed.simulator.uploads[before:]] == [False, True]


@pytest.mark.timeout(400)
def test_random_faults_file_nothing_twice_and_lose_nothing(tmp_path, identities, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", "")
    for mode in MODES:
        shutil.copytree(identities, tmp_path / mode)
    ends = run(15, seed=20261123, folder=tmp_path)
    assert (ends["filed twice"], ends["lost"], sum(ends.values())) == (0, 0, 15)
