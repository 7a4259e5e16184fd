"""Customs systems that look into what they are given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bare_ftp import connect
from due_files import due_files

from airflow_provider_icsftps.gateway import StatusFile
from airflow_provider_icsftps.simulator import GatewaySimulator
from airflow_provider_icsftps.simulator.backoffice import NOT_WELL_FORMED, Filing, Outage, Rule
from airflow_provider_icsftps.simulator.contents import is_well_formed

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
WHOLE = b"<?xml version='1.0' encoding='UTF-8'?><manifest>" + b"<line>\xc3\xb8</line>" * 1000 + b"</manifest>"
ENTITIES = b'<!DOCTYPE m [<!ENTITY a "b">]><m>&a;</m>'


def names(rule, seconds):
    filing = Filing(
        number=1,
        username="CVR_12345678_UI_x",
        service="Manifest",
        file_name="a.xml",
        received_at=NOON,
        later_rejection=NOT_WELL_FORMED,
    )
    return [file.name[-5] for file in due_files(filing, rule, NOON + timedelta(seconds=seconds))]


def test_the_later_rejection_comes_instead_of_digits_2_and_3():
    rule = Rule({0: 5, 1: 10, 2: 60, 3: 90})
    assert [names(rule, seconds) for seconds in (9, 10, 59, 60, 10**6)] == [[], ["1"], ["1"], ["1", "0"], ["1", "0"]]
    assert names(Rule({2: None}), 10**9) == ["1"]


def test_an_outage_holds_the_later_rejection_up():
    rule = Rule({1: 0, 2: 60}, outages=(Outage(NOON + timedelta(seconds=1), NOON + timedelta(hours=1)),))
    assert [names(rule, seconds) for seconds in (3599, 3600)] == [["1"], ["1", "0"]]


@pytest.mark.parametrize(
    ("content", "well_formed"),
    [
        (WHOLE, True),
        (WHOLE.decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"), True),
        (b"", False),
        (WHOLE[:-1], False),
        (WHOLE[:100], False),
        (WHOLE + b"<more/>", False),
        (b"<?xml version='1.0' encoding='nonsense'?><x/>", False),
        (b"\x00\xff\xfe", False),
        (ENTITIES, False),
    ],
)
def test_only_one_whole_document_is_well_formed(tmp_path, content, well_formed):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert is_well_formed(path) is well_formed


def test_what_is_too_long_to_look_into_is_taken_as_it_is(tmp_path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    assert is_well_formed(path)


def test_a_cut_copy_that_was_taken_for_whole_is_delivered_and_then_rejected():
    given = {"cut_uploads": "accept", "check_xml": True, "delays": {2: 3600, 3: 7200}}
    with GatewaySimulator(**given) as sim, connect(sim) as client:
        client.cut("/Manifest/cut.xml", WHOLE[:-5], "fin")
        client.store("/Manifest/whole.xml", WHOLE)
        assert [(u.filed, u.accepted) for u in sim.uploads] == [(True, False), (True, True)]
        assert sim.uploads[0].outcome == "delivered, then rejected: LAST_RECORD_INCORRECT"
        assert sim.outbox() == ["status_Manifest_cut.xml_1.xml", "status_Manifest_whole.xml_1.xml"]
        assert client.names("/Manifest") == []
        sim.clock.advance(days=1)
        assert [name for name in sim.outbox() if "cut" in name] == [
            "status_Manifest_cut.xml_0.xml",
            "status_Manifest_cut.xml_1.xml",
        ]
        assert len(sim.outbox()) == 6
        status = StatusFile.from_xml(client.read("/out/status_Manifest_cut.xml_0.xml"), 0)
        assert status.error_code == "LAST_RECORD_INCORRECT"
        assert not status.name_was_used
        sim.check()


def test_a_reused_name_is_turned_down_beside_the_later_rejection():
    with GatewaySimulator(check_xml=True) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml", b"no xml")
        client.store("/Manifest/a.xml", b"no xml either")
        sim.clock.advance(days=1)
        assert [u.outcome for u in sim.uploads][1:] == ["name used before"]
        assert [u.accepted for u in sim.uploads] == [False, False]
        assert [name[16:] for name in sim.outbox()] == ["a.xml_0.xml", "a.xml_0_2.xml", "a.xml_1.xml"]
        sim.check()


def test_nobody_looks_unless_asked(sim, client):
    client.store("/Manifest/a.xml", b"no xml")
    assert (sim.uploads[0].filed, sim.uploads[0].accepted, sim.uploads[0].outcome) == (True, True, "filed")
    sim.reject("b*")
    client.store("/Manifest/b.xml")
    assert (sim.uploads[1].filed, sim.uploads[1].accepted) == (False, False)


def test_the_later_rejection_survives_a_restart(tmp_path):
    with GatewaySimulator(directory=tmp_path, check_xml=True, delays={2: 3600}) as sim, connect(sim) as client:
        client.store("/Manifest/a.xml", b"no xml")
        assert sim.outbox() == ["status_Manifest_a.xml_1.xml"]
    with GatewaySimulator(directory=tmp_path, delays={2: 3600}) as sim:
        assert not sim.uploads[0].accepted
        sim.clock.advance(hours=2)
        assert sim.outbox() == ["status_Manifest_a.xml_0.xml", "status_Manifest_a.xml_1.xml"]


def test_a_stopped_simulator_has_no_outbox():
    with GatewaySimulator() as sim:
        assert sim.outbox() == []
    with pytest.raises(RuntimeError, match="has been stopped"):
        sim.outbox()
