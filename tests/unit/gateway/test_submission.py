from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.status import StatusCode
from airflow_provider_icsftps.gateway.submission import (
    Evidence,
    Submission,
    Transfer,
    Verdict,
    combined,
    judge,
    paths_of,
)

SIZE = 100
PROOF = (StatusCode.DELIVERED, StatusCode.ACCEPTED, StatusCode.RESPONSE)
DIGITS = [frozenset(s) for n in range(4) for s in itertools.combinations(PROOF, n)]

# the words of the table, and what they stand for
STATUS_FILES = {
    "2 or 3": lambda e: bool(e.codes & {StatusCode.ACCEPTED, StatusCode.RESPONSE}),
    "1": lambda e: e.codes == {StatusCode.DELIVERED} and not e.rejected,
    "0 other": lambda e: e.codes <= {StatusCode.DELIVERED} and e.rejected,
    "0 reused": lambda e: not e.codes and e.name_reused and not e.rejected,
    "none": lambda e: not e.codes and not e.name_reused and not e.rejected,
}
STORED = {
    "any": lambda e: True,
    "same": lambda e: e.stored_size == SIZE,
    "smaller": lambda e: e.stored_size is not None and e.stored_size < SIZE,
    "larger": lambda e: e.stored_size is not None and e.stored_size > SIZE,
    "absent": lambda e: e.stored_size is None,
}
TABLE = [
    # status files, in the service folder, our last transfer, verdict
    ("2 or 3", "any", "none confirmed sent broken killed", Verdict.FILED),
    ("1", "any", "none confirmed", Verdict.DELIVERED),
    ("1", "any", "sent broken killed", Verdict.UNPROVEN),
    ("0 other", "any", "sent broken killed", Verdict.NEXT_GENERATION),
    ("0 other", "any", "none confirmed", Verdict.REJECTED),
    ("0 reused", "any", "confirmed", Verdict.ON_ITS_WAY),
    ("0 reused", "any", "sent killed", Verdict.UNPROVEN),
    ("0 reused", "any", "broken", Verdict.NEXT_GENERATION),
    ("0 reused", "any", "none", Verdict.NAME_USED),
    ("none", "same", "none confirmed sent broken killed", Verdict.RECEIVED),
    ("none", "smaller", "none sent broken killed", Verdict.REPLACE),
    ("none", "smaller", "confirmed", Verdict.NAME_USED),
    ("none", "larger", "none confirmed sent broken killed", Verdict.NAME_USED),
    ("none", "absent", "none sent killed", Verdict.SEND),
    ("none", "absent", "broken", Verdict.NEXT_GENERATION),
    ("none", "absent", "confirmed", Verdict.ON_ITS_WAY),
]
EVERYTHING = [
    Evidence(
        size=SIZE,
        transfer=transfer,
        codes=codes,
        name_reused=name_reused,
        rejected=rejected,
        stored_size=stored_size,
        name_binds_content=name_binds_content,
    )
    for transfer, codes, name_reused, rejected, stored_size, name_binds_content in itertools.product(
        Transfer, DIGITS, (False, True), (False, True), (None, 0, SIZE - 1, SIZE, SIZE + 1), (True, False)
    )
]
OF_OUR_MAKING = [evidence for evidence in EVERYTHING if evidence.name_binds_content]
OWN_NAMES = [evidence for evidence in EVERYTHING if not evidence.name_binds_content]
SENDS = {Verdict.SEND, Verdict.NEXT_GENERATION, Verdict.REPLACE}
STOPS = {Verdict.REJECTED, Verdict.NAME_USED}


def in_row(evidence: Evidence, row: tuple[str, str, str, Verdict]) -> bool:
    status_files, stored, transfers, _ = row
    return STATUS_FILES[status_files](evidence) and STORED[stored](evidence) and evidence.transfer in transfers.split()


def knows_nothing(evidence: Evidence) -> bool:
    return not evidence.codes and not evidence.name_reused and not evidence.rejected and evidence.stored_size is None


def was_cut(evidence: Evidence) -> bool:
    return evidence.transfer in {Transfer.SENT, Transfer.BROKEN, Transfer.KILLED}


class TestTable:
    @pytest.mark.parametrize("row", TABLE, ids=lambda row: " | ".join(row[:3]))
    def test_row_by_row(self, row):
        cases = [evidence for evidence in OF_OUR_MAKING if in_row(evidence, row)]
        assert cases
        for evidence in cases:
            assert row[3] is judge(evidence), evidence

    def test_every_evidence_has_one_row(self):
        for evidence in OF_OUR_MAKING:
            assert len([row for row in TABLE if in_row(evidence, row)]) == 1, evidence

    def test_every_verdict_is_reached(self):
        assert {row[3] for row in TABLE} == set(Verdict)

    def test_a_name_of_ones_own_without_a_transfer_of_ours_stops_at_any_trace(self):
        for evidence in OWN_NAMES:
            if evidence.transfer is Transfer.NONE:
                assert judge(evidence) is (Verdict.SEND if knows_nothing(evidence) else Verdict.NAME_USED), evidence

    def test_a_name_of_ones_own_that_we_sent_is_judged_like_others(self):
        for evidence in OWN_NAMES:
            if evidence.transfer is not Transfer.NONE:
                assert judge(evidence) is judge(replace(evidence, name_binds_content=True)), evidence

    def test_an_empty_file_is_received_when_an_empty_file_lies_there(self):
        assert judge(Evidence(size=0, stored_size=0)) is Verdict.RECEIVED
        assert judge(Evidence(size=0, stored_size=1)) is Verdict.NAME_USED


class TestNothingIsFiledTwice:
    def test_what_customs_has_accepted_or_answered_is_never_sent_again(self):
        for evidence in EVERYTHING:
            if evidence.codes & {StatusCode.ACCEPTED, StatusCode.RESPONSE}:
                assert judge(evidence) in {Verdict.FILED, Verdict.NAME_USED}, evidence

    def test_what_was_delivered_is_sent_again_only_when_it_was_cut_and_turned_down(self):
        for evidence in EVERYTHING:
            if StatusCode.DELIVERED in evidence.codes and judge(evidence) in SENDS:
                assert was_cut(evidence), evidence
                assert evidence.rejected, evidence
                assert judge(evidence) is Verdict.NEXT_GENERATION, evidence

    def test_a_name_is_used_a_second_time_only_when_nothing_is_known_of_it(self):
        for evidence in EVERYTHING:
            if judge(evidence) is Verdict.SEND:
                assert knows_nothing(evidence), evidence
                assert evidence.transfer not in {Transfer.CONFIRMED, Transfer.BROKEN}, evidence

    def test_a_copy_whose_end_was_perhaps_not_seen_is_proven_by_customs_alone(self):
        """Also one of the whole size: a gateway may keep it and never hand it on."""
        cut, not_cut = ("sent", "broken", "killed"), ("none", "confirmed")
        needing = [
            (verdict, transfer)
            for verdict in Verdict
            for transfer in Transfer
            if Submission(service="Manifest", file_name="a.xml", transfer=transfer, verdict=verdict).needs_proof
        ]
        assert needing == list(itertools.product(("send", "unproven", "received"), cut))
        assert {*cut, *not_cut} == {*Transfer}

    def test_a_fresh_name_needs_proof_that_no_whole_copy_can_be_filed(self):
        for evidence in EVERYTHING:
            if judge(evidence) is Verdict.NEXT_GENERATION:
                assert evidence.transfer is Transfer.BROKEN or (was_cut(evidence) and evidence.rejected), evidence

    def test_a_copy_is_removed_only_when_it_is_too_short_and_no_status_file_speaks_for_it(self):
        for evidence in EVERYTHING:
            if judge(evidence) is Verdict.REPLACE:
                assert evidence.stored_size is not None
                assert evidence.stored_size < evidence.size, evidence
                assert knows_nothing(replace(evidence, stored_size=None)), evidence

    def test_a_whole_copy_in_the_service_folder_is_never_sent_again_but_for_a_digit_0(self):
        for evidence in EVERYTHING:
            if evidence.stored_size == SIZE and judge(evidence) in SENDS:
                assert was_cut(evidence), evidence
                assert evidence.rejected or evidence.name_reused, evidence

    def test_a_confirmed_transfer_whose_copy_is_not_seen_cut_is_never_sent_again(self):
        for evidence in EVERYTHING:
            if evidence.transfer is Transfer.CONFIRMED and evidence.stored_size not in {0, SIZE - 1}:
                assert judge(evidence) not in SENDS, evidence

    def test_a_name_used_by_another_is_never_taken_for_ours(self):
        for evidence in EVERYTHING:
            if evidence.transfer is Transfer.NONE and evidence.name_reused and not evidence.codes:
                assert judge(evidence) in STOPS, evidence


class TestNothingIsLost:
    def test_a_filing_counts_as_done_only_with_a_trace_of_it(self):
        for evidence in EVERYTHING:
            if judge(evidence).is_filed:
                assert not knows_nothing(evidence) or evidence.transfer is Transfer.CONFIRMED, evidence

    def test_a_rejection_is_never_taken_for_success_without_an_acceptance(self):
        for evidence in EVERYTHING:
            if evidence.rejected and judge(evidence).is_filed:
                assert evidence.codes & {StatusCode.ACCEPTED, StatusCode.RESPONSE}, evidence

    def test_a_cut_copy_never_counts_as_delivered(self):
        for evidence in EVERYTHING:
            if was_cut(evidence):
                assert judge(evidence) is not Verdict.DELIVERED, evidence

    def test_a_broken_transfer_is_on_its_way_to_nowhere(self):
        for evidence in EVERYTHING:
            if evidence.transfer is Transfer.BROKEN:
                assert judge(evidence) is not Verdict.ON_ITS_WAY, evidence

    def test_every_verdict_sends_stops_or_is_done(self):
        done = {verdict for verdict in Verdict if verdict.is_filed}
        assert SENDS | STOPS | done == set(Verdict)
        assert len(SENDS) + len(STOPS) + len(done) == len(Verdict)

    def test_a_name_used_before_says_nothing_beside_a_delivery(self):
        for evidence in EVERYTHING:
            if evidence.codes:
                assert judge(evidence) is judge(replace(evidence, name_reused=not evidence.name_reused)), evidence

    def test_acceptance_settles_everything(self):
        for evidence in OF_OUR_MAKING:
            assert judge(replace(evidence, codes=evidence.codes | {StatusCode.ACCEPTED})) is Verdict.FILED


class TestCombined:
    """What is known of a name after two transfers under it."""

    PAIRS = tuple(itertools.product(Transfer, Transfer))

    @pytest.mark.parametrize("before", Transfer)
    def test_a_transfer_that_did_not_begin_changes_nothing(self, before):
        assert combined(before, Transfer.NONE) is before

    @pytest.mark.parametrize("now", Transfer)
    def test_the_first_transfer_is_all_that_is_known(self, now):
        assert combined(Transfer.NONE, now) is now

    @pytest.mark.parametrize(("before", "now"), PAIRS)
    def test_what_may_be_cut_and_may_be_taken_for_whole_stays_so(self, before, now):
        if before in {Transfer.SENT, Transfer.KILLED} and now is not Transfer.NONE:
            assert combined(before, now) is Transfer.KILLED

    @pytest.mark.parametrize(("before", "now"), PAIRS)
    def test_else_the_last_transfer_counts(self, before, now):
        if before in {Transfer.BROKEN, Transfer.CONFIRMED} and now is not Transfer.NONE:
            assert combined(before, now) is now


OURS = Submission(service="Manifest", file_name="a.xml")


class TestSubmission:
    WHOLE = Submission(
        service="Manifest",
        file_name="afgang-0123456789abcdef.xml",
        source="/data/afgang.xml",
        size=12,
        sha256="0123456789abcdef" * 4,
        username="CVR_12345678_UI_1e2d3e45-a67e-491a-8234-1a2b345c6789",
        fingerprint="fedcba9876543210" * 4,
        transfer=Transfer.CONFIRMED.value,
        verdict=Verdict.SEND.value,
        sent_at="2026-01-15T12:00:00+00:00",
    )

    @pytest.mark.parametrize("submission", [WHOLE, OURS])
    def test_comes_back_through_json(self, submission):
        data = submission.to_data()
        assert submission == Submission.from_data(json.loads(json.dumps(data)))
        assert {type(value) for value in data.values()} == {str, int}

    def test_knows_its_values(self):
        assert list(self.WHOLE.to_data()) == [
            "service",
            "file_name",
            "source",
            "size",
            "sha256",
            "username",
            "fingerprint",
            "transfer",
            "verdict",
            "sent_at",
        ]

    def test_service_and_file_name_are_enough(self):
        assert Submission.from_data({"service": "Manifest", "file_name": "a.xml"}) == OURS

    def test_values_of_a_later_version_are_ignored(self):
        assert Submission.from_data(OURS.to_data() | {"statuses": [], "colour": "blue"}) == OURS

    @pytest.mark.parametrize(
        "data",
        [
            None,
            "a.xml",
            [],
            [{"service": "M", "file_name": "a"}],
            {},
            {"service": "M"},
            {"file_name": "a.xml"},
            {"service": "", "file_name": "a.xml"},
            {"service": "M", "file_name": None},
        ],
        ids=str,
    )
    def test_what_is_none_is_refused_with_a_hint(self, data):
        with pytest.raises(ConfigurationError, match="Give what an upload returned"):
            Submission.from_data(data)

    def test_what_is_none_is_shown_in_one_bounded_line(self):
        with pytest.raises(ConfigurationError) as caught:
            Submission.from_data("m" * 1000)
        assert str(caught.value) == (
            f"A submission needs 'service' and 'file_name'; this is str '{'m' * 200}'. Give what an upload returned"
        )

    @pytest.mark.parametrize(
        ("data", "shape"),
        [
            ({"conn_type": "icsftps", "password": "planted-secret"}, "dict with conn_type, password"),
            ({"k" * 300: 1}, f"dict with {'k' * 200}"),
            ({}, "dict with nothing in it"),
            ([{"password": "planted-secret"}, 2], "list of 2"),
            (("planted-secret",), "tuple of 1"),
        ],
        ids=["connection", "long key", "empty", "list", "tuple"],
    )
    def test_what_is_inside_of_something_else_is_not_shown(self, data, shape):
        """``icsftps status`` may be given the file of a connection."""
        with pytest.raises(ConfigurationError) as caught:
            Submission.from_data(data)
        assert f"; this is {shape}. Give" in str(caught.value)


@pytest.mark.parametrize(
    ("count", "named"),
    [(1, "/Manifest/0.xml"), (5, "/Manifest/4.xml"), (6, "/Manifest/4.xml and 1 more"), (200, " and 195 more")],
)
def test_five_paths_are_named_and_the_rest_is_counted(count, named):
    paths = paths_of([Submission(service="Manifest", file_name=f"{n}.xml") for n in range(count)])
    assert paths.startswith("/Manifest/0.xml, /Manifest/1.xml" if count > 1 else "/Manifest/0.xml")
    assert paths.endswith(named)
    assert paths.count("/Manifest/") == min(count, 5)
