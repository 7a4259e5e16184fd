"""The relay that breaks connections: it passes everything on, and strikes where and as it was told."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from moments import within
from relay import (
    Away,
    Call,
    Connect,
    Control,
    Cut,
    Data,
    DataClose,
    DataHandshake,
    Delay,
    Event,
    Refuse,
    Relay,
    Stall,
)
from relay_faults import action
from relay_framing import Framer
from relay_places import place

from airflow_provider_icsftps.exceptions import (
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    TransferError,
)
from airflow_provider_icsftps.gateway import GatewayClient
from airflow_provider_icsftps.gateway.submission import Transfer

CONTENT = b"<manifest>" + b"x" * 5000 + b"</manifest>"
# on the client's side of the control connection: AUTH TLS, six handshake records, then the commands
USER, PASS, TYPE, PASV, STOR = 8, 9, 12, 13, 14


def upload(relayed, content=CONTENT, name="a.xml", **limits):
    """Upload over a new session; return how it ended, and the error if there was one."""
    client = GatewayClient(relayed.settings(**limits))
    error = None
    try:
        client.upload(content, service="Manifest", file_name=name)
    except IcsFtpsError as caught:
        error = caught
    client.close()
    return client.last_transfer, error


def outcomes(relayed):
    return [record.outcome for record in relayed.simulator.uploads]


def commands(relayed):
    return [entry.line.split()[0] for entry in relayed.simulator.transcript if entry.sender == "client"]


def record(kind, size):
    return bytes([kind, 3, 3]) + size.to_bytes(2, "big") + b"r" * size


class TestFraming:
    def test_lines_and_records_are_told_apart_however_they_come(self):
        wire = b"220 Hello\r\n234 Go\r\n" + record(22, 100) + record(20, 1) + record(23, 16408) + record(21, 26)
        for step in (1, 7, len(wire)):
            framer, found = Framer(), []
            for start in range(0, len(wire), step):
                framer.feed(wire[start : start + step])
                while message := framer.next():
                    found.append(message)
            assert [message.kind for message in found] == ["line", "line", "handshake", "handshake", "data", "alert"]
            assert b"".join(message.data for message in found) == wire

    def test_what_was_never_finished_comes_before_the_end(self):
        framer = Framer()
        framer.feed(record(23, 50)[:20])
        assert framer.next() is None
        framer.end("fin")
        assert [framer.next().kind, framer.next().kind] == ["fragment", "fin"]

    def test_a_line_without_end_is_passed_on_in_pieces(self):
        framer = Framer()
        framer.feed(b"x" * 20_000)
        assert len(framer.next().data) == 20_000


class TestPlaces:
    @pytest.mark.parametrize(
        "text",
        [
            "connect/control/1",
            "connect/data/*",
            "control/1/client/7/before",
            "control/*/gateway/12/after",
            "handshake/2/gateway/1/before",
            "data/2/client/5000",
            "close/2/client/close_notify/before",
            "close/*/gateway/fin/after",
        ],
    )
    def test_the_text_form_can_be_read_back(self, text):
        assert str(place(text)) == text

    @pytest.mark.parametrize("text", ["", "control/1/nobody/7/before", "data/2/client/x", "close/1/client/never/after"])
    def test_other_text_is_refused(self, text):
        with pytest.raises(ValueError, match="no place"):
            place(text)

    def test_actions_are_read(self):
        read = [action(text) for text in ("fin", "rst", "stall", "refuse", "delay:2.5", "away", "away:3")]
        assert read == [Cut("fin"), Cut("rst"), Stall(), Refuse(), Delay(2.5), Away(), Away(3.0)]
        with pytest.raises(ValueError, match="none of"):
            action("explode")

    def test_a_position_in_the_stream_lies_in_one_record_only(self):
        first = Event("data", 1, "client", "data", 4, 100, 0)
        second = Event("data", 1, "client", "data", 5, 100, 100)
        positions = [
            (Data(1, "client", n).position(first), Data(1, "client", n).position(second)) for n in (0, 100, 101)
        ]
        assert positions == [(0, None), (100, None), (None, 1)]


class TestPassing:
    @pytest.mark.parametrize("size", [0, 5000, 1_000_000])
    def test_a_session_passes_untouched_and_its_tls_session_is_resumed(self, relayed, size, tmp_path):
        content = b"z" * size
        with GatewayClient(relayed.settings()) as client:
            assert client.upload(content, service="Manifest", file_name="a.xml") == size
            assert "status_Manifest_a.xml_1.xml" in [entry.name for entry in client.list_outbox()]
            relayed.simulator.put_in_outbox("letter", content)
            assert client.download("letter", tmp_path / "letter") == size
        assert (tmp_path / "letter").read_bytes() == content
        assert relayed.simulator.uploads[0].content() == content
        assert relayed.simulator.connections.data == relayed.simulator.connections.data_reused == 3
        assert relayed.relay.struck == []

    def test_two_sessions_pass_at_once(self, relayed):
        with GatewayClient(relayed.settings()) as one, GatewayClient(relayed.settings()) as two:
            for number in range(3):
                one.upload(CONTENT, service="Manifest", file_name=f"one{number}.xml")
                two.upload(CONTENT, service="Manifest", file_name=f"two{number}.xml")
        assert outcomes(relayed) == ["filed"] * 6
        assert {event.connection for event in relayed.relay.events if event.channel == "control"} == {1, 2}

    def test_a_clean_upload_lists_its_cut_points(self, relayed):
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        points = relayed.relay.cut_points()
        counts = Counter(type(point).__name__ for point in points)
        print(f"{len(points)} cut points: {dict(counts)}")
        assert counts["Connect"] == 2
        assert counts["DataHandshake"] == 12
        assert counts["Data"] == 3
        assert counts["DataClose"] >= 4  # an end may also come as a reset, which is no place of its own
        assert 60 <= counts["Control"] <= 80
        assert [point for point in points if place(str(point)) != point] == []

    def test_every_cut_point_is_met_again(self, relayed):
        upload(relayed, name="first.xml")
        # the very end may come in one of several ways: whose end comes first is nobody's choice
        points = [p for p in relayed.relay.cut_points() if not (isinstance(p, Control) and p.index > STOR)]
        relayed.relay.reset()
        faults = [relayed.relay.plan(point, Call(lambda: None)) for point in points]
        upload(relayed, name="second.xml")
        missed = [str(fault.place) for fault in faults if not fault.struck]
        assert [text for text in missed if not text.startswith("close/")] == []
        assert len(missed) <= 4


class TestCuts:
    """What the client says of a cut, and what the gateway got."""

    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_of_a_new_connection(self, relayed, how):
        relayed.relay.plan(Connect("control"), Cut(how))
        transfer, error = upload(relayed)
        assert transfer is Transfer.NONE
        assert isinstance(error, GatewayUnavailableError)
        assert relayed.simulator.connections.accepted == 0
        assert upload(relayed) == (Transfer.CONFIRMED, None)

    @pytest.mark.parametrize("how", ["fin", "rst"])
    @pytest.mark.parametrize(("index", "last"), [(USER, None), (PASS, "USER"), (PASV, "TYPE"), (STOR, "PASV")])
    def test_before_a_command_keeps_it_from_the_gateway(self, relayed, how, index, last):
        fault = relayed.relay.plan(Control("client", index), Cut(how))
        transfer, error = upload(relayed)
        assert len(fault.struck) == 1
        assert transfer is (Transfer.BROKEN if index == STOR else Transfer.NONE)
        assert isinstance(error, GatewayUnavailableError | TransferError)
        assert commands(relayed)[-1:] == ([last] if last else ["AUTH"])
        assert outcomes(relayed) == []
        assert upload(relayed) == (Transfer.CONFIRMED, None)

    def test_behind_a_command_lets_the_gateway_do_it(self, relayed):
        relayed.relay.plan(Control("client", PASS, "after"), Cut("fin"))
        transfer, _ = upload(relayed)
        assert transfer is Transfer.NONE
        assert within(20, lambda: relayed.simulator.connections.logins == 1)

    @pytest.mark.parametrize("how", ["fin", "rst"])
    @pytest.mark.parametrize("count", [0, 100, 16_413, 50_000])
    def test_in_the_middle_of_the_data_gives_the_gateway_no_byte_more(self, relayed, how, count):
        content = b"d" * 100_000
        relayed.relay.plan(Data(1, "client", count), Cut(how))
        transfer, error = upload(relayed, content)
        assert transfer is Transfer.BROKEN
        assert isinstance(error, IcsFtpsError)
        assert within(20, lambda: outcomes(relayed) == ["cut; copy discarded"])
        records, rest = divmod(count, 16 * 1024 + 29)
        assert relayed.simulator.uploads[0].size in {records * 16 * 1024, 0 if rest and not records else -1} | (
            set(range(0, records * 16 * 1024, 16 * 1024)) if how == "rst" else set()
        )

    @pytest.mark.parametrize("how", ["fin", "rst"])
    def test_before_the_close_notify_makes_a_cut_copy_of_all_bytes(self, relayed_gateway, how):
        relayed = relayed_gateway(cut_uploads="keep")
        relayed.relay.plan(DataClose(1, "client"), Cut(how))
        assert upload(relayed)[0] in {Transfer.BROKEN, Transfer.SENT}
        assert within(20, lambda: outcomes(relayed) == ["cut; copy kept"])
        if how == "fin":
            assert relayed.simulator.uploads[0].content() == CONTENT

    def test_behind_the_close_notify_leaves_a_whole_file(self, relayed):
        relayed.relay.plan(DataClose(1, "client", when="after"), Cut("rst"))
        assert upload(relayed)[0] in {Transfer.CONFIRMED, Transfer.SENT, Transfer.BROKEN}
        assert within(20, lambda: outcomes(relayed) != [])

    def test_in_a_data_handshake_ends_the_upload_before_its_first_byte(self, relayed):
        relayed.relay.plan(DataHandshake(1, "gateway", 1), Cut("rst"))
        assert upload(relayed)[0] is Transfer.BROKEN
        assert outcomes(relayed) == []

    def test_before_the_226_leaves_the_outcome_open_and_the_file_filed(self, relayed):
        upload(relayed, name="first.xml")
        last = [event for event in relayed.relay.events if (event.channel, event.sender) == ("control", "gateway")]
        confirmation = [event.index for event in last if event.kind == "data"][-2]  # the last one is QUIT's
        relayed.relay.reset()
        relayed.relay.plan(Control("gateway", confirmation), Cut("rst"))
        transfer, error = upload(relayed)
        assert transfer is Transfer.SENT
        assert isinstance(error, GatewayUnavailableError)
        assert outcomes(relayed) == ["filed", "filed"]

    def test_everywhere_ends_all_connections(self, relayed):
        relayed.relay.plan(Data(1, "client", 20_000), Cut("rst", everywhere=True))
        transfer, error = upload(relayed, b"d" * 100_000)
        assert transfer in {Transfer.BROKEN, Transfer.SENT}  # its system may have taken all before it was cut
        assert isinstance(error, IcsFtpsError)
        assert within(20, lambda: outcomes(relayed) == ["cut; copy discarded"])
        assert relayed.relay.open_connections == 0

    def test_of_a_download_is_seen_by_the_client(self, relayed, tmp_path):
        relayed.simulator.put_in_outbox("letter", b"l" * 100_000)
        relayed.relay.plan(Data(1, "gateway", 50_000), Cut("fin"))
        with GatewayClient(relayed.settings()) as client:
            with pytest.raises(IcsFtpsError):
                client.download("letter", tmp_path / "letter")
            assert not (tmp_path / "letter").exists()
        with GatewayClient(relayed.settings()) as client:
            assert client.download("letter", tmp_path / "letter") == 100_000


class TestOtherActions:
    def test_a_stall_is_silence_until_the_client_gives_up(self, relayed):
        relayed.relay.plan(Control("client", PASS), Stall())
        transfer, error = upload(relayed, timeout=1.5)
        assert transfer is Transfer.NONE
        assert isinstance(error, GatewayTimeoutError)
        assert relayed.relay.open_connections == 1
        relayed.relay.end_stalls()
        assert relayed.relay.open_connections == 0
        assert upload(relayed) == (Transfer.CONFIRMED, None)

    def test_a_stalled_upload_still_has_its_name_at_the_gateway(self, relayed):
        relayed.relay.plan(Data(1, "client", 20_000), Stall(everywhere=True))
        transfer, error = upload(relayed, b"d" * 10_000_000, data_timeout=1.5)
        assert transfer is Transfer.BROKEN
        assert isinstance(error, TransferError)
        assert outcomes(relayed) == []
        _, error = upload(relayed)
        assert "450" in str(error)
        relayed.relay.end_stalls()
        assert within(20, lambda: outcomes(relayed) == ["cut; copy discarded"])

    def test_a_delay_passes_everything_later(self, relayed):
        relayed.relay.plan(Control("gateway", 1), Delay(0.15))
        relayed.relay.plan(Data(1, "client", 100), Delay(0.15))
        begun = time.monotonic()
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        assert time.monotonic() - begun >= 0.3
        assert relayed.simulator.uploads[0].content() == CONTENT

    def test_a_new_connection_can_be_refused_as_often_as_asked(self, relayed):
        fault = relayed.relay.plan(Connect("control", None), Refuse(), times=2)
        for _ in range(2):
            assert isinstance(upload(relayed)[1], GatewayUnavailableError)
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        assert [event.connection for event in fault.struck] == [1, 2]

    def test_a_data_connection_can_be_refused(self, relayed):
        relayed.relay.plan(Connect("data"), Refuse())
        transfer, error = upload(relayed)
        assert transfer is Transfer.BROKEN
        assert error is not None
        assert outcomes(relayed) == []

    def test_a_gateway_can_be_away_for_a_time(self, relayed):
        relayed.relay.go_away()
        transfer, error = upload(relayed)
        assert transfer is Transfer.NONE
        assert isinstance(error.__cause__, ConnectionRefusedError)
        relayed.relay.come_back()
        assert upload(relayed) == (Transfer.CONFIRMED, None)

    def test_a_gateway_that_goes_away_at_a_message_comes_back_by_itself(self, relayed):
        fault = relayed.relay.plan(Control("client", PASV), Away(3.0))
        assert isinstance(upload(relayed)[1], GatewayUnavailableError)
        assert isinstance(upload(relayed)[1].__cause__, ConnectionRefusedError)
        assert within(20, lambda: upload(relayed) == (Transfer.CONFIRMED, None) or None)
        assert len(fault.struck) == 1

    def test_a_function_is_called_before_the_message_passes(self, relayed):
        seen = []
        relayed.relay.plan(Control("client", STOR), Call(lambda: seen.extend(commands(relayed))))
        fault = relayed.relay.plan(Data(1, "client", 0), Call(lambda: seen.append(relayed.simulator.uploads)))
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        assert seen[-2:] == ["PASV", []]
        assert fault.wait(0)

    def test_several_faults_strike_in_one_session_each_once(self, relayed):
        plan = relayed.relay.plan
        called = []
        faults = [plan(Connect("control"), Delay(0.01)), plan(Data(1, "client", 0), Delay(0.01))]
        faults += [plan(Control("client", USER, when), Call(lambda: called.append(1))) for when in ("after", "before")]
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        assert upload(relayed, name="b.xml") == (Transfer.CONFIRMED, None)
        assert [len(fault.struck) for fault in faults] == [1, 1, 1, 1]
        assert len(called) == 2
        assert len(relayed.relay.struck) == 4


class TestLife:
    def test_no_thread_and_no_socket_is_left(self, relayed_gateway):
        threads, before = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count
        with Relay.on_free_ports() as relay:
            relay.plan(Connect("control", None), Stall(), times=None)
            held = [socket.create_connection(("127.0.0.1", relay.control_port), 5) for _ in range(3)]
            assert within(20, lambda: relay.open_connections == 3)
        relay.stop()
        for client in held:
            with contextlib.suppress(ConnectionError):
                assert client.recv(1) == b""
            client.close()
        assert set(threading.enumerate()) <= threads
        assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - a count

    def test_two_relays_never_share_a_port(self):
        with contextlib.ExitStack() as running:
            relays = [running.enter_context(Relay.on_free_ports()) for _ in range(5)]
            ports = [port for relay in relays for port in range(relay.control_port, relay.data_ports[1] + 1)]
            assert len(set(ports)) == len(ports) == 5 * 9
            with pytest.raises(OSError, match="in use"):
                Relay("127.0.0.2", relays[0].control_port, [relays[0].data_ports[0]])

    def test_a_port_is_kept_while_nobody_listens_on_it(self):
        with Relay.on_free_ports() as relay:
            relay.go_away()
            with pytest.raises(OSError, match="in use"):
                Relay("127.0.0.2", relay.control_port, [relay.data_ports[0]])

    def test_an_error_in_a_callback_is_raised_by_check(self, relayed):
        def fail():
            raise LookupError("in the callback")

        relayed.relay.plan(Control("client", USER), Call(fail))
        assert upload(relayed) == (Transfer.CONFIRMED, None)
        with pytest.raises(LookupError, match="in the callback"):
            relayed.relay.check()
        relayed.relay.check()

    def test_without_a_gateway_a_client_is_cut_off(self):
        with Relay.on_free_ports() as relay:
            with (
                pytest.raises(ConnectionError),
                socket.create_connection(("127.0.0.1", relay.control_port), 5) as client,
            ):
                client.recv(1)
            relay.check()

    def test_it_is_a_command(self, relayed):
        """In front of the relay of the fixture, on a third address: what is relayed may be anything."""
        script = Path(__file__).with_name("relay.py")
        control, (first, last) = relayed.relay.control_port, relayed.relay.data_ports
        command = [
            *(sys.executable, "-u", str(script), "--listen", "127.0.0.3", "--to", "127.0.0.1"),
            *("--control", str(control), "--data", f"{first}-{last}", "--cut", "control/1/gateway/1/before=rst"),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert "relays to 127.0.0.1" in process.stdout.readline()
                with (
                    pytest.raises(ConnectionError),
                    socket.create_connection(("127.0.0.3", control), 5) as client,
                ):
                    client.recv(100)
                with socket.create_connection(("127.0.0.3", control), 5) as client:
                    assert client.recv(100).startswith(b"220 ")
                assert "connect" in process.stdout.readline()
            finally:
                process.terminate()


def test_a_data_connection_cut_in_its_handshake_is_answered(relayed):
    """The gateway says so on the control connection, instead of leaving the client to its time limit."""
    relayed.relay.plan(DataHandshake(None, "gateway", 1), Cut("rst"))
    with GatewayClient(relayed.settings(timeout=20.0, connect_timeout=20.0)) as client:
        begun = time.monotonic()
        with pytest.raises(GatewayUnavailableError, match="425"):
            client.upload(b"<m/>", service="Manifest", file_name="a.xml")
    assert time.monotonic() - begun < 15
