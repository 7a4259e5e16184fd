"""Copies of a file that lie in its service folder, and what they prove."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from scripted_server import Conversation, ScriptedServer

from airflow_provider_icsftps.gateway import Filing, Journal, Patience, Transfer, Verdict, file_all, upload_name

CONTENT = b"<manifest/>"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILING = Filing(source=CONTENT, service="Manifest", scope="test", source_name="a.xml")
FIRST, SECOND = (upload_name("a.xml", "test", "Manifest", SHA256, 0, generation=number) for number in (1, 2))
STATUS = (
    b"<status><file><filename>/Manifest/a.xml</filename><timestamp>20261101100000</timestamp>"
    b"<service>Manifest</service><status.code>OK</status.code></file></status>"
)


@pytest.mark.parametrize("transfer", [Transfer.SENT, Transfer.BROKEN, Transfer.KILLED])
def test_a_later_name_that_is_proven_counts_more_than_a_whole_copy_under_an_earlier_one(pki, client, transfer):
    """A gateway may keep that copy and never hand it on; who waited for it would wait in vain."""
    journal = Journal()
    journal.note(FIRST, SHA256, transfer)
    files = {f"/Manifest/{FIRST}": CONTENT}
    with ScriptedServer(pki, files=files) as server:
        (submission,) = file_all(client(server), [FILING], journal)
        assert (submission.file_name, submission.verdict) == (FIRST, Verdict.RECEIVED)
        assert submission.needs_proof
    journal.note(SECOND, SHA256, Transfer.CONFIRMED)
    with ScriptedServer(pki, files=files | {f"/out/status_Manifest_{SECOND}_2.xml": STATUS}) as server:
        (submission,) = file_all(client(server), [FILING], journal)
        assert (submission.file_name, submission.verdict) == (SECOND, Verdict.FILED)
        assert not submission.needs_proof
        assert "STOR" not in server.commands


def test_an_empty_file_whose_data_connection_breaks_may_be_there_whole(pki, client):
    """Many servers make an empty file as soon as they have the command: under the next name it would be filed twice."""

    def taken(talk: Conversation, path: str) -> None:
        talk.say("150 send it")
        talk.accept_raw().close()
        names.append(path)
        talk.say("553 used before" if names.count(path) > 1 else "425 no data connection")

    names: list[str] = []
    empty = replace(FILING, source=b"", allow_empty=True)
    with ScriptedServer(pki, {"STOR": taken}) as server:
        submission = file_all(client(server), [empty], patience=Patience(60, sleep=lambda _: None))[0]
    assert names == [f"/Manifest/{submission.file_name}"] * 2
    assert submission.needs_proof
