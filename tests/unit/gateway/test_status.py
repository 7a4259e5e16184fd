from __future__ import annotations

import contextlib
import itertools
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import StatusFileError
from airflow_provider_icsftps.gateway.status import (
    MAX_STATUS_BYTES,
    NAME_REUSED,
    StatusCode,
    StatusFile,
    format_timestamp,
    parse_timestamp,
)

DATA = Path(__file__).parents[2] / "data" / "status"
USER = "/CVR_12345678/UI_1e2d3e45-a67e-491a-8234-1a2b345c6789"
WINTER = timezone(timedelta(hours=1))
SUMMER = timezone(timedelta(hours=2))

AFGANG = {"service": "Manifest", "path": f"{USER}/Manifest/afgang_7.xml", "transaction_id": "afgang_7.xml"}
PING = StatusFile(
    code=StatusCode.DELIVERED,
    service="FTPSGW.Heartbeat",
    path=f"{USER}/FTPSGW.Heartbeat/ping1.xml",
    transaction_id="ping1.xml",
    skat_transaction_id="ci1607607002916_31616756_1",
    timestamp=datetime(2020, 12, 10, 14, 30, 17, tzinfo=WINTER),
    text="File delivered to requested Backend System",
)
RESPONSE = StatusFile(
    code=StatusCode.RESPONSE,
    **AFGANG,
    skat_transaction_id="ci1751364000000_31616756_3",
    timestamp=datetime(2025, 7, 1, 12, 1, 2, tzinfo=SUMMER),
    text="OK",
    responses=("kvittering_afgang_7.xml",),
)
NOON = datetime(2024, 1, 15, 12, tzinfo=WINTER)

GOLDEN = {
    "delivered.xml": PING,
    "bom.xml": PING,
    "accepted.xml": StatusFile(
        code=StatusCode.ACCEPTED,
        **AFGANG,
        skat_transaction_id="ci1751364000000_31616756_2",
        timestamp=datetime(2025, 7, 1, 12, tzinfo=SUMMER),
        text="OK",
    ),
    "response_under_file.xml": RESPONSE,
    "response_beside_file.xml": RESPONSE,
    "response_first_and_twice.xml": StatusFile(
        code=StatusCode.RESPONSE,
        service="Manifest",
        path=f"{USER}/Manifest/afgang_7.xml",
        responses=("under behandling.xml", "kvittering.xml"),
    ),
    "error_under_file.xml": StatusFile(
        code=StatusCode.ERROR,
        service="eKapital",
        path=f"{USER}/eKapital/val_renter.txt",
        transaction_id="val_renter.txt",
        skat_transaction_id="ci1705316400000_31616756_1",
        timestamp=NOON,
        text="ERROR",
        error_code="LAST_RECORD_INCORRECT",
        error_message="The last record is not a record of type 9999",
        error_resolution="Correct the file and send it under a new name",
    ),
    "error_beside_file.xml": StatusFile(
        code=StatusCode.ERROR,
        **AFGANG,
        skat_transaction_id="ci1705316400000_31616756_1",
        timestamp=NOON,
        text="ERROR",
        error_code="FILENAME_CANNOT_BE_REUSED_FOR_TRANSACTION",
        error_message="The file name has been used before",
        error_resolution="Use another file name",
    ),
    "untidy.xml": StatusFile(
        code=StatusCode.DELIVERED,
        **AFGANG,
        skat_transaction_id="ci1_2_3",
        timestamp=NOON,
        text="Delivered\n      later",
    ),
    "danish.xml": StatusFile(
        code=StatusCode.ERROR,
        service="Manifest",
        path=f"{USER}/Manifest/rødgrød.xml",
        transaction_id="rødgrød.xml",
        skat_transaction_id="ci1_2_3",
        timestamp=NOON,
        text="Fejl",
        error_code="Internal server error",
        error_message="Afgangstidspunktet må ikke være før ankomsten <Ærø & Åbenrå>",
        error_resolution="Prøv igen på et senere tidspunkt",
    ),
    "sparse.xml": StatusFile(code=StatusCode.ACCEPTED),
    "namespaced.xml": StatusFile(code=StatusCode.DELIVERED, **AFGANG, timestamp=NOON),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_status_file_of_the_gateway_is_read(name):
    assert GOLDEN[name] == StatusFile.from_xml((DATA / name).read_bytes(), int(GOLDEN[name].code))


def test_every_golden_file_is_read():
    assert sorted(GOLDEN) == sorted(path.name for path in DATA.glob("*.xml"))


@pytest.mark.parametrize("name", GOLDEN)
def test_a_status_file_is_written_as_it_was_read(name):
    status = GOLDEN[name]
    assert status == StatusFile.from_xml(status.to_xml(), status.code)


def test_a_status_file_is_written_as_the_gateway_does():
    assert (DATA / "delivered.xml").read_bytes() == PING.to_xml()
    assert (DATA / "error_under_file.xml").read_bytes() == GOLDEN["error_under_file.xml"].to_xml()
    assert "rødgrød.xml</filename>".encode() in GOLDEN["danish.xml"].to_xml()


def test_the_digit_decides_and_not_the_text():
    data = (DATA / "error_under_file.xml").read_bytes()
    assert [StatusFile.from_xml(data, digit).code for digit in range(4)] == list(StatusCode)


@pytest.mark.parametrize("digit", [-1, 4, 10])
def test_there_are_no_other_digits(digit):
    with pytest.raises(ValueError, match="StatusCode"):
        StatusFile.from_xml((DATA / "delivered.xml").read_bytes(), digit)


@pytest.mark.parametrize("words", list(itertools.product(["", "word"], repeat=3)), ids=str)
def test_an_error_of_some_words_is_read_back(words):
    code, message, resolution = words
    status = StatusFile(code=StatusCode.ERROR, error_code=code, error_message=message, error_resolution=resolution)
    assert status == StatusFile.from_xml(status.to_xml(), 0)
    assert (b"<error>" in status.to_xml()) == any(words)


@pytest.mark.parametrize(
    ("code", "error_code", "expected"),
    [
        (StatusCode.ERROR, NAME_REUSED, True),
        (StatusCode.ERROR, "LAST_RECORD_INCORRECT", False),
        (StatusCode.ERROR, "", False),
        (StatusCode.DELIVERED, NAME_REUSED, False),
    ],
)
def test_only_a_digit_0_file_says_that_a_name_was_used(code, error_code, expected):
    assert StatusFile(code=code, error_code=error_code).name_was_used is expected


# what XML can hold and reading does not change: blanks around a text are stripped, CR becomes LF
XML_TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff", include_characters="\t\n"),
    max_size=60,
).map(str.strip)
NAMES = XML_TEXT.filter(bool).map(lambda text: text.replace("/", "")).map(str.strip).filter(bool)
MOMENTS = st.integers(-10_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(
    st.builds(
        StatusFile,
        code=st.sampled_from(StatusCode),
        service=XML_TEXT,
        path=XML_TEXT,
        transaction_id=XML_TEXT,
        skat_transaction_id=XML_TEXT,
        timestamp=st.none(),
        text=XML_TEXT,
        responses=st.lists(NAMES, max_size=3).map(tuple),
        error_code=XML_TEXT,
        error_message=XML_TEXT,
        error_resolution=XML_TEXT,
    )
)
def test_what_is_written_is_read_back(status):
    assert status == StatusFile.from_xml(status.to_xml(), status.code)


BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE status [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>
<status><file><filename>&c;</filename></file></status>"""
EXTERNAL = b"""<?xml version="1.0"?>
<!DOCTYPE status [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<status><file><filename>&x;</filename></file></status>"""
WHOLE = (DATA / "danish.xml").read_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(BOMB, "unsafe to read: DTDForbidden$", id="entity bomb"),
        pytest.param(EXTERNAL, "unsafe to read", id="external entity"),
        pytest.param(b"<!DOCTYPE status><status><file/></status>", "unsafe to read", id="document type"),
        pytest.param(
            b'<!DOCTYPE status SYSTEM "http://gateway.test/s.dtd"><status><file/></status>',
            "unsafe to read",
            id="external document type",
        ),
        pytest.param(b"<status><file>&nbsp;</file></status>", "no XML", id="unknown entity"),
        pytest.param(b"", "no XML", id="empty"),
        pytest.param(b"   \n", "no XML", id="blank"),
        pytest.param(b"550 no such file", "no XML", id="text"),
        pytest.param(b"<status><file></status>", "no XML", id="not closed"),
        pytest.param(b"<status><file/></status><status/>", "no XML", id="two roots"),
        pytest.param(WHOLE[: len(WHOLE) // 2], "no XML", id="cut short"),
        pytest.param(WHOLE.decode().encode("latin-1"), "no XML", id="other encoding than declared"),
        pytest.param(b'<?xml version="1.0" encoding="utf-99"?><status><file/></status>', "no XML", id="no encoding"),
        pytest.param(b'<?xml version="1.0" encoding="big5"?><status><file/></status>', "no XML", id="multi-byte"),
        pytest.param(b"<status><file>\x00</file></status>", "no XML", id="NUL"),
        pytest.param(b"\x1f\x8b\x08\x00", "no XML", id="gzip"),
        pytest.param(b"<html><body>Login</body></html>", "root is <html>", id="web page"),
        pytest.param(b"<status/>", "no <file> element", id="nothing in it"),
        pytest.param(
            b"<status><file><timestamp>i dag</timestamp></file></status>", "not yyyyMMddHHmmss", id="no timestamp"
        ),
        pytest.param(
            b"<status><file><timestamp>20250230120000</timestamp></file></status>", "no date and time", id="no date"
        ),
        pytest.param(b" " * MAX_STATUS_BYTES + b"<", "are not read", id="huge"),
    ],
)
def test_what_is_no_status_file_is_refused(data, message):
    with pytest.raises(StatusFileError, match=message) as caught:
        StatusFile.from_xml(data, 1)
    assert "root:" not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_file_of_the_largest_size_is_read():
    data = b"<status><file/></status>"
    assert StatusFile.from_xml(data + b" " * (MAX_STATUS_BYTES - len(data)), 1) == StatusFile(code=StatusCode.DELIVERED)


def test_deep_nesting_is_read_or_refused():
    depth = MAX_STATUS_BYTES // 8
    data = b"<a>" * depth + b"</a>" * depth
    with pytest.raises(StatusFileError):
        StatusFile.from_xml(data, 1)


def outcome(data: bytes) -> str:
    try:
        return type(StatusFile.from_xml(data, 1)).__name__
    except StatusFileError as error:
        return "StatusFileError" if str(error).isprintable() else "unprintable"


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_no_status_file(data):
    assert outcome(data) == "StatusFileError"


@given(st.sampled_from(sorted(GOLDEN)), st.data())
def test_a_damaged_status_file_is_read_or_refused(name, draw):
    data = bytearray((DATA / name).read_bytes())
    for _ in range(draw.draw(st.integers(1, 3))):
        at = draw.draw(st.integers(0, len(data) - 1))
        data[at : at + draw.draw(st.integers(0, 4))] = draw.draw(st.binary(max_size=4))
    assert outcome(bytes(data)) in {"StatusFile", "StatusFileError"}


@pytest.mark.parametrize("tag", ["timestamp", "filename", "response", "error.code", "status.code"])
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_any_text_in_an_element_is_read_or_refused(tag, text):
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    data = f"<status><file><{tag}>{escaped}</{tag}></file></status>".encode()
    assert outcome(data) in {"StatusFile", "StatusFileError"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("20260115120000", datetime(2026, 1, 15, 12, tzinfo=WINTER), id="winter"),
        pytest.param("20260715120000", datetime(2026, 7, 15, 12, tzinfo=SUMMER), id="summer"),
        pytest.param("20261025015959", datetime(2026, 10, 25, 1, 59, 59, tzinfo=SUMMER), id="before doubled hour"),
        pytest.param("20261025023000", datetime(2026, 10, 25, 2, 30, tzinfo=WINTER), id="doubled hour: the later"),
        pytest.param("20261025030000", datetime(2026, 10, 25, 3, tzinfo=WINTER), id="after doubled hour"),
        pytest.param("20260329015959", datetime(2026, 3, 29, 1, 59, 59, tzinfo=WINTER), id="before missing hour"),
        pytest.param("20260329023000", datetime(2026, 3, 29, 3, 30, tzinfo=SUMMER), id="missing hour: moved on"),
        pytest.param("20240229000000", datetime(2024, 2, 29, tzinfo=WINTER), id="leap day"),
    ],
)
def test_a_timestamp_is_danish_time(text, expected):
    # as text: in a doubled or missing hour Python calls no two moments of different zones equal
    assert expected.isoformat() == parse_timestamp(text).isoformat()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026011512000",
        "202601151200000",
        "2026-01-15T12:00",
        "20260115 12000",
        "+2026011512000",
        "2026011512000x",
        "20260115120000\n",
        "٢٠٢٦٠١١٥١٢٠٠٠٠",
        "²0260115120000",
        "20261301120000",
        "20260230120000",
        "20260115240000",
        "20260115126000",
        "20260115120060",
        "00000101000000",
        "20250229000000",
    ],
)
def test_what_is_no_timestamp_is_refused(text):
    with pytest.raises(StatusFileError, match="Timestamp"):
        parse_timestamp(text)


@given(st.from_regex(r"[0-9]{14}", fullmatch=True))
def test_any_14_digits_are_read_or_refused(text):
    with contextlib.suppress(StatusFileError):
        assert parse_timestamp(text).utcoffset() is not None


@given(MOMENTS)
def test_a_moment_comes_back_but_for_the_doubled_hour(moment):
    apart = parse_timestamp(format_timestamp(moment)).timestamp() - moment.timestamp()
    assert apart in {0, 3600}


def test_a_moment_is_written_in_danish_time():
    assert format_timestamp(datetime(2026, 7, 15, 22, 30, tzinfo=UTC)) == "20260716003000"
    assert format_timestamp(datetime(2026, 12, 31, 23, 30, tzinfo=UTC)) == "20270101003000"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "delivered.xml",
            {
                "digit": 1,
                "code": "delivered",
                "timestamp": "2020-12-10T14:30:17+01:00",
                "text": "File delivered to requested Backend System",
            },
        ),
        (
            "response_under_file.xml",
            {
                "digit": 3,
                "code": "response",
                "timestamp": "2025-07-01T12:01:02+02:00",
                "text": "OK",
                "responses": ["kvittering_afgang_7.xml"],
            },
        ),
        (
            "error_beside_file.xml",
            {
                "digit": 0,
                "code": "error",
                "timestamp": "2024-01-15T12:00:00+01:00",
                "text": "ERROR",
                "error_code": NAME_REUSED,
                "error_message": "The file name has been used before",
                "error_resolution": "Use another file name",
            },
        ),
        ("sparse.xml", {"digit": 2, "code": "accepted", "timestamp": None, "text": ""}),
    ],
)
def test_a_data_team_gets_builtin_types(name, expected):
    data = StatusFile.from_xml((DATA / name).read_bytes(), GOLDEN[name].code).to_data()
    assert expected == data == json.loads(json.dumps(data))
