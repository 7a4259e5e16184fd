"""Names in an archive: every name of the gateway's has one, and no two meet."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import InvalidNameError
from airflow_provider_icsftps.gateway._archive_layout import (
    content_name,
    day_folder,
    days_between,
    name_digest,
    read_record_name,
    read_stamp,
    record_name,
    stamp,
    usable_time,
)
from airflow_provider_icsftps.gateway.names import check_server_name

DENMARK = ZoneInfo("Europe/Copenhagen")
SHA = sha256(b"<svar/>").hexdigest()


def is_legal(name: str) -> bool:
    try:
        check_server_name(name)
    except InvalidNameError:
        return False
    return True


# what can come over the wire: any bytes, read as UTF-8 or as Latin-1
names = st.one_of(
    st.binary(min_size=1, max_size=255).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.binary(min_size=1, max_size=255).map(lambda raw: raw.decode("latin-1")),
    st.text("abAB.~_- æøåÆé%*?:<>|\"'#&+", min_size=1, max_size=255),
).filter(is_legal)
moments = st.integers(0, 220_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
sizes = st.integers(0, 10**18)


@given(names, digests, moments, sizes)
def test_the_name_of_a_record_says_what_a_listing_says(name, digest, moment, size):
    content = content_name(name, digest)
    sight = read_record_name(record_name(content, moment, size, name))
    assert sight is not None
    assert (content, digest[:16], moment, size, name_digest(name)) == (
        sight.content,
        sight.digest,
        sight.time,
        sight.size,
        sight.name_digest,
    )


@given(names, digests, moments, sizes)
def test_names_fit_every_store(name, digest, moment, size):
    content = content_name(name, digest)
    record = record_name(content, moment, size, name)
    for made in (content, record):
        assert re.fullmatch(r"[A-Za-z0-9_.~-]+", made, re.ASCII)
        assert made[0] not in ".-~"
        assert made[-1] != "."
        assert len(made) <= 200
    assert read_record_name(content) is None


@given(names, names, digests, digests, moments, sizes)
def test_files_that_differ_have_names_that_differ_even_without_case(first, second, one, other, moment, size):
    records = {
        record_name(content_name(name, digest), moment, size, name).lower()
        for name in (first, second)
        for digest in (one, other)
    }
    assert len(records) == len({first, second}) * len({one, other})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("svar.xml", "svar~{}.xml"),
        ("svar æøå 1.xml", "svar_aeoeaa_1~{}.xml"),
        ("sv\udce6r.xml", "sv_r~{}.xml"),
        (".hidden", "hidden~{}"),
        ("...", "file~{}"),
        ("a.", "a~{}"),
        ("CON", "CON~{}"),
        ("a.verylongextension", "a.verylongextension~{}"),
        ("x~0123456789abcdef.20261125T101112Z-1-0123456789ab.json", None),
    ],
)
def test_a_person_can_read_it(name, expected):
    made = content_name(name, SHA)
    assert read_record_name(made) is None
    if expected:
        assert made == expected.format(SHA[:16])


@pytest.mark.parametrize(
    "text",
    [
        "svar.xml",
        "svar~0123456789abcdef.xml",
        "svar~0123456789abcdef.xml.20261325T101112Z-1-0123456789ab.json",
        "svar~0123456789abcdef.xml.20261125T101112Z-1-0123456789ab.json.part",
        ".icsftps-0123456789abcdef.part",
        "",
    ],
)
def test_what_is_no_records_name(text):
    assert read_record_name(text) is None


@given(moments)
def test_a_stamp_reads_back(moment):
    assert read_stamp(stamp(moment)) == moment
    assert read_stamp(stamp(moment)[:-1]) is None


@given(moments, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_the_days_of_a_span_are_those_of_its_moments(since, length):
    until = since + length
    days = days_between(since, until, DENMARK)
    if since == until:
        assert days == []
        return
    assert days == sorted(set(days))
    assert days[0] == since.astimezone(DENMARK).date()
    assert days[-1] == (until - timedelta(seconds=1)).astimezone(DENMARK).date()


def test_a_day_is_denmarks():
    late = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert days_between(late, late + timedelta(seconds=1), DENMARK) == [date(2026, 11, 25)]
    assert day_folder(date(2026, 1, 5)) == "2026/01/05"


def test_a_time_that_cannot_be_is_none():
    assert usable_time(datetime(1, 1, 1, tzinfo=UTC)) is None
    assert usable_time(None) is None
    assert usable_time(datetime(2026, 1, 1, tzinfo=UTC)) is not None
