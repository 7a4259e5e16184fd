"""Replies at the wrong time, or of the wrong kind: none is taken for the answer to something else."""

from __future__ import annotations

import io
import select

import pytest
from expectations import QUICK, refused
from scripted_server import Conversation, ScriptedServer
from uploading import CONTENT, PATH, upload
from usual_answers import receive

from airflow_provider_icsftps.exceptions import (
    FileNotAvailableError,
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayUnavailableError,
    TransferError,
)
from airflow_provider_icsftps.gateway import Filing, Patience, Transfer, file_all

FILES = {"/out/a.xml": b"12345", "/out/b.xml": b"1"}


def taking_all(early: str, *late: str):
    """Say this before the upload is at its end, and that behind it."""

    def stor(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data, content = talk.accept_data(), bytearray()
        receive(data, content, limit=len(CONTENT) // 3)
        talk.say(early)
        talk.server.endings.append(receive(data, content))
        data.close()
        talk.server.files[PATH] = bytes(content)
        talk.server.reached.set()
        if late:
            talk.say(*late)

    return stor


class Hesitant(io.RawIOBase):
    """A source that waits before its last block until the gateway, which has the first, has spoken."""

    def __init__(self, gateway) -> None:
        super().__init__()
        self.gateway = gateway
        self.blocks = [CONTENT[:150_000], CONTENT[150_000:250_000], CONTENT[250_000:], b""]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if len(self.blocks) == 2:
            select.select([self.gateway._session.sock], [], [], 7)
        block = self.blocks.pop(0)
        buffer[: len(block)] = block
        return len(block)


class HesitantOnce:
    """A path whose file is measured, then sent hesitantly, and not so when it is sent again."""

    def __init__(self, gateway) -> None:
        self.files = [io.BytesIO(CONTENT), Hesitant(gateway), io.BytesIO(CONTENT)]

    def open(self, _: str):
        return self.files.pop(0)


@pytest.mark.parametrize("late", [(), ("552 quota",), ("226 once more",)])
def test_a_226_before_the_end_of_an_upload_confirms_nothing(pki, client, late):
    """It cannot be about the whole: the gateway has not seen the end."""
    with ScriptedServer(pki, {"STOR": taking_all("226 got it", *late)}) as server:
        gateway = client(server, **QUICK)
        gateway.connect()
        with refused(TransferError, server.address, PATH, "226 got it", "looks first"):
            upload(gateway, Hesitant(gateway))
        assert gateway.last_transfer == Transfer.SENT
        assert server.reached.wait(7)
    assert server.endings == ["close_notify"]
    assert server.files[PATH] == CONTENT


@pytest.mark.parametrize(
    ("kept", "verdict", "needs_proof", "renamed"),
    [(100_000, "send", False, True), (len(CONTENT), "received", True, False), (None, "send", True, False)],
    ids=["a part", "all", "nothing"],
)
def test_after_a_226_before_the_end_the_gateway_is_asked_what_it_has(pki, client, kept, verdict, needs_proof, renamed):
    """A part is sent again under another name, never the whole; in doubt only customs' word counts."""

    def says_so_early(talk: Conversation, path: str) -> None:
        talk.server.answers.pop("STOR")
        talk.say("150 send it")
        data, content = talk.accept_data(), bytearray()
        receive(data, content, limit=100_000)
        talk.say("226 got it")
        receive(data, content)
        data.close()
        if kept is not None:
            talk.server.files[path] = bytes(content[:kept])
        talk.server.reached.set()

    with ScriptedServer(pki, {"STOR": says_so_early}) as server:
        gateway = client(server)
        filing = Filing(source=HesitantOnce(gateway), service="Manifest", scope="test", source_name="a.xml")
        patience = Patience(60, sleep=lambda _: server.reached.wait(7))
        (submission,) = file_all(gateway, [filing], patience=patience)
    assert (submission.verdict, submission.needs_proof) == (verdict, needs_proof)
    assert submission.file_name.endswith("-g2.xml") is renamed
    assert server.files == {f"/Manifest/{submission.file_name}": CONTENT}
    assert server.commands.count("STOR") == (1 if verdict == "received" else 2)


def test_a_552_before_the_end_of_an_upload_that_is_taken_all_the_same_is_a_no(pki, client):
    with ScriptedServer(pki, {"STOR": taking_all("552 quota exceeded")}) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayRefusedError, server.address, PATH, "552 quota exceeded"):
            upload(gateway, Hesitant(gateway))
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_control_connection_that_goes_before_the_end_of_an_upload_leaves_the_outcome_unknown(pki, client):
    def gone(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data, content = talk.accept_data(), bytearray()
        receive(data, content, limit=len(CONTENT) // 3)
        talk.drop()
        talk.server.endings.append(receive(data, content))
        data.close()
        talk.server.reached.set()

    with ScriptedServer(pki, {"STOR": gone}) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayUnavailableError, server.address, PATH, "closed the connection"):
            upload(gateway, Hesitant(gateway))
        assert gateway.last_transfer == Transfer.SENT
        assert server.reached.wait(7)
    assert server.endings == ["close_notify"]


def early_226(content: bytes, *, notify: bool):
    """Say 226 first, and send then."""
    return lambda talk, _: talk.send(content, notify=notify, before=("150 here it comes", "226 that was it"))


def test_a_226_before_a_download_is_as_good_when_the_download_is_whole(pki, client, folder):
    with ScriptedServer(pki, {"RETR": early_226(b"12345", notify=True)}, files=FILES) as server:
        gateway = client(server)
        gateway.download("a.xml", folder / "a.xml")
        assert [entry.name for entry in gateway.list_outbox()] == ["a.xml", "b.xml"]
    assert (folder / "a.xml").read_bytes() == b"12345"


@pytest.mark.parametrize("notify", [True, False])
def test_a_226_before_a_download_does_not_make_it_whole(pki, client, folder, notify):
    with (
        ScriptedServer(pki, {"RETR": early_226(b"123", notify=notify)}, files=FILES) as server,
        refused(TransferError, server.address, "a.xml", "nothing was kept"),
    ):
        client(server).download("a.xml", folder / "a.xml")
    assert list(folder.iterdir()) == []


def twice(*replies: str):
    """Say two replies to one command."""
    return lambda talk, _: talk.say(*replies)


def test_a_second_answer_is_not_taken_for_the_answer_to_the_next_question(pki, client):
    """The size of one file would pass for that of another, and decide whether it is filed again."""
    with ScriptedServer(pki, {"SIZE": twice("213 5", "213 5")}) as server:
        gateway = client(server)
        assert gateway.stored_size("Manifest", "a.xml") == 5
        with refused(GatewayProtocolError, server.address, "213 5 without being asked"):
            gateway.stored_size("Manifest", "b.xml")
        assert gateway.stored_size("Manifest", "b.xml") == 5  # over a new session
    assert server.connections == 2


def test_a_second_answer_does_not_confirm_a_deletion(pki, client):
    answers = {"SIZE": twice("213 5", "250 gone"), "DELE": "550 no such file"}
    with ScriptedServer(pki, answers, files=FILES) as server:
        gateway = client(server)
        gateway.stored_size("Manifest", "a.xml")
        with refused(GatewayProtocolError, server.address, "250 gone without being asked"):
            gateway.delete("a.xml")
        with refused(FileNotAvailableError, server.address, "550 no such file"):
            gateway.delete("a.xml")
    assert server.commands.count("DELE") == 1


@pytest.mark.parametrize("late", ["550 no such file", "553 no", "530 who are you"])
@pytest.mark.parametrize("verb", ["DELE", "SIZE", "STOR"])
def test_a_no_without_being_asked_is_not_the_answer_to_the_next_question(pki, client, verb, late):
    """A 550 would mean that the next file is not there: it would be filed again, or taken for deleted."""
    with ScriptedServer(pki, {"MDTM": twice("213 20261101100000", late)}, files=FILES) as server:
        gateway = client(server)
        gateway.look_at("a.xml")
        with refused(GatewayProtocolError, server.address, f"{late} without being asked"):
            if verb == "DELE":
                gateway.delete("a.xml")
            elif verb == "SIZE":
                gateway.look_at("a.xml")
            else:
                upload(gateway)
    assert server.commands[-1] == "MDTM"
    assert gateway.last_transfer == Transfer.NONE


def test_a_226_behind_a_426_does_not_confirm_a_deletion(pki, client):
    """Some servers say both to a transfer that broke off, the second one when they have tidied up."""
    owing = set[Conversation]()

    def cut(talk: Conversation, path: str) -> None:
        talk.say("150 here it comes")
        talk.accept_data().close()
        talk.say("426 cut off")
        owing.add(talk)

    def tidied_up(talk: Conversation, path: str) -> None:
        if talk in owing:
            talk.say("226 tidied up")
        talk.say("550 no such file")

    with ScriptedServer(pki, {"MLSD": cut, "DELE": tidied_up}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, "426 cut off"):
            gateway.list_outbox()
        with refused(FileNotAvailableError, server.address, "550 no such file"):
            gateway.delete("a.xml")


@pytest.mark.parametrize("late", ["450 busy", "426 cut off", "421 maintenance"])
def test_a_not_now_without_being_asked_ends_the_session_and_a_look_is_taken_over_a_new_one(pki, client, late):
    with ScriptedServer(pki, {"MDTM": twice("213 20261101100000", late)}, files=FILES) as server:
        gateway = client(server)
        gateway.look_at("a.xml")
        assert gateway.stored_size("Manifest", "a.xml") is None
        gateway.look_at("a.xml")
        with refused(GatewayUnavailableError, server.address, late):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE
    assert server.connections == 2
    assert "STOR" not in server.commands


@pytest.mark.parametrize("replies", [("150 send it", "226 got it"), ("553 no",), ("550 no such folder",)])
def test_replies_that_lie_ready_behind_the_227_are_not_those_to_an_upload(pki, client, replies):
    def forged(talk: Conversation, _: str) -> None:
        high, low = divmod(talk.listen_for_data(), 256)
        talk.say(f"227 Entering Passive Mode (127,0,0,1,{high},{low})", *replies)

    with ScriptedServer(pki, {"PASV": forged}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, PATH, f"{replies[0]} without being asked") as caught:
            upload(gateway)
    assert "not known" not in str(caught.value)
    assert gateway.last_transfer == Transfer.NONE
    assert "STOR" not in server.commands


@pytest.mark.parametrize("verb", ["RETR", "MLSD"])
@pytest.mark.parametrize("reply", ["226 done already", "331 who", "hello", "227 (127,0,0,1,1,1)"])
def test_nonsense_instead_of_150_gives_no_file_and_no_listing(pki, client, folder, verb, reply):
    with ScriptedServer(pki, {verb: reply}, files=FILES) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, "makes no sense; check host and port"):
            if verb == "RETR":
                gateway.download("a.xml", folder / "a.xml")
            else:
                gateway.list_outbox()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("reply", ["150 soon", "331 who", "hello", "\0\0\0"])
def test_nonsense_for_an_answer_is_no_deletion(pki, client, reply):
    with ScriptedServer(pki, {"DELE": reply}, files=FILES) as server, refused(GatewayProtocolError, server.address):
        client(server).delete("a.xml")


@pytest.mark.parametrize(
    "text", ["\0", "\x1b[2J\x1b]0;owned\x07", "\x9b2J", "\u202etxt.exe", "a\rb", "\x7f"], ids=ascii
)
def test_control_characters_in_a_reply_reach_no_log(pki, client, folder, text):
    with (
        ScriptedServer(pki, {"RETR": f"550 no{text}file"}, files=FILES) as server,
        refused(FileNotAvailableError, server.address, "550 no") as caught,
    ):
        client(server).download("a.xml", folder / "a.xml")
    assert str(caught.value).isprintable()
    assert caught.value.text.isprintable()


def test_120_says_that_the_greeting_comes_later(pki, client):
    with ScriptedServer(pki, {"CONNECT": "120 ready in a minute\r\n220 ready"}) as server:
        client(server).connect()
    assert server.lines[-1] == "TYPE I"


def test_120_for_ever_is_no_greeting(pki, client):
    with (
        ScriptedServer(pki, {"CONNECT": "\r\n".join(["120 ready in a minute"] * 50)}) as server,
        refused(GatewayProtocolError, server.address, "120 ready in a minute"),
    ):
        client(server).connect()
    assert server.lines == []


def test_421_without_being_asked_is_about_the_service(pki, client):
    def closing(talk: Conversation, _: str) -> None:
        talk.say("250 gone", "421 maintenance")

    with ScriptedServer(pki, {"DELE": closing}, files=FILES) as server:
        gateway = client(server)
        gateway.delete("a.xml")
        with refused(GatewayUnavailableError, server.address, "421 maintenance"):
            gateway.delete("b.xml")
    assert server.commands.count("DELE") == 1
