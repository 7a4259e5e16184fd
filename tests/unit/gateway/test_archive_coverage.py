"""From when to when an archive is complete."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.gateway._archive_coverage import Coverage, Span, union, without

START = datetime(2026, 11, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def span(since: int, until: int) -> Span:
    return Span(at(since), at(until))


def seconds(spans: list[Span]) -> set[int]:
    return {
        second
        for part in spans
        for second in range(int((part.since - START).total_seconds()), int((part.until - START).total_seconds()))
    }


spans = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: span(*pair))
proper = st.tuples(st.integers(0, 60), st.integers(1, 30)).map(lambda pair: span(pair[0], pair[0] + pair[1]))


@given(st.lists(spans, max_size=8))
def test_a_union_holds_the_same_seconds_in_the_fewest_spans(parts):
    merged = union(parts)
    assert seconds(merged) == seconds(parts)
    assert all(before.until < after.since for before, after in itertools.pairwise(merged))


@given(proper, st.lists(spans, max_size=8))
def test_what_is_left_is_what_was_not_taken_away(whole, parts):
    left = without(whole, parts)
    assert seconds(left) == seconds([whole]) - seconds(parts)
    assert left == union(left)


@given(st.lists(proper, max_size=8))
def test_what_was_covered_stays_covered_in_few_files(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("listings")
    coverage = Coverage(folder)
    for part in parts:
        coverage.add(part, {"files": 1})
    found, holes = coverage.read()
    assert seconds(found) == seconds(parts)
    assert union(found) == sorted(found)
    assert holes == []


class _Stale(Coverage):
    """A coverage whose look into the folder was taken earlier: a process that is slower than others."""

    def __init__(self, folder, looks):
        super().__init__(folder)
        self._looks = looks

    def read(self):
        return self._looks.pop()


@given(st.lists(proper, min_size=1, max_size=5), proper, proper)
def test_two_that_tidy_up_at_once_lose_nothing(tmp_path_factory, before, one, other):
    folder = tmp_path_factory.mktemp("listings")
    coverage = Coverage(folder)
    for part in before:
        coverage.add(part, {})
    look = coverage.read()
    _Stale(folder, [look]).add(one, {})
    _Stale(folder, [look]).add(other, {})  # what the first one wrote and removed is not seen
    found, _ = coverage.read()
    assert seconds(found) == seconds([*before, one, other])


def test_a_hole_is_told_and_files_of_others_are_not_read(tmp_path):
    coverage = Coverage(tmp_path)
    coverage.add(span(0, 10), {"files": 3})
    coverage.add_hole("svar \udce6.xml", at(5), {"listed_at": "now"})
    (tmp_path / ".icsftps-0123456789abcdef.part").write_bytes(b"")
    (tmp_path / "20261101T000000Z_20261301T000000Z.json").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(b"")
    found, holes = coverage.read()
    assert found == [span(0, 10)]
    assert [hole.span for hole in holes] == [span(5, 6)]
    (written,) = tmp_path.glob("gone_*.json")
    assert json.loads(written.read_bytes())["name"] == "svar \udce6.xml"


def test_a_span_that_cannot_be_removed_does_no_harm(tmp_path, caplog):
    coverage = Coverage(tmp_path)
    (tmp_path / "20261101T000000Z_20261101T000010Z.json").mkdir()
    with caplog.at_level("INFO"):
        assert coverage.add(span(5, 20), {}) == span(5, 20)
    assert "lies inside another one stays" in caplog.text
    found, _ = coverage.read()
    assert union(found) == [span(0, 20)]


def test_months_of_daily_runs_is_one_file(tmp_path):
    coverage = Coverage(tmp_path)
    for day in range(100):
        until = START + timedelta(days=day)
        coverage.add(Span(until - timedelta(days=30), until), {})
    assert len(list(tmp_path.iterdir())) == 1
    assert coverage.read()[0] == [Span(START - timedelta(days=30), START + timedelta(days=99))]
