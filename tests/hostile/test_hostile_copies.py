"""Copies of a file that lie in its service folder, and what they prove."""

from __future__ import annotations

import hashlib

import pytest
from scripted_server import ScriptedServer

from airflow_provider_icsftps.gateway import Filing, Journal, Transfer, Verdict, file_all, upload_name

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
