"""Filing through :func:`file_all`: exactly once, whatever was tried before."""

import dataclasses
import io
import threading
from itertools import islice

import pytest

from airflow_provider_icsftps.exceptions import (
    ConfigurationError,
    FileNotAvailableError,
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidNameError,
    NameAlreadyUsedError,
    SubmissionRejectedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import (
    Evidence,
    Filing,
    Fleet,
    GatewayClient,
    Journal,
    Patience,
    Transfer,
    file_all,
    file_each,
    upload_name,
)
from airflow_provider_icsftps.gateway import filing as filing_module
from airflow_provider_icsftps.gateway.evidence import Gathered
from airflow_provider_icsftps.gateway.filing import Filer, measured
from airflow_provider_icsftps.gateway.sources import MeasuredFile, measure
from airflow_provider_icsftps.simulator import GatewaySimulator

CONTENT = b"<manifest>one</manifest>"
FIRST = Filing(source=CONTENT, service="Manifest", scope="dag/task/run", source_name="manifest.xml")


def file_again(gateway, filings):
    """As a later try does that knows nothing of the earlier ones."""
    return file_all(gateway, filings, Journal(complete=False))


def filed(simulator: GatewaySimulator) -> list[str]:
    return [upload.file_name for upload in simulator.uploads if upload.filed]


def test_a_filing_is_returned_with_all_that_identifies_it(simulator, gateway):
    (submission,) = file_all(gateway, [FIRST])
    assert filed(simulator) == [submission.file_name]
    assert submission.file_name.startswith("manifest-")
    assert submission.file_name.endswith(".xml")
    assert ("Manifest", len(CONTENT), "confirmed", "send") == (
        submission.service,
        submission.size,
        submission.transfer,
        submission.verdict,
    )
    settings = gateway.settings
    assert (settings.username, settings.certificate.fingerprint) == (submission.username, submission.fingerprint)


def test_a_retry_finds_what_was_filed(simulator, gateway):
    (submission,) = file_all(gateway, [FIRST])
    (again,) = file_again(gateway, [FIRST])
    assert (submission.file_name, "filed") == (again.file_name, again.verdict)
    assert len(simulator.uploads) == 1


def test_a_retry_finds_it_too_when_the_file_is_called_otherwise_now(simulator, gateway):
    """As when the task that makes it was cleared, too, and names it by chance; no status file tells the first name."""
    simulator.start_outage()
    journal = Journal()
    simulator.faults.drop_control_before_226()
    with pytest.raises(GatewayUnavailableError):
        file_all(gateway, [FIRST], journal)
    (again,) = file_all(gateway, [dataclasses.replace(FIRST, source_name="tmp8a3f.xml")], journal)
    assert again.file_name.startswith("manifest-")
    assert {upload.file_name for upload in simulator.uploads} == {again.file_name}
    assert len(filed(simulator)) == 1


def test_a_run_that_was_deleted_and_made_again_finds_it_too(simulator, gateway):
    file_all(gateway, [FIRST])
    assert file_all(gateway, [FIRST])[0].verdict == "filed"
    assert len(simulator.uploads) == 1


@pytest.mark.parametrize("answer", ["status", "550", "553"])
def test_while_the_customs_system_is_down_the_gateway_refuses_the_second_copy(answer):
    with GatewaySimulator(reused_name=answer, delays={1: 0, 2: 0, 3: 0}) as simulator:
        simulator.start_outage()
        with GatewayClient(simulator.settings()) as client:
            (submission,) = file_all(client, [FIRST])
            (again,) = file_again(client, [FIRST])
            assert submission.file_name == again.file_name
            assert len(filed(simulator)) == 1
            simulator.end_outage()
            assert file_again(client, [FIRST])[0].verdict == "filed"
        assert len(filed(simulator)) == 1
        simulator.check()


@pytest.mark.parametrize("known", [True, False])
def test_a_service_folder_that_is_not_there_is_no_sign_of_an_earlier_copy(simulator, gateway, known):
    with pytest.raises(FileNotAvailableError, match=r"/Manifes/manifest-\w+\.xml at .* the gateway answered 550"):
        file_all(gateway, [dataclasses.replace(FIRST, service="Manifes")], Journal(complete=known))
    assert simulator.uploads == []


def test_a_folder_is_only_missing_where_the_login_shows_folders(simulator, gateway):
    assert [gateway.lacks_service(service) for service in ("Manifest", "Manifes")] == [False, True]
    elsewhere = dataclasses.replace(simulator.settings(), outbox="/other/out")  # the root shows no such folder
    with GatewayClient(elsewhere) as other:
        assert not other.lacks_service("Manifes")


def test_equal_files_in_one_task_are_one_filing(simulator, gateway):
    other = dataclasses.replace(FIRST, source_name="copy.xml")
    first, second = file_all(gateway, [FIRST, other])
    assert first == second
    assert len(simulator.uploads) == 1


def test_equal_files_of_two_that_file_are_two_filings(simulator, gateway):
    """Their names differ, so each finds its own again, also when both were filed by one call."""
    batch = [FIRST, dataclasses.replace(FIRST, scope="dag/other/run")]
    submissions = file_all(gateway, batch)
    assert [s.file_name for s in submissions] == filed(simulator)
    assert len(filed(simulator)) == 2
    assert [file_again(gateway, [filing])[0].file_name for filing in batch] == filed(simulator)


def test_a_file_that_nobody_named_is_called_as_it_lies_there(simulator, gateway, tmp_path):
    path = tmp_path / "departure.xml"
    path.write_bytes(CONTENT)
    filings = [Filing(source=source, service="Manifest", scope=str(source)) for source in (str(path), path, CONTENT)]
    filings[0] = dataclasses.replace(filings[0], scope="as text")
    assert [s.file_name.rpartition("-")[0] for s in file_all(gateway, filings)] == ["departure", "departure", "file"]


def test_a_refusal_that_says_nothing_of_the_name_is_told_as_it_is(simulator, gateway):
    simulator.faults.drop_after_bytes(10, "upload", reply="552 Quota exceeded.")
    with pytest.raises(GatewayRefusedError, match="552 Quota exceeded") as caught:
        file_all(gateway, [FIRST], patience=Patience(60, sleep=lambda _: None))
    assert caught.value.code == 552
    assert len(simulator.uploads) == 1


def test_a_rejection_of_which_no_words_are_there_stops(simulator, gateway, monkeypatch):
    rejected = Gathered(Evidence(size=len(CONTENT), rejected=True))
    monkeypatch.setattr(filing_module, "gather", lambda *_, **__: rejected)
    with pytest.raises(NameAlreadyUsedError, match="nothing was sent"):
        file_all(gateway, [FIRST])
    assert simulator.uploads == []


def test_a_corrected_file_is_a_new_filing(simulator, gateway):
    file_all(gateway, [FIRST])
    file_again(gateway, [dataclasses.replace(FIRST, source=CONTENT + b" ")])
    assert len(filed(simulator)) == 2


def test_resubmission_files_again_on_purpose(simulator, gateway):
    file_all(gateway, [FIRST])
    file_again(gateway, [dataclasses.replace(FIRST, resubmission=1)])
    assert len(filed(simulator)) == 2


def test_a_rejected_file_is_not_sent_again(simulator, gateway):
    simulator.reject("manifest-*", "LAST_RECORD_INCORRECT", "No trailer.", "Add the trailer.")
    file_all(gateway, [FIRST])
    with pytest.raises(SubmissionRejectedError, match=r"LAST_RECORD_INCORRECT: No trailer\. Add the trailer") as caught:
        file_all(gateway, [FIRST])
    assert (
        caught.value.error_code,
        caught.value.message,
        caught.value.resolution,
    ) == ("LAST_RECORD_INCORRECT", "No trailer.", "Add the trailer.")
    assert len(simulator.uploads) == 1


class TestOwnNames:
    OWN = dataclasses.replace(FIRST, own_name="manifest.xml")

    def test_the_name_is_kept(self, simulator, gateway):
        assert file_all(gateway, [self.OWN])[0].file_name == "manifest.xml"

    def test_a_name_that_was_used_stops_because_its_content_is_not_known(self, simulator, gateway):
        file_all(gateway, [self.OWN])
        with pytest.raises(NameAlreadyUsedError, match=r"/Manifest/manifest\.xml before.*give it another name"):
            file_all(gateway, [dataclasses.replace(self.OWN, source=b"other")])
        assert len(simulator.uploads) == 1

    def test_what_was_cut_says_that_another_name_is_needed(self, simulator, gateway):
        """A higher ``resubmission`` would change nothing."""
        simulator.faults.drop_after_bytes(10, "upload", reset=True)
        with pytest.raises(NameAlreadyUsedError, match=r"1 transfers, .* to try again, give it another name"):
            file_all(gateway, [self.OWN], patience=Patience(60, sleep=lambda _: None))
        assert len(simulator.uploads) == 1

    def test_what_was_refused_is_not_taken_for_filed_when_the_answers_to_another_file_come(self):
        """Its content was never sent, whatever becomes of the file that has its name."""
        with GatewaySimulator(reused_name="553", delays={1: 0, 2: 0, 3: 0}) as simulator:
            simulator.start_outage()
            with GatewayClient(simulator.settings()) as client:
                client.upload(b"other", service="Manifest", file_name="manifest.xml")
                journal = Journal()
                with pytest.raises(NameAlreadyUsedError, match="it answered 553"):
                    file_all(client, [self.OWN], journal)
                simulator.end_outage()
                with pytest.raises(NameAlreadyUsedError, match=r"/Manifest/manifest\.xml before"):
                    file_all(client, [self.OWN], journal)

    def test_an_empty_name_is_none(self, simulator, gateway):
        with pytest.raises(InvalidNameError, match="File name '' is no name"):
            file_all(gateway, [dataclasses.replace(self.OWN, own_name="")])
        assert simulator.uploads == []

    def test_two_files_of_one_name_are_not_taken_for_one(self, simulator, gateway):
        with pytest.raises(ConfigurationError, match=r"Two files .* are called manifest\.xml; nothing was sent"):
            file_all(gateway, [self.OWN, dataclasses.replace(self.OWN, source=b"other")])
        assert simulator.uploads == []


def test_a_name_used_by_somebody_else_stops(simulator, gateway):
    simulator.start_outage()
    (submission,) = file_all(gateway, [FIRST])
    with GatewaySimulator(reused_name="553") as other, GatewayClient(other.settings()) as client:
        other.start_outage()
        client.upload(b"something else", service="Manifest", file_name=submission.file_name)
        with pytest.raises(NameAlreadyUsedError, match=r"it answered 553.*set resubmission=1"):
            file_all(client, [FIRST])


class TestWhatMustNotBeSent:
    def test_an_empty_file(self, simulator, gateway):
        with pytest.raises(ConfigurationError, match="is empty; nothing was sent"):
            file_all(gateway, [dataclasses.replace(FIRST, source=b"")])
        file_all(gateway, [dataclasses.replace(FIRST, source=b"", allow_empty=True)])
        assert [upload.size for upload in simulator.uploads] == [0]

    def test_a_file_that_changed_since_it_was_measured(self, simulator, gateway, tmp_path):
        path = tmp_path / "manifest.xml"
        path.write_bytes(CONTENT)
        filing = dataclasses.replace(FIRST, source=path)
        size = measured(filing)
        path.write_bytes(CONTENT.replace(b"one", b"two"))
        with pytest.raises(TransferError, match="changed while it was being sent"):
            Filer(gateway).file(filing, size)
        assert filed(simulator) == []

    def test_of_a_changed_file_no_whole_copy_goes_out(self):
        size = measure(CONTENT)
        file = MeasuredFile(io.BytesIO(CONTENT.replace(b"one", b"two")), size, "manifest.xml")
        with pytest.raises(TransferError):
            file.readinto(memoryview(bytearray(1024)))

    def test_nothing_when_one_of_many_cannot_be_read(self, simulator, gateway, tmp_path):
        gone = dataclasses.replace(FIRST, source=tmp_path / "gone.xml")
        with pytest.raises(TransferError, match="cannot be opened"):
            file_all(gateway, [FIRST, gone])
        assert simulator.uploads == []


class TestACopyThatIsTooSmall:
    """A try that counts as killed may still be at work, and a gateway still be writing what it has got."""

    @pytest.fixture
    def stored(self, simulator):
        name = upload_name(FIRST.base_name, FIRST.scope, FIRST.service, measure(CONTENT).sha256)
        path = simulator._gateway.storage.home(simulator.default_client.username) / "Manifest" / name
        path.write_bytes(CONTENT[:5])
        return path

    @pytest.fixture(params=[Transfer.SENT, Transfer.KILLED])
    def journal(self, request, stored):
        journal = Journal()
        journal.note(stored.name, measure(CONTENT).sha256, request.param)
        return journal

    def test_and_grows_is_waited_for(self, stored, journal, simulator, gateway):
        """To send it under the next name meanwhile would file it twice."""
        rest = iter(CONTENT[5:])

        def sleep(_):
            with stored.open("ab") as file:
                file.write(bytes(islice(rest, 8)))

        (submission,) = file_all(gateway, [FIRST], journal, Patience(60, sleep=sleep))
        assert (submission.file_name, submission.verdict) == (stored.name, "received")
        assert submission.needs_proof
        assert simulator.uploads == []

    def test_and_grows_for_too_long_says_who_may_be_sending_it(self, stored, journal, simulator, gateway):
        patience = Patience(0, sleep=lambda _: stored.write_bytes(CONTENT[:6]))
        with pytest.raises(GatewayUnavailableError, match=r"is still being written at .*earlier try may still be send"):
            file_all(gateway, [FIRST], journal, patience)
        assert simulator.uploads == []

    def test_and_stands_still_for_as_long_as_a_sender_may_be_silent_is_cut(self, stored, journal, simulator, gateway):
        pauses = []
        (submission,) = file_all(gateway, [FIRST], journal, Patience(60, sleep=pauses.append))
        assert submission.file_name == stored.name.replace(".xml", "-g2.xml")
        assert sum(pauses) == gateway.settings.data_timeout

    def test_and_was_cut_by_us_does_not_grow(self, stored, simulator, gateway):
        journal = Journal()
        journal.note(stored.name, measure(CONTENT).sha256, Transfer.BROKEN)
        file_all(gateway, [FIRST], journal, Patience(60, sleep=pytest.fail))
        assert filed(simulator) == [stored.name.replace(".xml", "-g2.xml")]


def test_a_batch_tells_how_far_it_came_and_a_retry_sends_only_the_rest(simulator, gateway):
    batch = [dataclasses.replace(FIRST, source=CONTENT + str(n).encode(), source_name=f"{n}.xml") for n in range(6)]
    file_all(gateway, batch[:3])
    simulator.faults.drop_control_before_226()
    with pytest.raises(GatewayUnavailableError, match="3 of 6 files are filed"):
        file_all(gateway, batch)
    submissions = file_again(gateway, batch)
    assert [s.file_name for s in submissions] == filed(simulator)
    assert len(filed(simulator)) == 6


def test_one_bad_file_does_not_stop_the_others(simulator, gateway):
    simulator.reject("bad-*")
    bad = dataclasses.replace(FIRST, source=b"bad", source_name="bad.xml")
    file_all(gateway, [bad])
    with pytest.raises(SubmissionRejectedError, match=r"1 of 2 files are filed\. bytes: /Manifest/bad-"):
        file_all(gateway, [bad, FIRST])
    assert filed(simulator)[-1].startswith("manifest-")


def test_what_a_lost_session_leaves_is_looked_up_in_a_new_listing():
    """The gateway took the part for whole, and so did customs: the listing of before does not show that."""
    batch = [dataclasses.replace(FIRST, source=b"%d" % n * 2**24, source_name=f"{n}.xml") for n in range(6)]
    struck = threading.Event()
    with GatewaySimulator(cut_uploads="accept", delays={1: 0, 2: 0, 3: 0}) as simulator:

        def lose_one(_):
            if simulator.connections.logins == 2 and not struck.is_set():
                struck.set()
                simulator.faults.limit_sessions(1)
                simulator.faults.drop_after_bytes(1, "upload", reset=True)

        with Fleet(simulator.settings(), 2) as fleet:
            file_each(fleet, batch, patience=Patience(60, sleep=lambda _: None), tell=lose_one)
        names = [upload.file_name for upload in simulator.uploads]
        assert simulator.connections.logins == 2
        assert (len(set(names)), [name for name in names if "-g2" in name]) == (6, [])
