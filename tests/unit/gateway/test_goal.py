from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.goal import UNTIL, Goal, Observation, Sight, observe
from airflow_provider_icsftps.gateway.outbox_names import status_file_name
from airflow_provider_icsftps.gateway.submission import Submission, Transfer, Verdict

OURS = Submission(service="Manifest", file_name="a.xml")
NAMES = {digit: status_file_name("Manifest", "a.xml", digit) for digit in range(4)}
NOISE = [
    "kvittering.xml",
    "status_Manifest_b.xml_0.xml",
    "status_Manifest_a.xml_1.xml_0.xml",
    "status_ICS_a.xml_3.xml",
    "status_Manifest_a.xml_4.xml",
    "status_Manifest_a.xml",
]
SUBSETS = [s for n in range(5) for s in itertools.combinations(range(4), n)]
REACHED = {"delivered": {1, 2, 3}, "accepted": {2, 3}, "response": {3}}


class TestObserve:
    @pytest.mark.parametrize("until", REACHED)
    @pytest.mark.parametrize("digits", SUBSETS, ids=str)
    def test_a_wait_ends_when_what_it_asks_for_is_there(self, digits, until):
        sight = Sight.REACHED if REACHED[until] & set(digits) else Sight.WAITING
        expected = Observation(Sight.EXAMINE if 0 in digits else sight, tuple(NAMES[d] for d in digits))
        assert expected == observe((*NOISE, *(NAMES[d] for d in reversed(digits))), OURS, Goal(until))

    @pytest.mark.parametrize("until", REACHED)
    @pytest.mark.parametrize("digits", SUBSETS, ids=str)
    def test_a_harmless_digit_0_ends_no_wait_and_stops_none(self, digits, until):
        names = [NAMES[d] for d in digits]
        expected = Sight.REACHED if REACHED[until] & set(digits) else Sight.WAITING
        assert expected is observe(names, OURS, Goal(until), frozenset({NAMES[0]})).sight

    def test_a_second_digit_0_is_examined_beside_a_harmless_one(self):
        second = status_file_name("Manifest", "a.xml", 0, 2)
        sight = observe([NAMES[0], second, NAMES[2]], OURS, Goal("accepted"), frozenset({NAMES[0]})).sight
        assert sight is Sight.EXAMINE

    def test_another_uploads_harmless_file_is_not_ours(self):
        assert observe([NAMES[0]], OURS, Goal("response"), frozenset(NOISE)).sight is Sight.EXAMINE

    @pytest.mark.parametrize("names", [[], NOISE])
    def test_nothing_of_ours_is_waiting(self, names):
        assert observe(iter(names), OURS, Goal("delivered")) == Observation(Sight.WAITING)

    def test_the_same_listing_in_any_order_shows_the_same(self):
        names = [*NAMES.values(), status_file_name("Manifest", "a.xml", 3, 2)]
        seen = {observe(order, OURS, Goal("response")) for order in itertools.permutations(names)}
        assert len(seen) == 1

    @pytest.mark.parametrize("until", REACHED)
    def test_what_is_reached_stays_reached_as_more_comes(self, until):
        for digits, more in itertools.product(SUBSETS, (1, 2, 3)):
            if 0 not in digits and observe([NAMES[d] for d in digits], OURS, Goal(until)).sight is Sight.REACHED:
                assert observe([NAMES[d] for d in {*digits, more}], OURS, Goal(until)).sight is Sight.REACHED

    @pytest.mark.parametrize("until", ["", "Accepted", "0", "forever"])
    def test_no_other_word_is_understood(self, until):
        with pytest.raises(ConfigurationError, match="none of delivered, accepted, response"):
            observe([], OURS, Goal(until))

    def test_each_known_word_is_a_goal(self):
        assert [Goal(until).until for until in UNTIL] == ["delivered", "accepted", "response"]

    def test_a_response_that_was_read_ends_no_wait_until_another_comes(self):
        second = status_file_name("Manifest", "a.xml", 3, 2)
        read = frozenset({NAMES[3]})
        assert observe([NAMES[1], NAMES[2], NAMES[3]], OURS, Goal(responses=2), read).sight is Sight.WAITING
        assert observe([NAMES[3], second], OURS, Goal(responses=2), read).sight is Sight.REACHED

    @pytest.mark.parametrize("transfer", Transfer)
    @pytest.mark.parametrize("verdict", Verdict)
    def test_only_digit_2_or_3_proves_that_a_copy_which_may_be_cut_was_whole(self, verdict, transfer):
        submission = replace(OURS, transfer=transfer.value, verdict=verdict.value)
        may_be_cut = transfer in {"sent", "broken", "killed"} and verdict in {"send", "unproven", "received"}
        assert submission.needs_proof is may_be_cut
        for until, digits in itertools.product(REACHED, SUBSETS):
            fulfils = REACHED[until] - ({1} if may_be_cut else set())
            expected = Sight.EXAMINE if 0 in digits else Sight.REACHED if fulfils & set(digits) else Sight.WAITING
            seen = observe([NAMES[digit] for digit in digits], submission, Goal(until)).sight
            assert seen is expected, (until, digits)

    @pytest.mark.parametrize(
        ("pattern", "response", "expected"),
        [
            (None, "kvittering.xml", True),
            ("*kvittering*.xml", "2_kvittering_7.xml", True),
            ("*kvittering*.xml", "2_Kvittering_7.xml", False),
            ("*kvittering*.xml", "under behandling.xml", False),
            ("*", "", True),
        ],
    )
    def test_a_response_counts_when_its_name_matches_the_pattern(self, pattern, response, expected):
        assert Goal(response_pattern=pattern).counts(response) is expected

    @pytest.mark.parametrize("until", REACHED)
    def test_a_pattern_that_no_response_could_match_is_refused(self, until):
        with pytest.raises(ConfigurationError) as caught:
            Goal(until, response_pattern="")
        told = "response_pattern is empty, which no name matches; leave it out or give a pattern"
        assert str(caught.value) == told

    @pytest.mark.parametrize("responses", [0, -1, True, 1.5, "2", None])
    def test_responses_are_counted_in_whole_numbers(self, responses):
        with pytest.raises(ConfigurationError, match="no whole number from 1 up"):
            Goal(responses=responses)

    @pytest.mark.parametrize("arguments", [{"responses": 2}, {"response_pattern": "*.xml"}])
    def test_responses_are_not_waited_for_with_another_goal(self, arguments):
        with pytest.raises(ConfigurationError, match="use until='response'"):
            Goal("accepted", **arguments)
