"""The diagnosis: each fault is told from all others, by its own sentence, in time; and a good gateway is found good."""

from __future__ import annotations

import contextlib
import json
import string
import time
from datetime import UTC, datetime, timedelta

import pytest
from expectations import PASSWORD
from faulty_gateways import PROVOCATIONS, SECONDS, World, alert, cut, hello, late, shown_for
from scripted_server import Conversation, ScriptedServer
from throwaway_pki import PASSPHRASE
from usual_answers import receive

from airflow_provider_icsftps.exceptions import TransferError
from airflow_provider_icsftps.gateway.diagnosis import State, diagnose
from airflow_provider_icsftps.gateway.faults import FAULTS, STEPS, Mender
from airflow_provider_icsftps.gateway.names import HEARTBEAT_SERVICE


@pytest.fixture
def world(pki, strangers, simulator, settings, monkeypatch) -> World:
    return World(pki, strangers, simulator, settings, monkeypatch)


# ------------------------------------------------------------ faults


def test_every_fault_is_provoked():
    assert set(FAULTS) == set(PROVOCATIONS)


@pytest.mark.parametrize("key", PROVOCATIONS)
def test_a_fault_is_recognised_and_told_in_its_own_sentence(world, key):
    diagnosis = PROVOCATIONS[key](world)
    failure = diagnosis.failure
    assert failure is not None, diagnosis
    assert failure.fault == key, failure
    fault = FAULTS[key]
    assert fault.step in {failure.name, ""}
    assert failure.who == fault.mender.value
    words = [word for word, *_ in string.Formatter().parse(fault.sentence) if word.strip()]
    assert [word for word in words if word.rstrip(". ") not in failure.sentence] == []
    assert "{" not in failure.sentence
    assert world.took < SECONDS + 2
    for secret in (PASSWORD, PASSPHRASE, world.simulator.default_client.password, "not this one"):
        assert secret not in json.dumps(diagnosis.to_data())


@pytest.mark.parametrize("key", ["port_closed", "wrong_password", "no_outbox"])
def test_nothing_is_done_after_the_first_fault(world, key):
    diagnosis = PROVOCATIONS[key](world)
    states = [step.state for step in diagnosis.steps]
    failed = states.index(State.FAILED)
    assert State.FAILED not in states[:failed]
    assert set(states[failed + 1 :]) == {State.SKIPPED}
    assert tuple(step.name for step in diagnosis.steps) == STEPS


def test_a_wrong_password_is_sent_once(world):
    assert world.simulated(password="not this one").failure.fault == "wrong_password"
    assert len([entry for entry in world.simulator.transcript if entry.line.startswith("PASS")]) == 1


@pytest.mark.parametrize("host", ["a..b", f"{'x' * 70}.example", "no,commas"])
def test_what_could_never_be_a_host_is_an_unknown_host(world, host):
    assert world.of(world.settings(6381, host=host)).failure.fault == "host_unknown"


def test_sentences_differ_and_name_who_can_mend_it():
    sentences = [fault.sentence for fault in FAULTS.values()]
    assert len(set(sentences)) == len(sentences) > 20
    assert {fault.mender for fault in FAULTS.values()} == set(Mender)
    assert {fault.step for fault in FAULTS.values()} <= {*STEPS, ""}


# ------------------------------------------------------------ time


def test_a_server_that_drips_everything_does_not_hold_the_check(world):
    """Each reply and each byte of a listing comes in time, and still all of it takes no longer than it may."""

    def drip(reply: str):
        def slowly(talk: Conversation, _: str) -> None:
            for byte in f"{reply}\r\n".encode():
                time.sleep(0.03)
                talk.control.sendall(bytes([byte]))

        return slowly

    def listing(talk: Conversation, _: str) -> None:
        talk.say("150 here it comes")
        data = talk.accept_data()
        for _ in range(400):
            data.sendall(b"x")
            time.sleep(0.05)

    replies = {"CONNECT": drip("220 ready"), "USER": drip("331 go on"), "PASS": drip("230 welcome"), "NLST": listing}
    began = time.monotonic()
    diagnosis = world.scripted(replies, seconds=2.0)
    assert diagnosis.failure.fault == "too_slow"
    assert 1.9 < time.monotonic() - began < 10  # all of it would take twenty


@pytest.mark.slow
def test_ten_seconds_are_not_exceeded_by_the_default(world):
    replies = {"USER": "331 go on", "PASS": "230 welcome", "PBSZ": "200 fine", "PROT": "200 fine", "TYPE": "200 fine"}
    answers = {command: late(reply, 2.5) for command, reply in replies.items()}
    began = time.monotonic()
    with ScriptedServer(world.pki, answers) as server:
        settings = world.settings(server, connect_timeout=15, timeout=30, data_timeout=60)
        diagnosis = diagnose(lambda: settings)
        assert time.monotonic() - began < 10
    assert diagnosis.failure.fault == "too_slow"


# ------------------------------------------------------------ a good gateway


def test_a_good_gateway_is_found_good_and_gets_nothing(world):
    world.simulator.put_in_outbox("letter.xml", b"<letter/>")
    diagnosis = world.simulated(services=["Manifest"])
    assert diagnosis.ok, diagnosis.message
    states = {step.name: step.state for step in diagnosis.steps}
    assert {name for name, state in states.items() if state is not State.OK} == {"heartbeat"}
    assert "/out holds 1 files" in diagnosis.message
    assert "Service folders: FTPSGW.Heartbeat, Manifest" in diagnosis.message
    assert world.simulator.uploads == []
    assert world.simulator.connections.logins == 1
    assert not [entry for entry in world.simulator.transcript if "STOR" in entry.line]


def test_a_ping_is_sent_when_it_is_asked_for(world):
    assert world.simulated(heartbeat=True).ok
    (ping,) = world.simulator.uploads
    assert (ping.service, ping.filed) == (HEARTBEAT_SERVICE, True)


def test_steps_are_told_as_they_come(world):
    told = []
    diagnosis = diagnose(world.simulator.settings, tell=told.append)
    assert tuple(told) == diagnosis.steps


def test_a_root_folder_that_may_not_be_listed_is_no_fault(world):
    diagnosis = world.scripted({"NLST": "550 not here"}, services=["Manifest"])
    assert diagnosis.ok, diagnosis.message
    (step,) = [step for step in diagnosis.steps if step.name == "data connection"]
    assert step.state is State.SKIPPED


def test_a_gateway_that_tells_danish_time_is_not_taken_for_a_wrong_clock(world):
    world.simulator.put_in_outbox("a.xml", b"1", modified=datetime.now(UTC) + timedelta(hours=1))
    diagnosis = world.simulated()
    assert diagnosis.ok
    assert "Danish" in diagnosis.steps[-1].sentence


# ------------------------------------------------------------ the same faults in other places


def drops_after_the_file(talk: Conversation, _: str) -> None:
    talk.say("150 send it")
    receive(talk.accept_data(), bytearray())
    talk.drop()


def speaks_when_spoken_to(talk: Conversation, _: str) -> None:
    """Something else than FTP that waits for the client to begin."""
    with contextlib.suppress(OSError):
        talk.control.recv(4096)
        talk.say("HTTP/1.1 400 Bad Request")


def cuts_the_data_connection(talk: Conversation, _: str) -> None:
    raw = talk.accept_raw()
    raw.recv(4096)
    raw.close()


def none_but_the_outbox(talk: Conversation, folder: str) -> None:
    if folder == "/out":
        talk.send(b"")
        talk.say("226 that was it")
    else:
        talk.say("550 no such folder")


def shows_manifest_alone(talk: Conversation, _: str) -> None:
    talk.send(b"/Manifest\r\n")
    talk.say("226 that was it")


ELSEWHERE = {
    "a session that has to be resumed": (
        lambda w: w.scripted({"NLST": "522 session reuse required"}),
        ("data connection", "no_data_connection", "522 session reuse required"),
    ),
    "no passive mode": (
        lambda w: w.scripted({"PASV": "550 Permission denied."}),
        ("data connection", "no_data_connection", "550 Permission denied"),
    ),
    "no extended passive mode": (
        lambda w: w.scripted({"PASV": "500 what?", "EPSV": "550 Permission denied."}),
        ("data connection", "no_data_connection", "550 Permission denied"),
    ),
    "cut off before a port was named": (
        lambda w: w.scripted({"PASV": cut}),
        ("data connection", "cut_off", "cut off in the middle"),
    ),
    "cut off instead of an answer to AUTH": (
        lambda w: w.scripted({"AUTH": cut}),
        ("AUTH TLS", "cut_off", "cut off in the middle"),
    ),
    "an older version chosen in the handshake": (
        lambda w: w.scripted({"AUTH": hello(2, 0xC013)}),
        ("TLS version", "tls_too_old", "older than 1.2"),
    ),
    "a server key that is too short": (
        lambda w: shown_for(w, "short", bits=1024),
        ("server certificate", "server_unfit", "key too"),
    ),
    "a refusal at the first word of the handshake": (
        lambda w: w.scripted({"AUTH": alert(49)}),
        ("TLS version", "handshake_cut", "access denied"),
    ),
    "a host name that the server does not have": (
        lambda w: w.scripted({"AUTH": alert(112)}),
        ("server certificate", "server_other_host", "use the host name"),
    ),
    "a data connection that is taken and cut": (
        lambda w: w.scripted({"NLST": cuts_the_data_connection}),
        ("data connection", "data_port_closed", "refused or cut"),
    ),
    "something else that waits for us to begin": (
        lambda w: w.scripted({"CONNECT": speaks_when_spoken_to}, seconds=1.0),
        ("greeting", "silent", "says nothing"),
    ),
    "an outbox that the root does not show and that is empty": (
        lambda w: w.scripted({"NLST": shows_manifest_alone}),
        ("outbox", "no_outbox", "the login sees Manifest"),
    ),
    "a service that only a listing of its own shows to be missing": (
        lambda w: w.scripted({"MLSD": none_but_the_outbox}, services=["Manifest"]),
        ("service folders", "no_service", "550 no such folder"),
    ),
    "a ping to a gateway that only gives out files": (
        lambda w: w.simulated(heartbeat=True, read_only=True),
        ("heartbeat", "read_only", HEARTBEAT_SERVICE),
    ),
    "a ping whose end nobody confirms": (
        lambda w: w.scripted({"STOR": drops_after_the_file}, heartbeat=True),
        ("heartbeat", "cut_off", "cut off in the middle"),
    ),
    "an answer that takes longer than the connection allows": (
        lambda w: w.scripted({"USER": late("331 go on", 2.0)}, timeout=1.0),
        ("login", "too_slow", "slower than this check waits"),
    ),
    "no time at all": (
        lambda w: w.of(w.settings(1), seconds=1e-6),
        ("name lookup", "too_slow", "slower than this check waits"),
    ),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_fault_is_recognised_where_it_shows_less_often(world, case):
    provoke, (step, fault, words) = ELSEWHERE[case]
    failure = provoke(world).failure
    assert failure is not None
    assert (failure.name, failure.fault) == (step, fault), failure
    assert words in failure.sentence


def test_what_cannot_be_read_for_a_reason_of_its_own_is_told(world):
    def read():
        raise TransferError("File /run/customs.p12 cannot be opened (Stale file handle)")

    failure = world.of(read).failure
    assert (failure.name, failure.fault) == ("connection", "unexpected")
    assert "Stale file handle" in failure.sentence


def test_a_gateway_that_can_only_list_names_is_not_asked_about_each_file(world):
    def names(talk: Conversation, folder: str) -> None:
        listed = "".join(f"{name}\r\n" for name in (["out"] if folder == "/" else map("{}.xml".format, range(50))))
        talk.send(listed.encode())
        talk.say("226 that was it")

    def odd(talk: Conversation, _: str) -> None:
        talk.send(b"what is there\r\n")
        talk.say("226 that was it")

    with ScriptedServer(world.pki, {"NLST": names, "MLSD": "500 no", "LIST": odd}) as server:
        diagnosis = world.of(world.settings(server))
    assert diagnosis.ok, diagnosis.message
    assert "/out holds 50 files" in diagnosis.message
    assert not {"SIZE", "MDTM"} & set(server.commands)
