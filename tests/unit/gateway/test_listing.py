from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import GatewayProtocolError
from airflow_provider_icsftps.gateway._listing import (
    OutboxEntry,
    has_list_shape,
    list_entries,
    mlsd_entries,
    parse_names,
    parse_time,
    split_lines,
)

MOMENT = datetime(2026, 11, 23, 7, 3, 28, tzinfo=UTC)
LOGGER = "airflow_provider_icsftps.gateway._listing"
HOSTILE = ["..", ".", "../x", "/etc/passwd", "a/b", "a\\b", "..\\x", "a\0b", "a\x1b[2J", "a\rb", "a\u202eb"]
ANY_LINE = st.text(alphabet=st.characters(exclude_categories=[]), max_size=60)


def parse_mlsd(lines):
    return list(mlsd_entries(lines, "Listing"))


def parse_list(lines):
    return list(list_entries(lines)) if has_list_shape(lines) else None


class TestMlsd:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            pytest.param(
                "Type=file;Size=1024990;Perm=r; cap60.pl198.tar.gz",
                OutboxEntry("cap60.pl198.tar.gz", 1024990),
                id="RFC 3659",
            ),
            pytest.param(
                "Type=file;Size=25730;Modify=19940728095854;Perm=; cap60.pl198.tar.gz",
                OutboxEntry("cap60.pl198.tar.gz", 25730, datetime(1994, 7, 28, 9, 58, 54, tzinfo=UTC)),
                id="RFC 3659 with time",
            ),
            pytest.param(
                "type=file;unique=aQR5;modify=19990929003355.237; file1",
                OutboxEntry("file1", None, datetime(1999, 9, 29, 0, 33, 55, tzinfo=UTC)),
                id="RFC 3659 with fractions",
            ),
            pytest.param(
                "modify=20261123070328;perm=adfrw;size=12;type=file;unique=802U1234;UNIX.group=1000;"
                "UNIX.groupname=ftp;UNIX.mode=0644;UNIX.owner=1000;UNIX.ownername=ftp; svar.xml",
                OutboxEntry("svar.xml", 12, MOMENT),
                id="proftpd",
            ),
            pytest.param(
                "type=file;size=12;modify=20261123070328;UNIX.mode=0644;UNIX.uid=0;UNIX.gid=0;unique=801gdc; svar.xml",
                OutboxEntry("svar.xml", 12, MOMENT),
                id="pure-ftpd",
            ),
            pytest.param(
                "modify=20261123070328;perm=radfwMT;size=12;type=file;unique=801e32; svar.xml",
                OutboxEntry("svar.xml", 12, MOMENT),
                id="pyftpdlib",
            ),
            pytest.param("TYPE=FILE;SIZE=7;MODIFY=20261123070328; a", OutboxEntry("a", 7, MOMENT), id="upper case"),
            pytest.param("size=7 a", OutboxEntry("a", 7), id="no last semicolon, no type"),
            pytest.param(" a", OutboxEntry("a"), id="no facts"),
            pytest.param("type=file;  a", OutboxEntry(" a"), id="leading blank"),
            pytest.param("type=file; to ord ", OutboxEntry("to ord "), id="blanks inside and behind"),
            pytest.param("type=file; a;b=c", OutboxEntry("a;b=c"), id="name like a fact"),
            pytest.param("type=file; rødgrød.xml", OutboxEntry("rødgrød.xml"), id="Danish"),
            pytest.param("type=file;size=-1; a", OutboxEntry("a"), id="negative size"),
            pytest.param("type=file;size=1e3; a", OutboxEntry("a"), id="strange size"),
            pytest.param("type=file;size=٣; a", OutboxEntry("a"), id="size in other digits"),
            pytest.param(f"type=file;size={'9' * 5000}; a", OutboxEntry("a"), id="endless size"),
            pytest.param("type=file;modify=yesterday; a", OutboxEntry("a"), id="strange time"),
            pytest.param("type=file;modify; a", OutboxEntry("a"), id="fact without value"),
        ],
    )
    def test_a_file_is_read(self, line, expected):
        assert parse_mlsd([line]) == [expected]

    @pytest.mark.parametrize(
        "line",
        [
            "Type=cdir;Perm=el; /out",
            "type=cdir;modify=20261123070328; .",
            "type=pdir;modify=20261123070328; ..",
            "Type=dir;Modify=19981107085215;Perm=el; tmp",
            "Type=OS.unix=slink:/foobar;Perm=;Unique=keVO1+4G4; foobar",
            "type=OS.unix=symlink; a",
        ],
    )
    def test_what_is_no_file_is_left_out_in_silence(self, line, caplog):
        assert parse_mlsd([line]) == []
        assert caplog.records == []

    @pytest.mark.parametrize("line", ["", "a", "type=file;size=1;a", "550\tno"])
    def test_what_is_no_line_of_a_listing_is_told(self, line):
        with pytest.raises(GatewayProtocolError, match="no MLSD line"):
            parse_mlsd(["type=file; a", line])

    @pytest.mark.parametrize("name", HOSTILE, ids=ascii)
    def test_a_hostile_name_is_left_out_and_told(self, name, caplog):
        with caplog.at_level(logging.WARNING, LOGGER):
            assert parse_mlsd([f"type=file; {name}", "type=file; a"]) == [OutboxEntry("a")]
        (record,) = caplog.records
        assert record.getMessage().startswith("Left out of the listing: Name from the gateway ")
        assert record.getMessage().isprintable()

    def test_of_very_many_hostile_names_some_are_told_and_the_rest_is_counted(self, caplog):
        with caplog.at_level(logging.WARNING, LOGGER):
            assert parse_mlsd([f"type=file; ../{n}" for n in range(1000)]) == []
        assert len(caplog.records) == 21
        assert caplog.records[-1].getMessage() == "Left out of the listing: 980 more names that cannot be used here"

    @given(st.lists(ANY_LINE, max_size=4))
    def test_lines_of_any_kind_are_read_or_refused(self, lines):
        try:
            entries = parse_mlsd(lines)
        except GatewayProtocolError as error:
            assert str(error).isprintable()  # noqa: PT017 - either outcome is right
            assert any(" " not in line for line in lines)
        else:
            assert all(entry.name and "/" not in entry.name for entry in entries)

    @given(st.text("ab =;.æ", min_size=1, max_size=20).filter(lambda name: name.strip(".")), st.integers(0, 10**18))
    def test_every_usable_name_comes_back_as_it_was(self, name, size):
        assert parse_mlsd([f"type=file;size={size}; {name}"]) == [OutboxEntry(name, size)]


class TestList:
    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            pytest.param("-rw-r--r--   1 ftp      ftp           12 Nov 23 07:03 svar.xml", 12, id="proftpd"),
            pytest.param("-rw-------    1 1000     1000           12 Nov 23  2025 svar.xml", 12, id="vsftpd"),
            pytest.param("-rw-r--r--    1 1000       ftp                12 Nov 23 07:03 svar.xml", 12, id="pure-ftpd"),
            pytest.param("-rw-r--r--   1 root     root           12 Nov  3 07:03 svar.xml", 12, id="pyftpdlib"),
            pytest.param("-rwsr-Sr-T+  1 a b 0 Jan 1 2026 svar.xml", 0, id="odd modes"),
            pytest.param("-rw-r--r--.  1 a b 5 jan 1 2026 svar.xml", 5, id="SELinux"),
            pytest.param("11-23-26  07:03AM                   12 svar.xml", 12, id="IIS"),
            pytest.param("11-23-2026  07:03PM                   12 svar.xml", 12, id="IIS, long year"),
            pytest.param("11-23-26  19:03                   12 svar.xml", 12, id="IIS, 24 hours"),
        ],
    )
    def test_a_file_is_read(self, line, expected):
        assert parse_list([line]) == [OutboxEntry("svar.xml", expected)]

    @pytest.mark.parametrize("name", ["to ord", " foran", "  to foran", "bag ", "a -> b", "rødgrød.xml", "12:34 x"])
    def test_a_unix_name_may_hold_blanks(self, name):
        assert parse_list([f"-rw-r--r-- 1 ftp ftp 12 Nov 23 07:03 {name}"]) == [OutboxEntry(name, 12)]

    def test_a_windows_name_may_hold_blanks(self):
        assert parse_list(["11-23-26  07:03AM     12 to ord.xml"]) == [OutboxEntry("to ord.xml", 12)]

    @pytest.mark.parametrize(
        "line",
        [
            "total 12",
            "",
            "drwxr-xr-x 2 ftp ftp 4096 Nov 23 07:03 mappe",
            "lrwxrwxrwx 1 ftp ftp 4 Nov 23 07:03 a -> b",
            "prw-r--r-- 1 ftp ftp 0 Nov 23 07:03 pipe",
            "11-23-26  07:03AM       <DIR>          mappe",
        ],
    )
    def test_what_is_no_file_is_left_out_in_silence(self, line, caplog):
        assert parse_list([line]) == []
        assert caplog.records == []

    @pytest.mark.parametrize(
        "line",
        [
            "svar.xml",
            "550 no",
            "total many",
            "-rw-r--r-- 1 ftp 12 Nov 23 svar.xml",
            "+i8388621.48594,m825718503,r,s280,\ta",
        ],
    )
    def test_another_shape_is_not_guessed_at(self, line):
        assert parse_list(["-rw-r--r-- 1 ftp ftp 12 Nov 23 07:03 a", line]) is None

    @pytest.mark.parametrize("name", [name for name in HOSTILE if "\n" not in name], ids=ascii)
    def test_a_hostile_name_is_left_out_and_told(self, name, caplog):
        lines = [f"-rw-r--r-- 1 ftp ftp 12 Nov 23 07:03 {name}", f"11-23-26  07:03AM 12 {name}"]
        with caplog.at_level(logging.WARNING, LOGGER):
            assert parse_list(lines) == []
        assert len(caplog.records) == 2

    @given(st.lists(ANY_LINE, max_size=4))
    def test_lines_of_any_kind_are_read_or_not(self, lines):
        assert parse_list(lines) is None or all(not line or line.startswith("total ") for line in lines)

    @given(st.lists(st.text("-drwx 0123456789NovAPM:<DIR>ftp./\\", max_size=60), max_size=3))
    def test_lines_that_look_alike_are_read_or_not(self, lines):
        assert all("/" not in entry.name for entry in parse_list(lines) or [])


class TestNames:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            (["a.xml", "to ord.xml", " foran"], ["a.xml", "to ord.xml", " foran"]),
            (["/out/a.xml", "out/b.xml", "./c.xml"], ["a.xml", "b.xml", "c.xml"]),
            ([".", "..", "/out/.", "/out/..", "a.xml"], ["a.xml"]),
            ([], []),
            (["", "/out/"], []),
        ],
        ids=str,
    )
    def test_a_folder_before_a_name_is_taken_off(self, lines, expected):
        assert parse_names(lines) == expected

    @pytest.mark.parametrize("name", ["a\\b", "a\0b", "a\x1b[2J", "a\u202eb"], ids=ascii)
    def test_a_hostile_name_is_left_out_and_told(self, name, caplog):
        with caplog.at_level(logging.WARNING, LOGGER):
            assert parse_names([name, "a"]) == ["a"]
        assert len(caplog.records) == 1

    @given(st.lists(ANY_LINE, max_size=4))
    def test_lines_of_any_kind_are_names_or_nothing(self, lines):
        assert all(name not in {"", ".", ".."} and "/" not in name for name in parse_names(lines))


class TestTime:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("20261123070328", MOMENT),
            ("20261123070328.237", MOMENT),
            ("19980615100045.014", datetime(1998, 6, 15, 10, 0, 45, tzinfo=UTC)),
            ("20240229000000", datetime(2024, 2, 29, tzinfo=UTC)),
        ],
    )
    def test_is_utc(self, text, expected):
        assert parse_time(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            None,
            "",
            "2026112307032",
            "202611230703280",
            "20261123070328.",
            "20261123070328Z",
            "20261123070328\n",
            "20261323070328",
            "20250229000000",
            "20161231235960",
            "00000101000000",
            "٢٠٢٦١١٢٣٠٧٠٣٢٨",
        ],
    )
    def test_what_is_no_time_is_none(self, text):
        assert parse_time(text) is None

    @given(st.one_of(st.none(), ANY_LINE, st.from_regex(r"[0-9]{14}(\.[0-9]+)?", fullmatch=True)))
    def test_text_of_any_kind_is_read_or_none(self, text):
        moment = parse_time(text)
        assert moment is None or moment.tzinfo is UTC


class TestLines:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", []),
            (b"a\r\nb\r\n", ["a", "b"]),
            (b"a\nb", ["a", "b"]),
            (b"a\r\n\r\n\nb", ["a", "b"]),
            (b" a \r\n", [" a "]),
            (b"a\r\r\n", ["a"]),
            ("r\u00f8d\r\n".encode(), ["r\u00f8d"]),
        ],
    )
    def test_end_at_line_feeds(self, data, expected):
        assert list(split_lines(data, "utf-8")) == expected

    @pytest.mark.parametrize("inside", ["\x85", "\x0b", "\x0c", "\x1c", "\x1e", "\u2028", "\u2029", "\r"], ids=ascii)
    def test_end_at_nothing_else(self, inside):
        name = f"a{inside}b"
        assert list(split_lines(f"{name}\r\nc\r\n".encode(), "utf-8")) == [name, "c"]

    @given(
        st.lists(st.binary(min_size=1, max_size=20).map(lambda b: b.translate(None, b"\r\n")).filter(bool), max_size=5)
    )
    def test_undecodable_bytes_can_be_asked_for_again(self, names):
        for encoding in ("utf-8", "latin-1", "ascii"):
            lines = list(split_lines(b"\r\n".join(names), encoding))
            assert [line.encode(encoding, "surrogateescape") for line in lines] == names

    def test_an_undecodable_name_is_usable(self):
        (entry,) = parse_mlsd(split_lines(b"type=file; r\xf8d.xml\r\n", "utf-8"))
        assert entry.name.encode("utf-8", "surrogateescape") == b"r\xf8d.xml"
