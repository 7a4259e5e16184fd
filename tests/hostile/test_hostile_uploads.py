"""Uploads that go wrong: the error says why, and ``last_transfer`` never claims more than is known."""

from __future__ import annotations

import contextlib
import io
import os
import resource
import select
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from expectations import PASSWORD, refused
from scripted_server import Conversation, ScriptedServer, receive, reset, server_context
from throwaway_pki import PASSPHRASE

from airflow_provider_icsftps.exceptions import (
    GatewayProtocolError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InvalidNameError,
    TransferError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway.submission import Transfer

PATH = "/Manifest/a.xml"
CONTENT = os.urandom(300_000)
MEGABYTE = bytes(1024 * 1024)


def upload(gateway, source=CONTENT):
    return gateway.upload(source, service="Manifest", file_name="a.xml")


class Endless(io.RawIOBase):
    """A source without an end, or with a bad one."""

    def __init__(self, blocks: int = 10_000, error: BaseException | None = None) -> None:
        super().__init__()
        self.blocks = blocks
        self.error = error

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self.blocks == 0 and self.error is not None:
            raise self.error
        self.blocks -= 1
        return len(buffer)


# ------------------------------------------------------------ ends that are good


def test_a_whole_upload_ends_with_close_notify_over_a_resumed_session(pki, client):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        for size in (0, 1, 300_000):
            assert size == upload(gateway, CONTENT[:size])
            assert CONTENT[:size] == server.files[PATH]
            assert gateway.last_transfer == Transfer.CONFIRMED
        session = gateway._session
        assert (session.data_connections, session.resumed) == (3, 3)
    assert server.endings == ["close_notify"] * 3
    assert server.resumed == [True] * 3


def test_a_process_with_more_than_a_thousand_open_files_transfers_as_any_other(pki, client, folder):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    with contextlib.ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1100):
            files.enter_context(Path(os.devnull).open())
        with ScriptedServer(pki) as server:
            gateway = client(server)
            assert upload(gateway) == len(CONTENT)
            assert gateway.list_outbox() == []


def test_a_server_that_closes_without_close_notify_has_confirmed_all_the_same(pki, client):
    def rude(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        talk.say("226 got it")
        data.close()

    with ScriptedServer(pki, {"STOR": rude}) as server:
        gateway = client(server)
        assert len(CONTENT) == upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED
    assert server.endings == ["close_notify"]


def test_a_server_that_never_closes_has_confirmed_at_once(pki, client):
    def clinging(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        talk.server.endings.append(receive(talk.accept_data(), bytearray()))
        talk.say("226 got it")  # the data connection stays open on this side

    with ScriptedServer(pki, {"STOR": clinging}) as server:
        gateway = client(server)
        gateway.connect()
        started = time.monotonic()
        upload(gateway)
        took = time.monotonic() - started
    assert took < 0.5
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_a_server_that_answers_only_after_our_fin_is_answered_at_once(pki, client):
    def waits_for_fin(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        raw = data.detach()
        try:
            readable, _, _ = select.select([raw], [], [], 2)
            talk.server.endings.append("fin" if readable else "nothing")
        finally:
            os.close(raw)
        talk.say("226 got it")

    with ScriptedServer(pki, {"STOR": waits_for_fin}) as server:
        gateway = client(server)
        upload(gateway)
    assert server.endings == ["close_notify", "fin"]
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_the_250_of_some_servers_confirms_as_the_226_does(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with("250 stored")}) as server:
        gateway = client(server)
        upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED


def test_150_may_come_only_after_the_handshake(pki, client):
    def late(talk: Conversation, path: str) -> None:
        data = talk.accept_data()
        talk.say("150 send it")
        receive(data, bytearray())
        data.close()
        talk.say("226 got it")

    with ScriptedServer(pki, {"STOR": late}) as server:
        gateway = client(server)
        upload(gateway)
    assert gateway.last_transfer == Transfer.CONFIRMED


# ------------------------------------------------------------ ends that leave the outcome open


def ending_with(*replies: str, drop: bool = False):
    """Take the whole upload, then say this."""

    def end(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        talk.server.endings.append(receive(data, bytearray()))
        data.close()
        if replies:
            talk.say(*replies)
        if drop:
            talk.drop()

    return end


def test_without_a_226_the_outcome_is_unknown(pki, client):
    with (
        ScriptedServer(pki, {"STOR": ending_with()}) as server,
    ):
        gateway = client(server)
        with refused(GatewayTimeoutError, server.address, PATH, "no answer in time", seconds=2.5):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT
    assert server.commands.count("STOR") == 1


def test_with_the_control_connection_gone_before_the_226_the_outcome_is_unknown(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with(drop=True)}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "closed the connection"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT
    assert server.commands.count("STOR") == 1
    assert server.connections == 1


@pytest.mark.parametrize("reply", ["hello", "110 restart marker", "331 who are you", "200 noop", "221 bye", "2 bytes"])
def test_an_answer_that_is_neither_yes_nor_no_leaves_the_outcome_unknown(pki, client, reply):
    """All bytes were taken: to call that broken would let the same file be sent a second time under another name."""
    with ScriptedServer(pki, {"STOR": ending_with(reply)}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, PATH, "makes no sense"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT


def test_421_after_all_data_is_about_the_service_and_leaves_the_outcome_unknown(pki, client):
    with ScriptedServer(pki, {"STOR": ending_with("421 shutting down", drop=True)}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, "421 shutting down"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.SENT


# ------------------------------------------------------------ ends that are bad


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("426 cut off", GatewayUnavailableError),
        ("451 disk trouble", GatewayUnavailableError),
        ("452 no space", GatewayUnavailableError),
        ("552 quota", GatewayRefusedError),
    ],
)
def test_a_no_after_all_data_is_a_no(pki, client, reply, kind):
    with ScriptedServer(pki, {"STOR": ending_with(reply)}) as server:
        gateway = client(server)
        with refused(kind, server.address, PATH, reply):
            upload(gateway)
        assert gateway.last_transfer == Transfer.BROKEN
        assert gateway.list_outbox() == []  # the session is still in step
    assert server.connections == 1


@pytest.mark.parametrize("close", ["fin", "reset", "left open"])
def test_552_in_the_middle_is_what_the_error_says(pki, client, close):
    def full(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        talk.say("552 quota exceeded")
        if close == "fin":
            data.close()
        elif close == "reset":
            reset(data)

    with ScriptedServer(pki, {"STOR": full}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, "552 quota exceeded", seconds=3) as caught:
            upload(gateway, Endless())
    assert caught.value.code == 552
    assert caught.value.command == "STOR"
    assert gateway.last_transfer == Transfer.BROKEN


@pytest.mark.parametrize("reply", ["553 no such name", "532 account?"])
def test_a_no_instead_of_150_means_that_nothing_was_sent(pki, client, reply):
    with ScriptedServer(pki, {"STOR": reply}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, reply) as caught:
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
        assert gateway.list_outbox() == []
    assert int(reply[:3]) == caught.value.code
    assert server.connections == 1


def test_450_instead_of_150_is_worth_another_try(pki, client):
    with ScriptedServer(pki, {"STOR": "450 busy"}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "450 busy", "later"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


@pytest.mark.parametrize("reply", ["226 done already", "hello", "331 who"])
def test_nonsense_instead_of_150_proves_nothing(pki, client, reply):
    """The command was sent, and the answer is no refusal: an empty file may lie there now."""
    with ScriptedServer(pki, {"STOR": reply}) as server:
        gateway = client(server)
        with refused(GatewayProtocolError, server.address, PATH, "makes no sense"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


@pytest.mark.parametrize("close", [True, False])
def test_425_behind_the_150_is_what_the_error_says(pki, client, close):
    def no_data(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        raw = talk.accept_raw()
        talk.say("425 Unable to build data connection: Operation not permitted")
        if close:
            raw.close()

    with ScriptedServer(pki, {"STOR": no_data}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "425 Unable to build"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_522_instead_of_a_handshake_is_what_the_error_says(pki, client):
    def no_reuse(talk: Conversation, _: str) -> None:
        talk.accept_raw().close()
        talk.say("522 session reuse required")

    with ScriptedServer(pki, {"STOR": no_reuse}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, "522 session reuse required"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


@pytest.mark.timeout(8)
def test_150_for_ever_ends_all_the_same(pki, client):
    def again(talk: Conversation, _: str) -> None:
        talk.accept_raw().close()
        with contextlib.suppress(OSError):
            while not talk.server.stopping.wait(0.05):
                talk.say("150 any moment now")

    with ScriptedServer(pki, {"STOR": again}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, seconds=4):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_data_port_where_nobody_listens_is_named(pki, client):
    with ScriptedServer(pki, {"PASV": Conversation.name_a_closed_port, "STOR": "150 send it"}) as server:
        gateway = client(server)
        with refused(GatewayUnavailableError, server.address, PATH, "data connection to port", "refused"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_no_instead_of_150_is_heard_also_when_the_data_port_is_closed_by_then(pki, client):
    with ScriptedServer(pki, {"PASV": Conversation.name_a_closed_port, "STOR": "553 no such folder"}) as server:
        gateway = client(server)
        with refused(GatewayRefusedError, server.address, PATH, "553 no such folder"):
            upload(gateway)
    assert gateway.last_transfer == Transfer.NONE


def test_a_data_connection_with_another_certificate_gets_nothing(pki, client):
    got = bytearray()
    second = server_context(pki.new_server_file("second"), pki.ca_file)

    def impostor(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        receive(talk.accept_data(), got)
        talk.say("226 thanks")

    with ScriptedServer(pki, {"STOR": impostor}, data_context=second) as server:
        gateway = client(server)
        with refused(UntrustedGatewayError, server.address, "another server certificate", "tampering"):
            upload(gateway)
    assert got == b""
    assert server.resumed == [False]
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_data_connection_of_a_stranger_gets_nothing(pki, strangers, client):
    """Nor does it help the stranger that the control connection says nothing about it."""

    def impostor(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        with contextlib.suppress(OSError):
            talk.accept_data()

    context = server_context(strangers.server_file, pki.ca_file)
    with ScriptedServer(pki, {"STOR": impostor}, data_context=context) as server:
        gateway = client(server)
        with refused(UntrustedGatewayError, server.address, "does not verify", seconds=3):
            upload(gateway)
    assert server.resumed == []
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_data_connection_reset_in_the_middle_is_a_broken_upload(pki, client):
    def shot(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        reset(data)

    with ScriptedServer(pki, {"STOR": shot}) as server:
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "cut after", seconds=6):
            upload(gateway, Endless())
    assert gateway.last_transfer == Transfer.BROKEN
    assert server.commands.count("STOR") == 1


def test_a_226_in_the_middle_is_not_believed(pki, client):
    def hasty(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data = talk.accept_data()
        receive(data, bytearray(), limit=100_000)
        talk.say("226 got it all")
        reset(data)

    with ScriptedServer(pki, {"STOR": hasty}) as server:
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "226 got it all", "not whole"):
            upload(gateway, Endless())
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_server_that_stops_reading_times_out(pki, client):
    def stuck(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        talk.accept_data()
        while talk.listen() not in ("ABOR", None):
            pass
        talk.server.reached.set()

    with ScriptedServer(pki, {"STOR": stuck}) as server:
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "no answer in time", seconds=6):
            upload(gateway, Endless())
        assert server.reached.wait(2)
    assert gateway.last_transfer == Transfer.BROKEN


# ------------------------------------------------------------ our own trouble: never a polite end


class Interrupted(BaseException):
    """As a task that is told to end gets it."""


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (OSError(5, "Input/output error"), TransferError),
        (EOFError("Compressed file ended before the end-of-stream marker was reached"), TransferError),
        (ValueError("I/O operation on closed file"), ValueError),
        (Interrupted(), Interrupted),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else type(value).__name__,
)
@pytest.mark.parametrize("blocks", [0, 5])
def test_a_source_that_breaks_ends_in_abor_and_reset(pki, client, trouble, kind, blocks):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        with pytest.raises(kind):
            gateway.upload(Endless(blocks, trouble), service="Manifest", file_name="a.xml", size=10**9)
        assert gateway.last_transfer == Transfer.BROKEN
        assert server.endings == ["reset"]
        assert gateway.list_outbox() == []  # over a new connection
    assert server.commands[server.commands.index("STOR") + 1] == "ABOR"
    assert server.connections == 2


@pytest.mark.parametrize("size", [None, 5 * 256 * 1024], ids=["size unknown", "all of it given out"])
def test_an_interrupt_when_all_may_have_been_sent_proves_no_cut(pki, client, size):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        with pytest.raises(KeyboardInterrupt):
            gateway.upload(Endless(5, KeyboardInterrupt()), service="Manifest", file_name="a.xml", size=size)
        assert gateway.last_transfer == Transfer.KILLED
        assert server.endings == ["reset"]


def test_an_unreadable_source_is_named_with_what_was_sent(pki, client):
    with ScriptedServer(pki) as server:
        gateway = client(server)
        error = OSError(5, "Input/output error")
        with refused(TransferError, server.address, PATH, str(4 * 256 * 1024), "Input/output error", "aborted"):
            upload(gateway, Endless(4, error))


def test_a_source_with_nothing_to_give_yet_is_not_at_its_end(pki, client):
    """A file that does not block returns None for that; taken for the end, half a file would be filed as a whole."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.write(writing, b"first half")
    with ScriptedServer(pki) as server, io.FileIO(reading) as source, io.FileIO(writing, "w"):
        gateway = client(server)
        with refused(TransferError, server.address, PATH, "aborted"):
            upload(gateway, source)
        assert server.endings == ["reset"]
    assert gateway.last_transfer == Transfer.BROKEN


def test_a_client_that_is_killed_in_the_middle_leaves_a_reset_not_an_end(pki, settings, tmp_path):
    def wait_for_the_kill(talk: Conversation, _: str) -> None:
        talk.say("150 send it")
        data, content = talk.accept_data(), bytearray()
        receive(data, content, limit=2_000_000)
        talk.server.reached.set()
        talk.server.endings.append(receive(data, content))
        talk.server.reached.clear()

    p12 = tmp_path / "client.p12"
    p12.write_bytes(pki.client_p12)
    script = textwrap.dedent(f"""
        import io, pathlib, time
        from airflow_provider_icsftps.gateway import ClientCertificate, GatewayClient, GatewaySettings

        class Slow(io.RawIOBase):
            def readinto(self, buffer):
                time.sleep(0.001)
                return len(buffer)

        certificate = ClientCertificate.from_pkcs12(pathlib.Path({str(p12)!r}).read_bytes(), {PASSPHRASE!r})
        ca_pem = pathlib.Path({str(pki.ca_file)!r}).read_text()
        settings = GatewaySettings(
            host="127.0.0.1", port=int(input()), certificate=certificate, password={PASSWORD!r}, ca_pem=ca_pem
        )
        GatewayClient(settings).upload(Slow(), service="Manifest", file_name="a.xml")
    """)
    with ScriptedServer(pki, {"STOR": wait_for_the_kill}) as server:
        with subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, cwd=Path(__file__).parents[2]
        ) as process:
            process.stdin.write(f"{server.port}\n".encode())
            process.stdin.close()
            reached = server.reached.wait(8)
            process.kill()
        assert reached
        deadline = time.monotonic() + 5
        while not server.endings and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.endings == ["reset"]


# ------------------------------------------------------------ before anything is sent


@pytest.mark.parametrize("name", ["a\r\nDELE b", "a\0b", "../a.xml", "a/b.xml", "", ".", "..", "a b.xml", "æ.xml"])
def test_a_name_that_must_not_go_out_never_leads_to_a_connection(pki, client, name):
    with ScriptedServer(pki) as server, pytest.raises(InvalidNameError):
        client(server).upload(CONTENT, service="Manifest", file_name=name)
    assert server.connections == 0


def test_a_dead_session_is_noticed_before_stor_and_the_upload_is_not_repeated(pki, client):
    with ScriptedServer(pki, {"TYPE": good_then_gone}) as server:
        gateway = client(server)
        gateway.connect()
        with refused(GatewayUnavailableError, server.address, PATH):
            upload(gateway)
        assert gateway.last_transfer == Transfer.NONE
    assert server.commands.count("STOR") == 0
    assert server.connections == 1


def good_then_gone(talk: Conversation, _: str) -> None:
    talk.say("200 fine")
    talk.drop()
