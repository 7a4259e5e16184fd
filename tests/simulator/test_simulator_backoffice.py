"""What customs answers: the pure rule first, then over the wire and by the clock."""

from __future__ import annotations

import ftplib
from datetime import UTC, datetime, timedelta

import pytest
from bare_ftp import connect
from due_files import due_files

from airflow_provider_icsftps.gateway import StatusFile
from airflow_provider_icsftps.gateway.status import NAME_REUSED
from airflow_provider_icsftps.simulator import GatewaySimulator, SimulatedClock
from airflow_provider_icsftps.simulator.backoffice import (
    REUSED,
    Filing,
    Outage,
    Rule,
    home_path,
    response_name,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
USER = "CVR_12345678_UI_1e2d3e45-a67e-491a-8234-1a2b345c6789"


def filing(**values):
    return Filing(
        **{
            "number": 7,
            "username": USER,
            "service": "Manifest",
            "file_name": "a.xml",
            "received_at": NOON,
        }
        | values
    )


def names(filing, rule, seconds):
    return [file.name for file in due_files(filing, rule, NOON + timedelta(seconds=seconds))]


def test_the_digits_come_one_after_the_other():
    rule = Rule({1: 0, 2: 60, 3: 120})
    assert names(filing(), rule, -1) == []
    assert names(filing(), rule, 0) == ["status_Manifest_a.xml_1.xml"]
    assert names(filing(), rule, 60)[1:] == ["status_Manifest_a.xml_2.xml"]
    assert names(filing(), rule, 120)[2:] == ["Manifest_a_response1.xml", "status_Manifest_a.xml_3.xml"]


def test_a_digit_may_never_come():
    assert names(filing(), Rule({1: 0, 2: None, 3: None}), 10**9) == ["status_Manifest_a.xml_1.xml"]


def test_the_third_digit_names_the_response_by_its_full_path():
    file = due_files(filing(), Rule(), NOON + timedelta(seconds=2))[-1]
    home = "/CVR_12345678/UI_1e2d3e45-a67e-491a-8234-1a2b345c6789"
    assert f"<filename>{home}/out/Manifest_a_response1.xml</filename>".encode() in file.data
    assert f"<filename>{home}/Manifest/a.xml</filename>".encode() in file.data
    status = StatusFile.from_xml(file.data, 3)
    assert status.responses == ("Manifest_a_response1.xml",)
    assert status.timestamp == NOON + timedelta(seconds=2)


def test_further_responses_come_later_under_their_own_names():
    rule = Rule(response_interval=30)
    assert names(filing(responses=2), rule, 31) == names(filing(), rule, 31)
    assert names(filing(responses=2), rule, 32)[-2:] == ["Manifest_a_response2.xml", "status_Manifest_a.xml_3_2.xml"]
    assert names(filing(responses=0), rule, 999) == ["status_Manifest_a.xml_1.xml", "status_Manifest_a.xml_2.xml"]


def test_a_rejected_file_gets_digit_0_and_nothing_else():
    [file] = due_files(filing(rejection=REUSED, repeat=2), Rule(), NOON + timedelta(days=9))
    assert file.name == "status_Manifest_a.xml_0_2.xml"
    assert StatusFile.from_xml(file.data, 0).name_was_used


def test_what_falls_due_in_an_outage_comes_at_its_end():
    start, end = NOON + timedelta(seconds=1), NOON + timedelta(hours=1)
    rule = Rule(outages=(Outage(start),))
    assert len(names(filing(), rule, 10**6)) == 1
    rule = Rule(outages=(Outage(start, end),))
    assert len(names(filing(), rule, 3599)) == 1
    assert len(names(filing(), rule, 3600)) == 4
    assert {file.due for file in due_files(filing(), rule, end)} == {NOON, end}


def test_status_files_show_the_folder_of_each_kind_of_login():
    assert home_path("CVR_19552101_RID_60134540") == "/CVR_19552101/RID_60134540"
    assert home_path("somebody") == "/somebody"
    assert response_name("ICS", "a.b.xml", 2) == "ICS_a.b_response2.xml"


# --- over the wire


def test_two_days_of_waiting_are_one_call():
    clock = SimulatedClock(NOON)
    with GatewaySimulator(delays={2: 86400, 3: 172800}, clock=clock) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml")
        assert len(client.names()) == 1
        clock.advance(days=1)
        assert len(client.names()) == 2
        clock.advance(hours=24)
        assert len(client.names()) == 4
        assert client.sendcmd("MDTM /out/status_Manifest_a.xml_3.xml") == "213 20260304120000"
        assert sim.uploads[0].received_at == NOON


def test_a_clock_does_not_run_backwards():
    with pytest.raises(ValueError, match="back"):
        SimulatedClock().advance(seconds=-1)


def test_a_used_name_is_turned_down_after_the_upload(sim, client):
    client.store("/Manifest/a.xml", b"first")
    assert client.store("/Manifest/a.xml", b"second").startswith("226")
    assert client.store("/FTPSGW.Heartbeat/a.xml", b"third").startswith("226")
    assert [u.filed for u in sim.uploads] == [True, False, False]
    assert sim.uploads[1].outcome == "name used before"
    assert sim.uploads[1].content() == b"second"
    status = StatusFile.from_xml(client.read("/out/status_Manifest_a.xml_0.xml"), 0)
    assert status.error_code == NAME_REUSED
    sim.clock.advance(seconds=9)
    assert "Manifest_a_response2.xml" not in client.names()


@pytest.mark.parametrize("code", ["550", "553"])
def test_a_used_name_can_be_refused_at_once(code):
    with GatewaySimulator(reused_name=code) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml")
        with pytest.raises(ftplib.error_perm, match=f"^{code} "):
            client.store("/Manifest/a.xml")
        assert len(sim.uploads) == 1


def test_a_name_is_used_per_certificate(sim, client):
    client.store("/Manifest/a.xml")
    with connect(sim, sim.client_certificate()) as other:
        other.store("/Manifest/a.xml")
    assert [u.filed for u in sim.uploads] == [True, True]


def test_a_chosen_file_is_rejected(sim, client):
    sim.reject("bad_*.xml", "LAST_RECORD_INCORRECT", "Sum is wrong", "Count again")
    sim.reject(error_code="FIRST_RECORD_INCORRECT", content=b"<wrong/>")
    client.store("/Manifest/bad_1.xml")
    client.store("/Manifest/good.xml", b"<x><wrong/></x>")
    client.store("/Manifest/fine.xml")
    client.store("/Manifest/empty.xml", b"")
    client.store("/Manifest/bad_1.xml")
    sim.clock.advance(days=1)
    status = StatusFile.from_xml(client.read("/out/status_Manifest_bad_1.xml_0.xml"), 0)
    assert (status.error_code, status.error_message, status.error_resolution) == (
        "LAST_RECORD_INCORRECT",
        "Sum is wrong",
        "Count again",
    )
    assert [u.outcome for u in sim.uploads] == [
        *("rejected: LAST_RECORD_INCORRECT", "rejected: FIRST_RECORD_INCORRECT", "filed", "filed"),
        "name used before",
    ]
    assert "status_Manifest_bad_1.xml_0_2.xml" in sim.outbox()
    assert not any(name.startswith("status_Manifest_bad_1.xml_1") for name in sim.outbox())


def test_what_was_said_last_about_a_file_counts(sim, client):
    sim.reject("a*", "FIRST_RECORD_INCORRECT")
    sim.reject("a*", "LAST_RECORD_INCORRECT")
    client.store("/Manifest/a1.xml")
    sim.accept("a*")
    client.store("/Manifest/a2.xml")
    sim.reject("*")
    client.store("/Manifest/a3.xml")
    assert [u.outcome for u in sim.uploads] == [
        *("rejected: LAST_RECORD_INCORRECT", "filed", "rejected: LAST_RECORD_INCORRECT")
    ]


def test_chosen_files_are_answered_late_or_never(sim, client):
    sim.answer_after({2: 86400, 3: None}, "late*")
    sim.answer_after({1: None, 2: None, 3: None}, "never*")
    for name in ("late.xml", "never.xml", "soon.xml"):
        client.store(f"/Manifest/{name}")
    sim.clock.advance(seconds=9)
    digits = [n.removeprefix("status_Manifest_") for n in client.names() if n.startswith("status_")]
    assert digits == ["late.xml_1.xml", "soon.xml_1.xml", "soon.xml_2.xml", "soon.xml_3.xml"]
    sim.clock.advance(days=1)
    assert "status_Manifest_late.xml_2.xml" in client.names()
    sim.clock.advance(days=20)
    assert not any("late.xml_3" in name or "never" in name for name in client.names())
    with pytest.raises(ValueError, match="digits 0 to 3, not 4"):
        sim.answer_after({4: 1})


def test_several_responses_can_be_asked_for(sim, client):
    sim.respond("two*", times=2)
    sim.respond("none*", times=0)
    for name in ("two.xml", "none.xml", "one.xml"):
        client.store(f"/Manifest/{name}")
    sim.clock.advance(hours=1)
    assert sum("response" in name for name in sim.outbox()) == 3
    assert "status_Manifest_two.xml_3_2.xml" in sim.outbox()


def test_during_an_outage_files_wait_in_the_service_folder(sim, client):
    with sim.outage():
        client.store("/Manifest/a.xml")
        sim.clock.advance(days=2)
        assert client.names() == []
        assert client.names("/Manifest") == ["a.xml"]
    sim.clock.advance(seconds=0)
    assert len(client.names()) == 4
    assert client.names("/Manifest") == []


def test_an_outage_may_have_an_end_that_is_known(sim, client):
    sim.start_outage(seconds=3600)
    client.store("/Manifest/a.xml")
    sim.clock.advance(seconds=3000)
    assert client.names() == []
    sim.clock.advance(seconds=600)
    assert "status_Manifest_a.xml_1.xml" in client.names()
    sim.end_outage()  # it has ended; nothing changes
    sim.start_outage(seconds=3600)
    client.store("/Manifest/b.xml")
    assert not any("b.xml" in name for name in client.names())
    sim.end_outage()  # before its time
    assert "status_Manifest_b.xml_1.xml" in client.names()


def test_who_finds_nothing_new_is_carried_to_the_next_answer(client, sim):
    sim.answer_after({1: 0, 2: 86400, 3: 172800})
    began = sim.clock.now()
    with sim.waits_skipped():
        client.store("/Manifest/a.xml")
        assert len(client.names()) == 1  # the digit 1 is new
        assert client.names("/Manifest") == []  # another folder is no look
        assert len(client.names()) == 2
        assert len(client.names()) == 4
        assert sim.clock.now() - began < timedelta(days=2, seconds=30)
        sim.start_outage()
        client.store("/Manifest/b.xml")
        assert len(client.names()) == len(client.names()) == 4
        sim.end_outage()
        sim.start_outage(seconds=3600)
        client.store("/Manifest/c.xml")
        assert len(client.names()) == 5  # the first digit of b
        assert "status_Manifest_c.xml_1.xml" in client.names()
    client.store("/Manifest/d.xml")
    assert len(client.names()) == len(client.names())  # time stands still again


def test_the_answers_of_others_skip_no_wait(sim, client):
    sim.answer_after({1: 3600, 2: 7200, 3: 7200})
    with connect(sim, sim.client_certificate()) as other, sim.waits_skipped():
        other.store("/Manifest/a.xml")
        assert client.names() == client.names() == []
        assert other.names() == ["status_Manifest_a.xml_1.xml"]


def test_a_service_window_refuses_uploads_or_connections(sim, client):
    sim.close_window()
    with pytest.raises(ftplib.error_temp, match="450"):
        client.store("/Manifest/a.xml")
    assert client.names() == []
    sim.close_window("421")
    with pytest.raises(ftplib.error_temp, match="421"):
        connect(sim)
    sim.open_window()
    assert client.store("/Manifest/a.xml").startswith("226")


def test_the_outbox_keeps_files_for_thirty_days(sim, client):
    sim.put_in_outbox("old.xml", b"x", modified=sim.clock.now() - timedelta(days=29))
    sim.put_in_outbox("new.xml", b"x")
    sim.clock.advance(hours=23)
    assert client.names() == ["new.xml", "old.xml"]
    sim.clock.advance(hours=2)
    assert client.names() == ["new.xml"]
    sim.clock.advance(days=30)
    assert client.names() == []


def test_what_was_deleted_does_not_come_back(sim, client):
    client.store("/Manifest/a.xml")
    client.delete("/out/status_Manifest_a.xml_1.xml")
    sim.clock.advance(seconds=5)
    assert "status_Manifest_a.xml_1.xml" not in client.names()
    assert len(client.names()) == 3
