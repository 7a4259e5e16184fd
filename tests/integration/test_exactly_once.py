"""Exactly once through the operator: journals, generations, outages, batches, and waits for proof."""

import asyncio
import json
import threading
from contextlib import closing
from hashlib import sha256

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from airflow.sdk.exceptions import TaskDeferred
from airflow_task import context, run_to_the_end, run_trigger
from moments import within
from state_store import StateStore

from airflow_provider_icsftps.exceptions import (
    GatewayUnavailableError,
    LoginRefusedError,
    NameAlreadyUsedError,
    TransferError,
)
from airflow_provider_icsftps.gateway import (
    Filing,
    GatewayClient,
    Patience,
    StatusCode,
    StatusFile,
    Transfer,
    Verdict,
    file_all,
    upload_name,
)
from airflow_provider_icsftps.operators._journal import TaskJournal
from airflow_provider_icsftps.operators.icsftps import IcsFtpsUploadOperator
from airflow_provider_icsftps.simulator import GatewaySimulator

CONTENT = b"<manifest>" + b"<line/>" * 100_000 + b"</manifest>"
FILING = Filing(source=CONTENT, service="Manifest", scope="dag/task/run", source_name="manifest.xml")
modes = pytest.mark.parametrize("cut_uploads", ["discard", "keep", "accept"])
journals = pytest.mark.parametrize("durable", [True, False], ids=["3.3", "3.2"])


def patience(seconds=60.0):
    """Bear failures, without waiting in earnest."""
    return Patience(seconds, sleep=lambda _: None)


def whole_filings(simulator):
    """What the gateway took for a filing and was all of the content."""
    return [upload for upload in simulator.uploads if upload.filed and upload.size == len(CONTENT)]


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "manifest.xml"
    path.write_bytes(CONTENT)
    return str(path)


def upload(source, **arguments):
    return IcsFtpsUploadOperator(
        task_id="file", source=source, service="Manifest", **{"poke_interval": 0.05, "timeout": 20} | arguments
    )


class TestInOneAttempt:
    @modes
    def test_a_cut_transfer_is_followed_by_a_whole_one_under_a_new_name(self, cut_uploads):
        with GatewaySimulator(cut_uploads=cut_uploads, delays={1: 3600, 2: 3600, 3: 3600}) as simulator:
            simulator.faults.drop_after_bytes(100_000, "upload", reset=True)
            with GatewayClient(simulator.settings()) as client:
                (submission,) = file_all(client, [FILING], patience=patience())
            (whole,) = whole_filings(simulator)
            assert submission.file_name == whole.file_name
            assert submission.file_name.endswith("-g2.xml")
            simulator.check()

    def test_a_lost_reply_is_looked_into_and_nothing_is_sent_again(self, simulator):
        simulator.faults.drop_control_before_226()
        with GatewayClient(simulator.settings()) as client:
            (submission,) = file_all(client, [FILING], patience=patience())
        assert (submission.transfer, submission.verdict) == (Transfer.SENT, Verdict.FILED)
        assert len(simulator.uploads) == 1

    def test_a_lost_reply_while_customs_is_down_is_sent_again_under_the_same_name(self, simulator):
        simulator.start_outage()
        simulator.faults.drop_control_before_226()
        with GatewayClient(simulator.settings()) as client:
            (submission,) = file_all(client, [FILING], patience=patience())
        assert {submission.file_name} == {upload.file_name for upload in simulator.uploads}
        assert len(whole_filings(simulator)) == 1

    def test_a_window_of_ten_minutes_is_borne_with_growing_pauses(self, simulator):
        now, pauses = [0.0], []

        def sleep(seconds):
            pauses.append(seconds)
            now[0] += seconds
            if now[0] >= 600:
                simulator.open_window()

        simulator.close_window("421")
        bearing = Patience(900, sleep=sleep, clock=lambda: now[0])
        with closing(GatewayClient(simulator.settings())) as client:
            file_all(client, [FILING], patience=bearing)
        assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
        assert max(pauses) == 60
        assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1

    def test_patience_ends(self, simulator):
        simulator.close_window("421")
        now = [0.0]
        bearing = Patience(100, sleep=lambda seconds: now.__setitem__(0, now[0] + seconds), clock=lambda: now[0])
        with (
            closing(GatewayClient(simulator.settings())) as client,
            pytest.raises(GatewayUnavailableError, match="421"),
        ):
            file_all(client, [FILING], patience=bearing)
        assert now[0] == 100

    def test_a_refused_login_is_never_borne(self, simulator):
        client = GatewayClient(simulator.settings(password="wrong"))
        with pytest.raises(LoginRefusedError):
            file_all(client, [FILING], patience=patience())
        assert sum(entry.line.startswith("PASS") for entry in simulator.transcript) == 1

    def test_three_cut_transfers_are_enough(self, simulator):
        simulator.faults.drop_after_bytes(100_000, "upload", times=9)
        with GatewayClient(simulator.settings()) as client, pytest.raises(NameAlreadyUsedError, match="resubmission=1"):
            file_all(client, [FILING], patience=patience())
        assert len({upload.file_name for upload in simulator.uploads}) == 3


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs afterwards writes to the journal."""


class DyingJournal(TaskJournal):
    """A journal whose process dies before it can say how a transfer ended."""

    def note(self, file_name, sha256, transfer):
        if transfer is not Transfer.KILLED:
            raise Killed
        super().note(file_name, sha256, transfer)


class TestOverTries:
    @modes
    @journals
    def test_a_task_killed_in_mid_transfer_is_filed_once_by_its_retry(
        self, cut_uploads, durable, monkeypatch, manifest
    ):
        """What a kill leaves behind: a journal that says "started", and whatever the gateway made of a cut copy."""
        with GatewaySimulator(cut_uploads=cut_uploads, check_xml=True, delays={1: 0, 2: 0, 3: 0}) as simulator:
            values = simulator.connection()
            values["extra"] |= {"data_timeout": 2}  # so long a cut copy is watched
            monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(values))
            store = StateStore() if durable else None
            first = upload(manifest)
            simulator.faults.drop_after_bytes(300_000, "upload", reset=True)
            with monkeypatch.context() as patched:
                patched.setattr("airflow_provider_icsftps.operators._upload.TaskJournal", DyingJournal)
                with pytest.raises(Killed):
                    first.execute(context(store=store))
            retry = upload(manifest, deferrable=True, timeout=1 if cut_uploads == "discard" else 20)
            if cut_uploads == "discard":  # the name is used and nothing will ever come: nobody can know more
                with pytest.raises(AirflowFailException, match=r"nothing shows whether .* set resubmission=1"):
                    run_to_the_end(retry, given=context(try_number=2, store=store))
                assert whole_filings(simulator) == []
                retry = upload(manifest, resubmission=1)
            done = run_to_the_end(retry, given=context(try_number=3, store=store))
            (whole,) = whole_filings(simulator)
            assert done["file_name"] == whole.file_name
            simulator.check()

    def test_the_journal_knows_that_its_own_transfer_broke(self, connection, simulator, manifest):
        simulator.start_outage()
        store = StateStore()
        simulator.faults.drop_after_bytes(100_000, "upload", reset=True)
        with pytest.raises((TransferError, GatewayUnavailableError)):
            upload(manifest, outage_timeout=0).execute(context(store=store))
        (entry,) = [value for key, value in store.items() if "." in key]
        assert entry["transfer"] == "broken"
        again = upload(manifest).execute(context(try_number=2, store=store))
        assert again["file_name"].endswith("-g2.xml")

    def test_after_a_clear_that_emptied_the_store_the_old_submission_comes_back(self, connection, simulator, manifest):
        first = upload(manifest).execute(context(store=StateStore()))
        again = upload(manifest).execute(context(try_number=2, store=StateStore()))
        assert first["file_name"] == again["file_name"]
        assert len(simulator.uploads) == 1

    def test_a_rejected_file_is_rejected_for_good_when_the_journal_knows_that_it_was_whole(
        self, connection, simulator, manifest
    ):
        store = StateStore()
        simulator.reject("*", "FIRST_RECORD_INCORRECT")
        upload(manifest).execute(context(store=store))
        with pytest.raises(AirflowFailException, match="SubmissionRejectedError"):
            upload(manifest).execute(context(try_number=2, store=store))
        assert len(simulator.uploads) == 1

    def test_the_store_holds_no_secret(self, connection, simulator, manifest):
        store = StateStore()
        upload(manifest).execute(context(store=store))
        assert simulator.default_client.password not in json.dumps(store)
        assert {"sha256", "transfer"} == set(next(value for key, value in store.items() if "." in key))


class TestBatch:
    @pytest.fixture
    def paths(self, tmp_path):
        paths = [tmp_path / f"{number:03}.xml" for number in range(200)]
        for number, path in enumerate(paths):
            path.write_bytes(b"<m>%d</m>" % number)
        return paths

    def test_over_one_session_the_117th_breaks_and_the_first_116_are_not_sent_again(
        self, simulator, paths, monkeypatch
    ):
        values = simulator.connection()
        monkeypatch.setenv(
            "AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(values | {"extra": values["extra"] | {"sessions": 1}})
        )
        store = StateStore()
        given = context(store=store)
        simulator.faults.drop_control_before_226(skip=116)
        with pytest.raises(GatewayUnavailableError, match=r"116 of 200 files are filed\. .*116\.xml"):
            upload(paths, outage_timeout=0).execute(given)
        outcomes = given["ti"].pushed["outcomes"]
        assert [outcome["state"] for outcome in outcomes] == ["filed"] * 116 + ["failed"] + ["not tried"] * 83
        submissions = upload(paths).execute(context(try_number=2, store=store))
        assert [s["source"] for s in submissions] == [str(path) for path in paths]
        names = [record.file_name for record in simulator.uploads if record.filed]
        assert len(names) == len(set(names)) == 200
        assert names[:116] == [s["file_name"] for s in submissions[:116]]
        assert simulator.connections.logins == 2

    def test_over_four_sessions_one_breaks_and_what_is_filed_is_not_sent_again(self, connection, simulator, paths):
        store = StateStore()
        given = context(store=store)
        simulator.faults.drop_control_before_226(skip=116)
        with pytest.raises(GatewayUnavailableError, match=r"of 200 files are filed\."):
            upload(paths, outage_timeout=0).execute(given)
        states = [outcome["state"] for outcome in given["ti"].pushed["outcomes"]]
        assert states.count("failed") == 1
        # the others bring to its end what they have begun until the one that broke has said so
        assert states.count("filed") >= 116
        assert "not tried" in states
        submissions = upload(paths).execute(context(try_number=2, store=store))
        assert [s["source"] for s in submissions] == [str(path) for path in paths]
        names = [record.file_name for record in simulator.uploads if record.filed]
        assert len(names) == len(set(names)) == 200

    def test_with_patience_a_broken_session_stops_nothing(self, connection, simulator, paths):
        simulator.faults.drop_control_before_226(skip=50)
        submissions = upload(paths).execute(context())
        assert [s["source"] for s in submissions] == [str(path) for path in paths]
        names = [record.file_name for record in simulator.uploads if record.filed]
        assert len(names) == len(set(names)) == 200


both = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@both
class TestWaitUntil:
    @pytest.mark.parametrize("until", ["delivered", "accepted", "response"])
    def test_one_task_is_one_confirmed_filing(self, until, deferrable, connection, simulator, manifest):
        done = run_to_the_end(upload(manifest, wait_until=until, deferrable=deferrable))
        assert done["file_name"] == simulator.uploads[0].file_name
        assert {"delivered", "accepted", "response"} >= {status["code"] for status in done["statuses"]}
        assert json.loads(json.dumps(done)) == done

    def test_an_answer_that_comes_later_is_waited_for(self, deferrable, connection, simulator, manifest):
        simulator.start_outage()
        waiting = upload(manifest, wait_until="response", deferrable=deferrable)
        if deferrable:
            done = run_to_the_end(waiting, between=simulator.end_outage)
        else:
            threading.Timer(0.3, simulator.end_outage).start()
            done = waiting.execute(context())
        assert len(done["responses"]) == 1
        assert len(simulator.uploads) == 1

    def test_a_rejection_fails_for_good(self, deferrable, connection, simulator, manifest):
        simulator.reject("*", "LAST_RECORD_INCORRECT", "No trailer.")
        with pytest.raises(AirflowFailException, match=r"SubmissionRejectedError: .*No trailer"):
            run_to_the_end(upload(manifest, wait_until="response", deferrable=deferrable))

    def test_a_wait_that_is_too_long_says_what_is_filed_and_what_to_do(
        self, deferrable, connection, simulator, manifest
    ):
        simulator.start_outage()
        waiting = upload(manifest, wait_until="accepted", deferrable=deferrable, timeout=0.3)
        words = r"Handed over, but not accepted within 0 s: /Manifest/manifest-.*Clearing this task waits again"
        with pytest.raises(AirflowFailException, match=words):
            run_to_the_end(waiting)
        simulator.end_outage()
        done = run_to_the_end(upload(manifest, wait_until="accepted"), given=context(try_number=2))
        assert done["file_name"] == simulator.uploads[0].file_name
        assert len(simulator.uploads) == 1

    @pytest.mark.parametrize(("naming", "remedy"), [("unique", "set resubmission=1"), ("own", "give it another name")])
    def test_a_proof_that_does_not_come_is_told_with_what_helps(
        self, naming, remedy, deferrable, connection, simulator, manifest
    ):
        simulator.start_outage()
        simulator.faults.drop_control_before_226()
        waiting = upload(manifest, naming=naming, deferrable=deferrable, timeout=0.3)
        with pytest.raises(AirflowFailException, match=rf"only waits again: .*if it was not filed, {remedy}$"):
            run_to_the_end(waiting)
        assert len({record.file_name for record in simulator.uploads}) == 1

    @pytest.mark.parametrize("until", ["response", "accepted"])
    def test_a_copy_that_is_proven_is_not_called_unproven_when_another_answer_is_late(
        self, until, deferrable, connection, simulator, tmp_path
    ):
        """Whoever follows the advice for an unproven copy files it again: it must not be given for an accepted one."""
        paths = [tmp_path / name for name in ("cut.xml", "late.xml")]
        for path in paths:
            path.write_bytes(path.name.encode())
        simulator.faults.drop_control_before_226()
        simulator.answer_after({2: 2.5, 3: 3600}, "cut-*")  # it is looked up before it is accepted
        simulator.answer_after({2: 3600, 3: 3600}, "late-*")
        waiting = upload(paths, wait_until=until, deferrable=deferrable, timeout=4)
        with pytest.raises(AirflowFailException, match=rf"^Handed over, but not {until} within 4 s: ") as caught:
            run_to_the_end(waiting)
        assert ("cut-" in str(caught.value)) is (until == "response")
        assert "late-" in str(caught.value)

    def test_a_batch_returns_an_answer_for_each(self, deferrable, connection, simulator, tmp_path):
        paths = []
        for number in range(3):
            paths.append(tmp_path / f"{number}.xml")
            paths[-1].write_bytes(b"<m>%d</m>" % number)
        done = run_to_the_end(upload(paths, wait_until="response", deferrable=deferrable))
        assert [answer["source"] for answer in done] == [str(path) for path in paths]
        assert [len(answer["responses"]) for answer in done] == [1, 1, 1]

    def test_a_wrong_word_is_refused_before_anything_is_sent(self, deferrable, connection, simulator, manifest):
        with pytest.raises(AirflowFailException, match="until='answered' is none of"):
            upload(manifest, wait_until="answered", deferrable=deferrable).execute(context())
        assert simulator.uploads == []


def once(condition, then):
    """Do something as soon as something is true, in a thread."""

    def watch():
        within(20, condition)
        then()

    threading.Thread(target=watch).start()


def has_ended_a_session(simulator):
    """Say whether the sending is over, so that the wait has begun."""
    return any(entry.line.startswith("QUIT") for entry in simulator.transcript)


class TestTroubleInTheWait:
    @both
    def test_a_gateway_that_is_away_is_borne_as_while_sending(self, deferrable, connection, simulator, manifest):
        simulator.start_outage()
        waiting = upload(manifest, wait_until="response", deferrable=deferrable)
        if deferrable:
            simulator.faults.busy_421(skip=3)  # upload, first look, trigger; then the worker's reading meets it
            done = run_to_the_end(waiting, between=simulator.end_outage)
        else:
            simulator.faults.busy_421(skip=2)
            once(lambda: not simulator.faults.active, then=simulator.end_outage)
            done = waiting.execute(context())
        assert simulator.faults.active == []
        assert len(done["responses"]) == 1

    def test_it_is_borne_for_the_outage_timeout_and_no_longer(self, connection, simulator, manifest):
        simulator.start_outage()
        simulator.faults.busy_421(skip=1, times=None)
        with pytest.raises(GatewayUnavailableError, match="421"):
            upload(manifest, wait_until="response", outage_timeout=0).execute(context())

    @both
    @journals
    def test_a_copy_that_may_have_been_cut_and_is_rejected_is_sent_under_the_next_name(
        self, durable, deferrable, connection, simulator, manifest
    ):
        """Also where no journal outlives the process: what was sent before the wait was sent by this task."""
        first = "manifest-????????????????.xml"
        simulator.answer_after({1: 0, 2: None, 3: None}, first)
        simulator.faults.drop_control_before_226()

        def reject():
            zero = StatusFile(
                code=StatusCode.ERROR, service="Manifest", path=file_name, error_code="LAST_RECORD_INCORRECT"
            )
            simulator.put_in_outbox(f"status_Manifest_{file_name}_0.xml", zero.to_xml())

        waiting = upload(manifest, deferrable=deferrable)
        file_name = upload_name("manifest.xml", "dag/task/manual__1", "Manifest", sha256(CONTENT).hexdigest(), 0)
        if not deferrable:
            once(lambda: has_ended_a_session(simulator), then=reject)
        done = run_to_the_end(waiting, between=reject, given=context(store=StateStore() if durable else None))
        assert [record.file_name for record in simulator.uploads] == [file_name, done["file_name"]]
        assert done["file_name"] == file_name.replace(".xml", "-g2.xml")

    def test_a_listing_that_is_cut_does_not_prove_a_copy_that_may_have_been_cut(self, connection, simulator, manifest):
        simulator.answer_after({1: 0, 2: None, 3: None})
        simulator.faults.drop_control_before_226()
        once(lambda: has_ended_a_session(simulator), then=simulator.faults.half_written_listing)
        with pytest.raises(AirflowFailException, match="nothing shows whether the whole file got through"):
            upload(manifest, timeout=6).execute(context())
        assert simulator.faults.active == []


def test_a_wait_whose_triggerer_was_lost_ends_once_in_another(connection, simulator, manifest):
    simulator.start_outage()
    operator = upload(manifest, wait_until="response", deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        operator.execute(context())
    trigger = deferred.value.trigger
    listings = simulator.connections.listings

    async def begin_and_lose():
        task = asyncio.create_task(anext(aiter(trigger.run())))
        while simulator.connections.listings == listings:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin_and_lose())
    simulator.end_outage()
    done = operator.execute_complete(context(), run_trigger(trigger))
    assert len(done["responses"]) == 1
    assert len(simulator.uploads) == 1


class TestLimits:
    def test_a_file_that_changes_while_it_is_sent_is_not_filed(self, connection, simulator, tmp_path, manifest):
        """The change comes between measuring and sending, as from a program that still writes."""
        path = tmp_path / "manifest.xml"

        class Changing:
            name = "manifest.xml"
            opened = 0

            def open(self, mode):
                self.opened += 1
                if self.opened == 2:
                    path.write_bytes(CONTENT.replace(b"line", b"LINE"))
                return path.open(mode)

        with pytest.raises(TransferError, match="changed while it was being sent"):
            upload(Changing()).execute(context())
        assert whole_filings(simulator) == []

    @pytest.mark.slow
    @pytest.mark.timeout(900)
    def test_a_file_over_4_gb_is_counted_right(self, connection, simulator, tmp_path):
        path = tmp_path / "large.xml"
        with path.open("wb") as file:
            file.truncate(2**32 + 5)
        submission = upload(path).execute(context())
        assert submission["size"] == simulator.uploads[0].size == 2**32 + 5
