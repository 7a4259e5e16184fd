"""The client's verbs against the embedded gateway."""

import io
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_provider_icsftps.exceptions import (
    CertificateError,
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    InvalidNameError,
    LoginRefusedError,
    ReadOnlyGatewayError,
    StatusFileError,
    TransferError,
    UntrustedGatewayError,
)
from airflow_provider_icsftps.gateway import GatewayClient, OutboxEntry, StatusCode, Transfer
from airflow_provider_icsftps.simulator import GatewaySimulator

CONTENT = b"<manifest>" + bytes(range(256)) * 40 + b"</manifest>"


class TestUpload:
    def test_it_arrives_whole_and_is_confirmed(self, simulator, gateway):
        assert len(CONTENT) == gateway.upload(CONTENT, service="Manifest", file_name="a.xml")
        (upload,) = simulator.uploads
        assert (upload.service, upload.file_name, upload.whole, upload.filed) == ("Manifest", "a.xml", True, True)
        assert upload.content() == CONTENT
        assert gateway.last_transfer is Transfer.CONFIRMED

    @pytest.mark.parametrize("kind", ["bytes", "text path", "path", "file"])
    def test_a_source_may_be_a_path_bytes_or_a_file(self, kind, simulator, gateway, tmp_path):
        path = tmp_path / "a.xml"
        path.write_bytes(CONTENT)
        source = {"bytes": CONTENT, "text path": str(path), "path": path, "file": io.BytesIO(CONTENT)}[kind]
        gateway.upload(source, service="Manifest", file_name="a.xml")
        assert simulator.uploads[0].content() == CONTENT

    def test_many_files_over_one_session_reuse_the_tls_session_each_time(self, simulator, gateway):
        for number in range(5):
            gateway.upload(CONTENT, service="Manifest", file_name=f"{number}.xml")
        gateway.list_outbox()
        counts = simulator.connections
        assert (counts.accepted, counts.data, counts.data_reused) == (1, 6, 6)

    def test_an_empty_file_arrives(self, simulator, gateway):
        assert gateway.upload(b"", service="Manifest", file_name="empty.xml") == 0
        assert simulator.uploads[0].whole

    def test_a_name_that_is_not_legal_is_refused_before_connecting(self, simulator):
        client = GatewayClient(simulator.settings())
        for name in ("../a.xml", "a/b.xml", "a\r\nDELE b", "a b.xml", ""):
            with pytest.raises(InvalidNameError):
                client.upload(CONTENT, service="Manifest", file_name=name)
        with pytest.raises(InvalidNameError, match="Service"):
            client.upload(CONTENT, service="../out", file_name="a.xml")
        assert simulator.connections.accepted == 0

    def test_a_read_only_gateway_is_not_even_connected_to(self, simulator):
        client = GatewayClient(simulator.settings(read_only=True))
        with pytest.raises(ReadOnlyGatewayError, match="read-only"):
            client.upload(CONTENT, service="Manifest", file_name="a.xml")
        with pytest.raises(ReadOnlyGatewayError):
            client.delete("a.xml")
        assert simulator.connections.accepted == 0

    def test_a_file_that_is_not_there_says_so(self, gateway, tmp_path):
        with pytest.raises(TransferError, match=r"gone\.xml cannot be opened \(No such file.*nothing was sent"):
            gateway.upload(tmp_path / "gone.xml", service="Manifest", file_name="a.xml")

    def test_a_folder_that_the_certificate_may_not_use_is_refused(self, gateway):
        with pytest.raises(GatewayRefusedError, match=r"/Other/a\.xml at 127\.0\.0\.1:\d+: the gateway answered 550"):
            gateway.upload(CONTENT, service="Other", file_name="a.xml")
        assert gateway.last_transfer is Transfer.NONE

    def test_a_source_that_breaks_aborts_the_upload(self, simulator, gateway):
        class Broken(io.RawIOBase):
            def __init__(self):
                self.blocks = [CONTENT, CONTENT]

            def readinto(self, buffer):
                if not self.blocks:
                    raise OSError(5, "Input/output error")
                block = self.blocks.pop()
                buffer[: len(block)] = block
                return len(block)

        with pytest.raises(TransferError, match=r"after \d+ bytes \(Input/output error\); the upload was aborted"):
            gateway.upload(Broken(), service="Manifest", file_name="a.xml")
        assert gateway.last_transfer is Transfer.BROKEN
        assert [upload.filed for upload in simulator.uploads] in ([], [False])

    def test_heartbeat_is_answered_like_any_file(self, gateway):
        name = gateway.heartbeat()
        status = gateway.read_status(f"status_FTPSGW.Heartbeat_{name}_1.xml")
        assert (status.code, status.service) == (StatusCode.DELIVERED, "FTPSGW.Heartbeat")


class TestOutbox:
    def test_it_lists_name_size_and_time(self, simulator, gateway):
        moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        simulator.put_in_outbox("svar æøå 1.xml", b"12345", modified=moment)
        (entry,) = gateway.list_outbox()
        assert ("svar æøå 1.xml", 5, moment) == (entry.name, entry.size, entry.modified)

    def test_without_mlsd_list_and_mdtm_tell_the_same(self, simulator, gateway):
        moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        simulator.put_in_outbox("b.xml", b"12", modified=moment)
        simulator.put_in_outbox("a.xml", b"1", modified=moment)
        before = gateway.list_outbox()
        simulator.faults.no_mlsd()
        gateway.close()  # a gateway has MLSD or has it not for all of a session
        assert before == gateway.list_outbox()
        said = [entry.line.partition(" ")[0] for entry in simulator.transcript]
        assert said.count("MDTM") == 2
        assert gateway.list_outbox(times=False) == [OutboxEntry("a.xml", 1), OutboxEntry("b.xml", 2)]
        said = [entry.line.partition(" ")[0] for entry in simulator.transcript]
        assert (said.count("LIST"), said.count("MDTM")) == (2, 2)

    def test_one_file_is_looked_at_without_a_listing(self, simulator, gateway):
        moment = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        simulator.put_in_outbox("a.xml", b"123", modified=moment)
        assert gateway.look_at("a.xml") == OutboxEntry("a.xml", 3, moment)
        assert gateway.look_at("gone.xml") == OutboxEntry("gone.xml", None, None)
        assert not [entry for entry in simulator.transcript if entry.line.startswith(("PASV", "MLSD"))]

    def test_a_folder_that_is_not_there_is_no_empty_folder(self, simulator):
        with (
            GatewayClient(simulator.settings(outbox="/elsewhere")) as client,
            pytest.raises(FileNotAvailableError, match="Listing of /elsewhere"),
        ):
            client.list_outbox()

    def test_it_connects_again_when_the_session_has_died(self, simulator, gateway):
        gateway._session.sock.close()
        simulator.put_in_outbox("a.xml", b"1")
        assert [entry.name for entry in gateway.list_outbox()] == ["a.xml"]

    def test_deleting(self, simulator, gateway):
        simulator.put_in_outbox("a.xml", b"1")
        gateway.delete("a.xml")
        assert simulator.outbox() == []
        with pytest.raises(FileNotAvailableError, match=r"Deletion of /out/a\.xml"):
            gateway.delete("a.xml")


class TestDownload:
    def test_it_is_byte_for_byte_the_same(self, simulator, gateway, tmp_path):
        simulator.put_in_outbox("a.bin", CONTENT * 500)
        target = tmp_path / "new" / "a.bin"
        assert len(CONTENT) * 500 == gateway.download("a.bin", target)
        assert target.read_bytes() == CONTENT * 500
        assert [target] == list(target.parent.iterdir())

    def test_a_cut_download_leaves_nothing_behind(self, simulator, gateway, tmp_path):
        simulator.put_in_outbox("a.bin", CONTENT * 500)
        simulator.faults.drop_after_bytes(100_000, "download")
        with pytest.raises((TransferError, GatewayUnavailableError)):
            gateway.download("a.bin", tmp_path / "a.bin")
        assert list(tmp_path.iterdir()) == []

    def test_a_missing_close_notify_is_borne_because_the_size_is_known(self, simulator, gateway, tmp_path):
        simulator.put_in_outbox("a.bin", CONTENT)
        simulator.faults.no_close_notify()
        assert len(CONTENT) == gateway.download("a.bin", tmp_path / "a.bin")

    def test_a_target_that_cannot_be_written_says_so(self, simulator, gateway, tmp_path):
        simulator.put_in_outbox("a.bin", CONTENT)
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(TransferError, match=r"cannot write it"):
            gateway.download("a.bin", tmp_path / "file" / "a.bin")

    def test_a_full_disk_says_so_and_the_client_goes_on(self, simulator, gateway, tmp_path):
        class Full:
            protocol = "memory"
            parent = tmp_path

            def open(self, mode):
                return Path("/dev/full").open(mode)

        simulator.put_in_outbox("a.bin", CONTENT)
        with pytest.raises(TransferError, match="No space left on device"):
            gateway.download("a.bin", Full())
        assert len(CONTENT) == gateway.download("a.bin", tmp_path / "a.bin")

    def test_a_name_never_leaves_the_folder(self, gateway, tmp_path):
        with pytest.raises(InvalidNameError):
            gateway.download("../Manifest/a.xml", tmp_path / "a.xml")


class TestStatus:
    def test_it_is_read_with_the_digit_of_its_name(self, gateway):
        gateway.upload(CONTENT, service="Manifest", file_name="a.xml")
        status = gateway.read_status("status_Manifest_a.xml_1.xml")
        assert (status.code, status.service) == (StatusCode.DELIVERED, "Manifest")
        assert abs(status.timestamp - datetime.now(UTC)) < timedelta(minutes=1)

    def test_rubbish_is_named(self, simulator, gateway):
        simulator.put_in_outbox("status_Manifest_a.xml_1.xml", b"<status><file>")
        with pytest.raises(
            StatusFileError, match=r"/out/status_Manifest_a\.xml_1\.xml at 127.*: Status file is no XML"
        ):
            gateway.read_status("status_Manifest_a.xml_1.xml")

    def test_another_name_is_refused(self, gateway):
        with pytest.raises(InvalidNameError, match="no name of a status file"):
            gateway.read_status("a.xml")


class TestConnecting:
    def test_a_refused_login_is_tried_once_however_often_one_asks(self, simulator):
        client = GatewayClient(simulator.settings(password="wrong-password"))
        for _ in range(3):
            with pytest.raises(LoginRefusedError, match="not tried again: accounts lock") as caught:
                client.list_outbox()
        assert "wrong-password" not in str(caught.value)
        assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1

    def test_a_certificate_that_is_not_registered_is_refused_at_login(self, simulator):
        stranger = simulator.client_certificate(register=False)
        with pytest.raises(LoginRefusedError):
            GatewayClient(simulator.settings(stranger)).connect()

    def test_a_certificate_of_a_stranger_is_refused_in_the_handshake(self, simulator):
        stranger = simulator.client_certificate(stranger=True)
        with pytest.raises(LoginRefusedError, match="turned down the client certificate"):
            GatewayClient(simulator.settings(stranger)).connect()

    def test_without_its_issuing_ca_it_is_refused_in_the_handshake(self, simulator):
        lonely = simulator.client_certificate(with_chain=False)
        with pytest.raises(LoginRefusedError, match=r"issuing CA is sent along"):
            GatewayClient(simulator.settings(lonely)).connect()

    @pytest.mark.parametrize(("validity", "words"), [("expired", "expired on"), ("not_yet", "valid only from")])
    def test_a_certificate_that_is_not_valid_now_is_not_even_shown(self, validity, words, simulator):
        issued = simulator.client_certificate(validity=validity)
        with pytest.raises(CertificateError, match=words):
            GatewayClient(simulator.settings(issued)).connect()
        assert simulator.connections.accepted == 0

    @pytest.mark.parametrize("version", ["1.1", "1.3"])
    def test_a_gateway_that_speaks_no_tls_1_2_is_refused(self, version):
        with (
            GatewaySimulator(tls_versions=(version,)) as simulator,
            pytest.raises(UntrustedGatewayError, match=r"does not speak TLS 1\.2"),
        ):
            GatewayClient(simulator.settings()).connect()

    @pytest.mark.parametrize(("certificate", "words"), [("expired", "expired"), ("wrong_host", "127.0.0.1")])
    def test_a_gateway_that_cannot_prove_who_it_is_is_refused(self, certificate, words):
        with (
            GatewaySimulator(server_certificate=certificate) as simulator,
            pytest.raises(UntrustedGatewayError, match=words),
        ):
            GatewayClient(simulator.settings()).connect()

    def test_a_gateway_of_an_unknown_ca_is_refused(self, simulator):
        with pytest.raises(UntrustedGatewayError, match="ca_pem"):
            GatewayClient(simulator.settings(ca_pem=None)).connect()

    def test_nobody_there_may_pass(self, simulator):
        settings = simulator.settings()
        simulator.stop()
        with pytest.raises(GatewayUnavailableError, match="Connection refused") as caught:
            GatewayClient(settings).connect()
        assert caught.value.retryable

    def test_sent_away_with_421_may_pass(self, simulator):
        simulator.close_window("421")
        with pytest.raises(GatewayUnavailableError, match="421"):
            GatewayClient(simulator.settings()).connect()
        simulator.open_window()
        with GatewayClient(simulator.settings()) as client:
            assert client.list_outbox() == []

    def test_a_slow_gateway_meets_the_time_limit(self, simulator):
        simulator.faults.slow_replies(5.0)
        with pytest.raises(GatewayTimeoutError, match="no answer in time"):
            GatewayClient(simulator.settings(timeout=0.3)).connect()

    def test_tls_is_exactly_1_2(self, gateway):
        assert gateway._session.sock.version() == "TLSv1.2"
        assert gateway.settings.tls_context.verify_mode is ssl.CERT_REQUIRED

    def test_over_ipv6_it_asks_by_epsv(self):
        with GatewaySimulator(host="::1") as simulator, GatewayClient(simulator.settings()) as client:
            client.upload(CONTENT, service="Manifest", file_name="a.xml")
            assert any(entry.line.startswith("EPSV") for entry in simulator.transcript)

    def test_a_forged_address_in_the_answer_to_pasv_is_ignored(self, simulator, gateway):
        simulator.faults.wrong_pasv_address()
        assert gateway.list_outbox() == []
