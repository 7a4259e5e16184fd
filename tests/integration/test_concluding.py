"""What a wait makes of status files: an answer, further waiting, or an error that says what is known."""

from __future__ import annotations

import pytest

from airflow_provider_icsftps.exceptions import NameAlreadyUsedError, SubmissionRejectedError, TransferError
from airflow_provider_icsftps.gateway import Goal, StatusCode, StatusFile, Submission, Transfer, Verdict, conclude
from airflow_provider_icsftps.gateway.outbox_names import status_file_name

CONTENT = b"<manifest/>"


def ask(gateway, read=None, until="accepted", goal=None, **known):
    submission = Submission(service="Manifest", file_name="a.xml", size=len(CONTENT), **known)
    return conclude(gateway, [submission], goal or Goal(until), gateway.outbox_names(), set() if read is None else read)


def file_twice(simulator, gateway):
    """What is there then is a digit-0 file that says that the name was used before, and for an hour nothing else."""
    simulator.answer_after({1: 3600, 2: 3600, 3: 3600})
    for _ in range(2):
        gateway.upload(CONTENT, service="Manifest", file_name="a.xml")


class TestANameThatWasUsed:
    @pytest.mark.parametrize("transfer", [Transfer.CONFIRMED, Transfer.SENT, Transfer.KILLED])
    def test_is_no_answer_where_the_first_copy_may_be_ours(self, simulator, gateway, transfer):
        file_twice(simulator, gateway)
        read = set()
        assert ask(gateway, read, transfer=transfer) is None
        assert [name.rpartition("_")[2] for name in read] == ["0.xml"]
        simulator.clock.advance(hours=2)
        (answer,) = ask(gateway, read, transfer=transfer)
        assert [status.code.name for status in answer.statuses.values()] == [
            "ERROR",
            "DELIVERED",
            "ACCEPTED",
            "RESPONSE",
        ]

    def test_ends_the_wait_where_nothing_shows_that_it_was_this_filing(self, simulator, gateway):
        file_twice(simulator, gateway)
        with pytest.raises(NameAlreadyUsedError, match=r"/Manifest/a\.xml: .* Find out what .* raise resubmission or"):
            ask(gateway)


@pytest.mark.parametrize(
    ("goal", "reached"),
    [
        (Goal("accepted"), True),
        (Goal("response"), True),
        (Goal("response", responses=2), False),
        (Goal("response", response_pattern="*.xml"), True),
        (Goal("response", response_pattern="*receipt*"), False),
    ],
    ids=str,
)
def test_a_wait_goes_on_until_what_it_asks_for_is_there(simulator, gateway, goal, reached):
    gateway.upload(CONTENT, service="Manifest", file_name="a.xml")
    read = set()
    answers = ask(gateway, read, goal=goal)
    assert (answers is not None) is reached
    # what was read is not read again at each look
    assert [name.rpartition("_")[2] for name in read] == ([] if reached else ["3.xml"])
    assert (ask(gateway, read, goal=goal) is not None) is reached


def test_a_rejection_of_a_whole_copy_is_told_and_one_of_a_part_is_run_again(simulator, gateway):
    simulator.reject("a.xml", "LAST_RECORD_INCORRECT", "No trailer.")
    gateway.upload(CONTENT, service="Manifest", file_name="a.xml")
    with pytest.raises(SubmissionRejectedError, match="No trailer"):
        ask(gateway, transfer=Transfer.CONFIRMED)
    with pytest.raises(TransferError, match=r"No trailer.*run the upload again, it files under a new name"):
        ask(gateway, transfer=Transfer.SENT)


def say(simulator, digit, name="a.xml", repeat=1, **values):
    status = StatusFile(code=StatusCode(digit), service="Manifest", **values)
    simulator.put_in_outbox(status_file_name("Manifest", name, digit, repeat), status.to_xml())


@pytest.mark.parametrize("transfer", [Transfer.CONFIRMED, Transfer.SENT])
@pytest.mark.parametrize("beside", [2, 3])
def test_a_rejection_is_told_whatever_lies_beside_it(simulator, gateway, beside, transfer):
    """A letter about the rejection is announced by a digit 3; the end must not depend on which is seen first."""
    say(simulator, beside)
    say(simulator, 0, error_code="LAST_RECORD_INCORRECT", error_message="No trailer.")
    with pytest.raises(SubmissionRejectedError, match="No trailer"):
        ask(gateway, transfer=transfer)


@pytest.mark.parametrize(
    ("announced", "count"),
    [
        ([("r1.xml",)], 1),
        ([("r1.xml",), ("r1.xml",)], 1),  # told twice, and there once
        ([("r1.xml",), ("r2.xml",)], 2),
        ([("r1.xml", "r2.xml")], 2),
        ([(), ()], 2),  # each stands for one, whatever it is called
        ([("r1.xml", "r2.xml"), ()], 3),
    ],
)
def test_responses_are_counted_by_what_they_are_called(simulator, gateway, announced, count):
    for repeat, responses in enumerate(announced, 1):
        say(simulator, 3, repeat=repeat, responses=responses)
    assert ask(gateway, goal=Goal(responses=count))
    assert ask(gateway, goal=Goal(responses=count + 1)) is None


def test_a_copy_whose_end_was_not_seen_is_not_answered_by_its_delivery(simulator, gateway):
    simulator.answer_after({2: 3600, 3: 3600})
    gateway.upload(CONTENT, service="Manifest", file_name="a.xml")
    for verdict in (Verdict.SEND, Verdict.UNPROVEN, Verdict.RECEIVED):
        assert ask(gateway, until="delivered", transfer=Transfer.BROKEN, verdict=verdict) is None
    assert ask(gateway, until="delivered", transfer=Transfer.CONFIRMED)
