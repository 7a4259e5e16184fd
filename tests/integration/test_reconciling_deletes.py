"""A reconciliation deletes at the gateway only what it has read back; what it does not delete it tells."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from archived import commands, forbid, remove, status

from airflow_provider_icsftps.exceptions import LoginRefusedError, ReadOnlyGatewayError
from airflow_provider_icsftps.gateway import GatewayClient, Span, reconcile

OLD = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
HOUR = timedelta(hours=1)


def test_only_what_was_read_back_settled_and_unchanged_is_deleted(simulator, gateway, archive, shelf):
    for n in range(4):
        simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>", modified=OLD + n * HOUR)
    reconcile(gateway, archive)
    simulator.put_in_outbox("new.xml", b"<new/>", modified=OLD)
    simulator.put_in_outbox("young.xml", b"<young/>")
    (damaged,) = [record for record in shelf.records() if record.name == "svar1.xml"]
    archive.path(damaged).write_bytes(b"<sv@r/>")
    summary = reconcile(gateway, archive, delete=True)
    assert sorted(summary.deleted) == ["new.xml", "svar0.xml", "svar2.xml", "svar3.xml"]
    assert set(summary.not_deleted) == {"svar1.xml", "young.xml"}
    assert "other content" in summary.not_deleted["svar1.xml"]
    assert simulator.outbox() == ["svar1.xml", "young.xml"]


@pytest.mark.parametrize("mlsd", [True, False])
def test_a_file_that_changed_since_it_was_listed_is_not_deleted(mlsd, simulator, archive):
    simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
    if not mlsd:
        simulator.faults.no_mlsd()

    class Late(GatewayClient):
        listings = 0

        def list_outbox(self, **options):
            self.listings += 1
            if self.listings == 2:
                simulator.put_in_outbox("svar.xml", b"<sv4r/>", modified=OLD + HOUR)
            return super().list_outbox(**options)

    with Late(simulator.settings()) as gateway:
        summary = reconcile(gateway, archive, delete=True)
    assert (summary.deleted, summary.not_deleted) == ([], {"svar.xml": "it has changed since it was listed"})
    assert simulator.outbox() == ["svar.xml"]


def test_a_file_of_which_no_time_is_told_is_not_deleted(simulator, gateway, archive, monkeypatch):
    simulator.put_in_outbox("svar.xml", b"<one/>", modified=OLD)
    usual = GatewayClient.list_outbox
    monkeypatch.setattr(GatewayClient, "list_outbox", lambda client, **_: usual(client, times=False))
    simulator.faults.no_mlsd()
    with GatewayClient(simulator.settings()) as other:
        assert reconcile(other, archive).fetched == ["svar.xml"]
        simulator.put_in_outbox("svar.xml", b"<two/>", modified=OLD + HOUR)
        summary = reconcile(other, archive, delete=True)
    assert "may be another file than the one that is kept" in summary.not_deleted["svar.xml"]
    assert simulator.outbox() == ["svar.xml"]


def test_without_mlsd_the_second_look_asks_only_for_the_times_of_what_is_to_go(simulator, archive):
    for n in range(5):
        simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>", modified=OLD + n * HOUR)
    simulator.faults.no_mlsd()
    with GatewayClient(simulator.settings()) as gateway:
        summary = reconcile(gateway, archive, window=Span(OLD + HOUR, OLD + 3 * HOUR), delete=True)
    assert summary.deleted == ["svar1.xml", "svar2.xml"]
    assert commands(simulator, "MDTM") == 5 + 2


@pytest.mark.parametrize("verb", ["list_outbox", "delete"])
def test_what_somebody_else_deletes_meanwhile_is_no_trouble(verb, simulator, archive):
    simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
    simulator.put_in_outbox("other.xml", b"<other/>", modified=OLD)
    asked = []

    class Late(GatewayClient):
        def list_outbox(self, **options):
            self.come("list_outbox", 2)
            return super().list_outbox(**options)

        def delete(self, name):
            self.come("delete", 1)
            super().delete(name)

        def come(self, what, time):
            asked.append(what)
            if (what, asked.count(what)) == (verb, time):
                remove(simulator, "other.xml")

    with Late(simulator.settings()) as gateway:
        summary = reconcile(gateway, archive, delete=True)
    assert (summary.deleted, summary.not_deleted) == (["svar.xml"], {})
    assert asked.count("delete") == (2 if verb == "delete" else 1)
    assert simulator.outbox() == []


def test_a_file_that_may_not_be_deleted_is_told(simulator, archive, monkeypatch):
    simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
    forbid(monkeypatch, "d")
    with GatewayClient(simulator.settings()) as gateway:
        summary = reconcile(gateway, archive, delete=True)
    assert (summary.fetched, summary.deleted) == (["svar.xml"], [])
    assert "Deletion of /out/svar.xml" in summary.not_deleted["svar.xml"]
    assert simulator.outbox() == ["svar.xml"]


def test_a_login_that_is_refused_ends_the_deleting_after_one_attempt(simulator, archive):
    for n in range(3):
        simulator.put_in_outbox(f"svar{n}.xml", b"<svar/>", modified=OLD)

    class Refused(GatewayClient):
        def delete(self, name):
            self.close()
            simulator.faults.refuse_login(times=None)
            super().delete(name)

    with Refused(simulator.settings()) as gateway, pytest.raises(LoginRefusedError):
        reconcile(gateway, archive, delete=True)
    assert commands(simulator, "PASS") == 2
    assert len(simulator.outbox()) == 3


def test_a_record_that_is_damaged_deletes_nothing(simulator, gateway, archive, shelf):
    simulator.put_in_outbox("svar.xml", b"<svar/>", modified=OLD)
    reconcile(gateway, archive)
    (record,) = shelf.records()
    (archive.root / record.folder / record.record).write_bytes(b"torn")
    assert "is no record" in reconcile(gateway, archive, delete=True).not_deleted["svar.xml"]
    assert simulator.outbox() == ["svar.xml"]


def test_a_record_of_another_file_deletes_nothing(simulator, gateway, archive, shelf):
    """Such as one that was restored to the wrong name: what it speaks of is whole, but is not this file."""
    for name in ("a.xml", "b.xml"):
        simulator.put_in_outbox(name, name.encode(), modified=OLD)
    reconcile(gateway, archive)
    a, b = (archive.root / record.folder / record.record for record in shelf.records())
    a.write_bytes(b.read_bytes())
    (a.parent / a.name.split(".xml.")[0]).with_suffix(".xml").unlink()
    summary = reconcile(gateway, archive, delete=True)
    assert (summary.deleted, list(summary.not_deleted)) == (["b.xml"], ["a.xml"])
    assert "of another file" in summary.not_deleted["a.xml"]
    assert {(problem.kind, problem.path.rpartition("/")[2]) for problem in archive.verify().problems} == {
        ("record", a.name)
    }


def test_a_time_that_is_none_says_no_more_than_no_time(simulator, archive):
    """Some servers tell the year 1 of every file: so equal names and sizes say nothing of the content."""

    class Timeless(GatewayClient):
        def list_outbox(self, **options):
            return [replace(entry, modified=datetime(1, 1, 1, tzinfo=UTC)) for entry in super().list_outbox(**options)]

    with Timeless(simulator.settings()) as gateway:
        simulator.put_in_outbox("svar.xml", b"<one/>")
        assert reconcile(gateway, archive).fetched == ["svar.xml"]
        simulator.put_in_outbox("svar.xml", b"<two/>")
        assert reconcile(gateway, archive, delete=True).deleted == []
    assert simulator.outbox() == ["svar.xml"]


def test_a_gateway_that_only_gives_out_files_is_told_before_anything(simulator, archive):
    with (
        GatewayClient(simulator.settings(read_only=True)) as gateway,
        pytest.raises(ReadOnlyGatewayError, match="read-only"),
    ):
        reconcile(gateway, archive, delete=True)
    assert simulator.connections.data == 0


def test_nothing_is_deleted_unless_it_is_asked_for(simulator, gateway, archive):
    simulator.put_in_outbox("status_Manifest_a.xml_1.xml", status(1), modified=OLD)
    assert reconcile(gateway, archive).deleted == []
    assert len(simulator.outbox()) == 1
