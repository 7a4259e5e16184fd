"""What a simulator is given: a slip of the pen is told at once, and does not make a test that shows nothing."""

from __future__ import annotations

import ftplib
import threading

import pytest
from bare_ftp import connect

from airflow_provider_icsftps.exceptions import InvalidNameError
from airflow_provider_icsftps.simulator import GatewaySimulator


def test_one_name_is_no_list_of_service_folders(sim):
    """Each of its letters would be a folder."""
    for take in (GatewaySimulator, lambda services: sim.client_certificate(services=services)):
        with pytest.raises(TypeError, match=r"a list, such as \['Manifest'\], and not as one text"):
            take("Manifest")


@pytest.mark.parametrize("name", ["out", "..", "a/b", ""])
def test_a_service_folder_that_cannot_be_one_is_refused(sim, name):
    with pytest.raises(InvalidNameError):
        GatewaySimulator([name])
    with pytest.raises(InvalidNameError):
        sim.client_certificate(services=["Manifest", name])
    assert [path.name for path in sim._gateway.storage.directory.glob("homes/*")] == [sim.default_client.username]


def test_a_client_without_service_folders_sees_its_outbox_alone(tmp_path):
    with GatewaySimulator(directory=tmp_path) as sim:
        reader = sim.client_certificate(services=[])
    with GatewaySimulator(directory=tmp_path) as sim, connect(sim, reader) as client:
        assert client.nlst() == ["out"]
        with pytest.raises(ftplib.error_perm, match="550"):
            client.store("/Manifest/a.xml")


@pytest.mark.parametrize(
    "given",
    [
        {"reused_name": 553},
        {"cut_uploads": "kept"},
        {"server_certificate": "bad"},
        {"tls_versions": ["1.2", "1.4"]},
        {"tls_versions": "1.2"},
        {"delays": {4: 0}},
        {"delays": {"1": 0}},
    ],
    ids=str,
)
def test_a_value_that_means_nothing_is_refused(given):
    with pytest.raises(ValueError, match=r"takes '.*, not |digits 0 to 3, not "):
        GatewaySimulator(**given)


@pytest.mark.parametrize(
    "ask",
    [
        lambda sim: sim.close_window("closed"),
        lambda sim: sim.faults.drop_after_bytes(5, "up"),
        lambda sim: sim.faults.set("drop_after_bytes", count=5, transfer="listing"),
    ],
)
def test_a_wish_that_means_nothing_is_refused(sim, ask):
    with pytest.raises(ValueError, match=r"takes '.*, not "):
        ask(sim)


def test_somebody_unknown_is_told_by_name(sim):
    for ask in (lambda: sim.outbox("nobody"), lambda: sim.put_in_outbox("a.xml", b"x", "nobody")):
        with pytest.raises(ValueError, match=f"'nobody' here; known are {sim.default_client.username}"):
            ask()


def test_a_skip_inside_a_skip_ends_only_itself(sim):
    with sim.waits_skipped():
        with sim.waits_skipped():
            pass
        with connect(sim) as client:
            client.store("/Manifest/a.xml")
            assert any("_1.xml" in name for name in client.names())
            assert any("_2.xml" in name for name in client.names())
    assert not sim._gateway.skips_waits


def test_an_outbox_can_be_looked_into_while_a_client_empties_it(sim):
    """The clock is moved, so that each look also searches for what is too old."""
    names = [f"{number}.xml" for number in range(400)]
    for name in names:
        sim.put_in_outbox(name, b"x")
    with connect(sim) as client:
        emptying = threading.Thread(target=lambda: [client.delete(f"/out/{name}") for name in names])
        emptying.start()
        while emptying.is_alive():
            sim.clock.advance(seconds=61)
            sim.outbox()
        emptying.join()
    assert sim.outbox() == []
