"""The sensors, in both modes: the same end whichever waits."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, AirflowSkipException
from airflow.sdk.exceptions import TaskDeferred
from airflow_task import context, run_to_the_end, run_trigger

from airflow_provider_icsftps.exceptions import GatewayUnavailableError
from airflow_provider_icsftps.gateway import Filing, file_all
from airflow_provider_icsftps.sensors.icsftps import IcsFtpsOutboxSensor, IcsFtpsResponseSensor
from airflow_provider_icsftps.simulator import SimulatedClock

CONTENT = b"<manifest>one</manifest>"

both_modes = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


def file(gateway, *contents):
    return [
        s.to_data()
        for s in file_all(
            gateway, [Filing(source=c, service="Manifest", scope="d/t/r", source_name="m.xml") for c in contents]
        )
    ]


def sensor(submission, deferrable, until="response", **arguments):
    return IcsFtpsResponseSensor(
        task_id="wait",
        submission=submission,
        until=until,
        deferrable=deferrable,
        **{"poke_interval": 0.05, "timeout": 10} | arguments,
    )


@pytest.fixture
def slow(simulator):
    """The customs system is down until the test says otherwise."""
    simulator.start_outage()
    return simulator


@both_modes
class TestResponse:
    def test_an_answer_that_is_there_is_returned_at_once(self, deferrable, connection, gateway):
        (submission,) = file(gateway, CONTENT)
        answer = sensor(submission, deferrable).execute(context())
        assert [status["code"] for status in answer["statuses"]] == ["delivered", "accepted", "response"]
        assert [name.startswith("Manifest_m-") for name in answer["responses"]] == [True]
        assert submission == {key: answer[key] for key in submission}
        assert answer == json.loads(json.dumps(answer))

    def test_an_answer_that_comes_later_ends_the_wait(self, deferrable, connection, gateway, slow):
        (submission,) = file(gateway, CONTENT)
        if deferrable:
            answer = run_to_the_end(sensor(submission, deferrable), between=slow.end_outage)
        else:
            waiting = sensor(submission, deferrable)
            assert not waiting.poke(context())
            slow.end_outage()
            answer = waiting.execute(context())
        assert len(answer["responses"]) == 1

    def test_a_list_is_answered_by_a_list_in_its_order(self, deferrable, connection, gateway):
        submissions = file(gateway, b"1", b"2", b"3")
        answers = run_to_the_end(sensor(submissions, deferrable))
        assert [s["file_name"] for s in submissions] == [a["file_name"] for a in answers]

    @pytest.mark.parametrize("until", ["delivered", "accepted", "response"])
    def test_it_waits_no_longer_than_asked(self, until, deferrable, connection, gateway, simulator):
        (submission,) = file(gateway, CONTENT)
        answer = run_to_the_end(sensor(submission, deferrable, until))
        assert {"delivered", "accepted", "response"} >= {status["code"] for status in answer["statuses"]}

    def test_a_rejection_fails_at_once_and_for_good(self, deferrable, connection, gateway, slow):
        slow.reject("m-*", "LAST_RECORD_INCORRECT", "No trailer.", "Add it.")
        submissions = file(gateway, CONTENT)
        if not deferrable:
            slow.end_outage()
        words = r"SubmissionRejectedError: /Manifest/m-\w+\.xml was rejected at .* LAST_RECORD_INCORRECT: No trailer"
        with pytest.raises(AirflowFailException, match=words):
            run_to_the_end(sensor(submissions[0], deferrable), between=slow.end_outage)

    def test_one_rejection_among_many_is_told_while_others_wait(self, deferrable, connection, gateway, simulator):
        simulator.reject("*", content=b"bad")
        submissions = file(gateway, b"bad")
        simulator.start_outage()
        submissions += file(gateway, b"good")
        with pytest.raises(AirflowFailException, match="SubmissionRejectedError"):
            run_to_the_end(sensor(submissions, deferrable))

    def test_nothing_within_the_time_limit_is_a_timeout(self, deferrable, connection, gateway, slow):
        (submission,) = file(gateway, CONTENT)
        with pytest.raises(AirflowSensorTimeout):
            run_to_the_end(sensor(submission, deferrable, timeout=0.3))

    def test_a_name_refused_beside_a_filing_of_ours_is_no_rejection(self, deferrable, connection, gateway, slow):
        (submission,) = file(gateway, CONTENT)
        file(gateway, CONTENT)  # the second copy is refused by a digit-0 file
        waiting = sensor(submission, deferrable)
        answer = run_to_the_end(waiting, between=slow.end_outage) if deferrable else None
        if not deferrable:
            slow.end_outage()
            answer = waiting.execute(context())
        assert {"error", "delivered", "accepted", "response"} == {status["code"] for status in answer["statuses"]}

    def test_a_refused_login_fails_for_good(self, deferrable, gateway, simulator, monkeypatch):
        (submission,) = file(gateway, CONTENT)
        values = simulator.connection() | {"password": "wrong"}
        monkeypatch.setenv("AIRFLOW_CONN_ICSFTPS_DEFAULT", json.dumps(values))
        with pytest.raises(AirflowFailException, match="LoginRefusedError"):
            run_to_the_end(sensor(submission, deferrable))

    @pytest.mark.parametrize(
        ("submission", "until", "words"),
        [
            ({"service": "Manifest"}, "response", "needs 'service' and 'file_name'"),
            ("m.xml", "response", "Give what an upload returned"),
            ({"service": "Manifest", "file_name": "m.xml"}, "answered", "until='answered' is none of"),
        ],
    )
    def test_a_wrong_argument_fails_for_good(self, submission, until, words, deferrable, connection):
        with pytest.raises(AirflowFailException, match=words):
            run_to_the_end(sensor(submission, deferrable, until))


@both_modes
class TestSeveralResponses:
    """Customs answers "in process" at once and sends the receipt later."""

    @pytest.fixture
    def icsftps_gateway_parameters(self):
        """Its time passes from answer to answer, however long a look takes."""
        return {"delays": {1: 0, 2: 0, 3: 0}, "clock": SimulatedClock(datetime.now(UTC))}

    def answered(self, deferrable, gateway, simulator, contents=(CONTENT,), **arguments):
        simulator.respond(times=3)
        submissions = file(gateway, *contents)
        waiting = sensor(submissions if len(contents) > 1 else submissions[0], deferrable, **arguments)
        with simulator.waits_skipped():
            return run_to_the_end(waiting)

    def test_the_first_response_is_enough_unless_told_otherwise(self, deferrable, connection, gateway, simulator):
        assert len(self.answered(deferrable, gateway, simulator)["responses"]) == 1

    @pytest.mark.parametrize("count", [2, 3])
    def test_so_many_are_waited_for(self, count, deferrable, connection, gateway, simulator):
        answer = self.answered(deferrable, gateway, simulator, responses=count)
        assert [name[-len("response1.xml") :] for name in answer["responses"]] == [
            f"response{number}.xml" for number in range(1, count + 1)
        ]

    def test_the_right_one_is_waited_for(self, deferrable, connection, gateway, simulator):
        answer = self.answered(deferrable, gateway, simulator, response_pattern="*_response2.xml")
        assert len(answer["responses"]) == 2

    def test_each_submission_of_many_needs_its_own(self, deferrable, connection, gateway, simulator):
        answers = self.answered(deferrable, gateway, simulator, (b"1", b"2"), responses=2)
        assert [len(answer["responses"]) for answer in answers] == [2, 2]

    def test_one_that_never_comes_is_a_timeout(self, deferrable, connection, gateway, simulator):
        with pytest.raises(AirflowSensorTimeout):
            self.answered(deferrable, gateway, simulator, response_pattern="*receipt*", timeout=1.5)

    def test_a_goal_that_makes_no_sense_fails_for_good(self, deferrable, connection, gateway, simulator):
        with pytest.raises(AirflowFailException, match="use until='response'"):
            self.answered(deferrable, gateway, simulator, until="accepted", responses=2)


@both_modes
class TestOutbox:
    def wait(self, deferrable, pattern="*.xml", **arguments):
        return IcsFtpsOutboxSensor(
            task_id="wait",
            pattern=pattern,
            deferrable=deferrable,
            **{"poke_interval": 0.05, "timeout": 10} | arguments,
        )

    def test_it_returns_the_names_that_match(self, deferrable, connection, simulator):
        for name in ("b.xml", "a.xml", "c.txt", "D.XML"):
            simulator.put_in_outbox(name, b"1")
        assert self.wait(deferrable).execute(context()) == ["a.xml", "b.xml"]

    def test_it_waits_for_a_file(self, deferrable, connection, simulator):
        waiting = self.wait(deferrable)
        if deferrable:
            found = run_to_the_end(waiting, between=lambda: simulator.put_in_outbox("a.xml", b"1"))
        else:
            assert not waiting.poke(context())
            simulator.put_in_outbox("a.xml", b"1")
            found = waiting.execute(context())
        assert found == ["a.xml"]

    def test_nothing_within_the_time_limit_is_a_timeout(self, deferrable, connection):
        with pytest.raises(AirflowSensorTimeout):
            run_to_the_end(self.wait(deferrable, timeout=0.3))


@both_modes
class TestSoftEnds:
    """What Airflow's ``soft_fail`` and ``never_fail`` make of an end does not depend on who waits."""

    @pytest.mark.parametrize("soft", ["soft_fail", "never_fail"])
    def test_a_rejection_that_is_there_skips_the_task(self, soft, deferrable, connection, gateway, simulator):
        simulator.reject("m-*")
        (submission,) = file(gateway, CONTENT)
        with pytest.raises(AirflowSkipException):
            run_to_the_end(sensor(submission, deferrable, **{soft: True}))

    @pytest.mark.parametrize("never", [False, True])
    def test_a_gateway_that_stays_away_skips_only_what_must_never_fail(self, never, deferrable, connection, simulator):
        simulator.stop()
        end = AirflowSkipException if never else GatewayUnavailableError
        with pytest.raises(end):
            run_to_the_end(sensor({"service": "M", "file_name": "a"}, deferrable, never_fail=never, timeout=0.5))

    def test_a_cut_copy_that_is_rejected_skips_what_must_never_fail(self, deferrable, connection, gateway, simulator):
        simulator.reject("m-*")
        (submission,) = file(gateway, CONTENT)
        with pytest.raises(AirflowSkipException):
            run_to_the_end(sensor(submission | {"transfer": "sent"}, deferrable, never_fail=True))

    def test_without_them_it_fails(self, deferrable, connection, gateway, simulator):
        simulator.reject("m-*")
        (submission,) = file(gateway, CONTENT)
        with pytest.raises(AirflowFailException, match="SubmissionRejectedError"):
            run_to_the_end(sensor(submission, deferrable))


class TestAwayAtTheFirstLook:
    def test_on_a_worker_it_fails_the_try(self, connection, simulator, gateway):
        (submission,) = file(gateway, CONTENT)
        simulator.faults.busy_421()
        with pytest.raises(GatewayUnavailableError, match="421"):
            run_to_the_end(sensor(submission, False))

    def test_the_triggerer_goes_on(self, connection, simulator, gateway):
        (submission,) = file(gateway, CONTENT)
        simulator.faults.busy_421()
        deferrals = []
        answer = run_to_the_end(sensor(submission, True), between=lambda: deferrals.append(1))
        assert (len(answer["responses"]), deferrals) == (1, [1])

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"until": "answered"}, "until='answered' is none of"),
            ({"submission": {"service": "M", "file_name": "a", "username": "CVR_1_UI_other"}}, "another|other"),
        ],
    )
    def test_what_makes_no_sense_is_refused_all_the_same(self, arguments, words, connection, simulator, gateway):
        (submission,) = file(gateway, CONTENT)
        simulator.stop()
        waiting = sensor(**{"submission": submission, "deferrable": True} | arguments)
        with pytest.raises(AirflowFailException, match=words):
            waiting.execute(context())


def test_names_that_a_trigger_found_need_no_login_of_a_worker(connection, simulator):
    waiting = IcsFtpsOutboxSensor(task_id="wait", pattern="*.xml", deferrable=True, poke_interval=0.05)
    with pytest.raises(TaskDeferred) as deferred:
        waiting.execute(context())
    simulator.put_in_outbox("a.xml", b"1")
    event = run_trigger(deferred.value.trigger)
    simulator.stop()
    assert waiting.execute_complete(context(), event) == ["a.xml"]


@pytest.mark.parametrize("template", ["{{ ti.xcom_pull('file') }}", "{{ ti.xcom_pull('file') | tojson }}"])
@pytest.mark.parametrize("many", [False, True])
def test_a_template_gives_text_and_the_text_is_understood(template, many, connection, gateway):
    submissions = file(gateway, CONTENT)
    waiting = sensor(template, True)
    pulled = submissions if many else submissions[0]
    waiting.render_template_fields({"ti": SimpleNamespace(xcom_pull=lambda task_id: pulled)})
    assert isinstance(waiting.submission, str)
    answer = waiting.execute(context())
    assert isinstance(answer, list) is many


def test_a_time_limit_that_is_over_says_what_was_waited_for(connection, gateway, simulator):
    simulator.start_outage()
    submissions = file(gateway, *(b"%d" % number for number in range(7)))
    first = submissions[0]["file_name"]
    words = rf"Nothing came in 0 s, .* for until='accepted' of /Manifest/{first}, .* and 2 more; .*Clearing this task"
    with pytest.raises(AirflowSensorTimeout, match=words):
        run_to_the_end(sensor(submissions, True, "accepted", timeout=0.2))
    waiting = IcsFtpsOutboxSensor(task_id="wait", pattern="*.xml", deferrable=True, timeout=0.2, poke_interval=0.05)
    with pytest.raises(AirflowSensorTimeout, match=r"for a file like '\*\.xml' in the outbox\. Clearing"):
        run_to_the_end(waiting)


def test_a_deferral_that_meets_a_harmless_refusal_keeps_its_time_limit(connection, gateway, simulator):
    simulator.start_outage()
    (submission,) = file(gateway, CONTENT)
    waiting = sensor(submission, True, timeout=100)
    with pytest.raises(TaskDeferred) as first:
        waiting.execute(context())
    event = first.value.trigger._event("ready").payload | {"read": ["x"]}
    with pytest.raises(TaskDeferred) as second:
        waiting.execute_complete(context(), event)
    assert first.value.trigger.deadline == second.value.trigger.deadline
    assert second.value.trigger.read == ["x"]


@pytest.mark.parametrize("cls", [IcsFtpsOutboxSensor, IcsFtpsResponseSensor])
def test_template_fields_are_documented_attributes(cls):
    for name in cls.template_fields:
        assert "(templated)" in cls.__doc__.split(f":param {name}:")[1].split(":param")[0]
