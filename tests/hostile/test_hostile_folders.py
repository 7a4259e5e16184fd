"""Whether a service folder is missing can only be said where the root shows which there are."""

from __future__ import annotations

import pytest
from scripted_server import Conversation, ScriptedServer

from airflow_provider_icsftps.exceptions import GatewayRefusedError, NameAlreadyUsedError
from airflow_provider_icsftps.gateway import Filing, Journal, file_all

ONE = Filing(source=b"<a/>", service="Manifest", scope="dag/task/run", source_name="a.xml")
REFUSAL = {"STOR": "553 no"}


def root(*names: str):
    """Send these names as what lies in the root folder."""

    def listing(talk: Conversation, _: str) -> None:
        talk.send("".join(f"{name}\r\n" for name in names).encode())
        talk.say("226 that was it")

    return listing


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (root("out", "ICS"), True),
        (root("out", "Manifest"), False),
        (root("Manifes"), False),  # without the outbox it is no list of all there is
        (root(), False),
        ("550 not yours", False),
    ],
)
def test_a_refused_upload_is_an_earlier_copy_unless_the_folder_is_seen_to_be_missing(pki, client, answer, missing):
    unknown = Journal(complete=False)
    with ScriptedServer(pki, REFUSAL | {"NLST": answer}, files={"/out/other.xml": b"1"}) as server:
        if missing:
            with pytest.raises(GatewayRefusedError, match=r"/Manifest/a-\w+\.xml at .* 553 no"):
                file_all(client(server), [ONE], unknown)
        else:
            (submission,) = file_all(client(server), [ONE], unknown)
            assert submission.verdict == "unproven"
    assert server.commands.count("STOR") == 1


def test_what_was_never_sent_needs_no_look_at_the_folders(pki, client):
    seen_before = pytest.raises(NameAlreadyUsedError, match=r"seen the name /Manifest/a-\w+\.xml before")
    with ScriptedServer(pki, REFUSAL, files={"/out/other.xml": b"1"}) as server, seen_before:
        file_all(client(server), [ONE])
    assert "NLST" not in server.commands
