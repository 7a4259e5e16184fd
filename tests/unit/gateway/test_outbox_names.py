"""Names in an outbox: whose answer a status file is, and what matches a pattern."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import ConfigurationError
from airflow_provider_icsftps.gateway.names import FileNameRule, upload_key, upload_name
from airflow_provider_icsftps.gateway.outbox_names import (
    OutboxNames,
    as_text,
    check_text,
    digit_of,
    names_with_key,
    status_digit,
    status_file_name,
    status_files,
)

SERVICES = st.from_regex(r"[A-Za-z0-9_.-]{1,30}", fullmatch=True).filter(lambda text: text not in {".", ".."})
FILE_NAMES = st.from_regex(r"[A-Za-z0-9_.-]{1,60}", fullmatch=True).filter(lambda text: text not in {".", ".."})
SHA = "0123456789abcdef" * 4
SOURCES = st.builds("{}.{}".format, FILE_NAMES, st.text("_.0123x-", max_size=14))
# names that are easily taken for one another
ALIKE = st.lists(st.sampled_from(["a", "_1", "_2", ".xml", "_", "-3", ".1", " (2)", "x"]), min_size=1, max_size=5).map(
    "".join
)


class TestStatusFileNames:
    @given(SERVICES, FILE_NAMES, st.integers(0, 3), st.integers(1, 999))
    def test_digit_comes_back(self, service, file_name, digit, repeat):
        assert status_digit(status_file_name(service, file_name, digit, repeat), service, file_name) == digit

    def test_name_is_built_as_the_gateway_builds_it(self):
        assert status_file_name("Manifest", "a_b.xml", 1) == "status_Manifest_a_b.xml_1.xml"
        assert status_file_name("Manifest", "a_b.xml", 3, 2) == "status_Manifest_a_b.xml_3_2.xml"

    @given(SERVICES, FILE_NAMES, FILE_NAMES, st.integers(0, 3), st.integers(1, 20))
    def test_another_files_answer_is_not_ours(self, service, ours, theirs, digit, repeat):
        ours, theirs = f"{ours}.xml", f"{theirs}.xml"
        found = status_digit(status_file_name(service, theirs, digit, repeat), service, ours)
        assert (found is None) == (ours != theirs)

    @pytest.mark.parametrize(
        ("ours", "theirs"),
        [
            ("a.xml", "a.xml_1.xml"),
            ("a.xml", "a.xml_2.xml"),
            ("a.xml", "a.xml_"),
            ("a.xml", "a.xml_g2"),
            ("a.xml", "a.xml.xml"),
            ("a", "a.xml"),
            ("a", "a_"),
            ("a", "a_1.xml"),
            ("a", "ab"),
            ("a-0123456789abcdef.xml", "a-0123456789abcdef-g2.xml"),
            ("a_0123456789abcdef", "a_0123456789abcdef_g2"),
        ],
    )
    @pytest.mark.parametrize("digit", range(4))
    def test_a_longer_name_that_begins_alike_is_not_ours(self, ours, theirs, digit):
        for repeat in (1, 2, 12):
            assert status_digit(status_file_name("M", theirs, digit, repeat), "M", ours) is None
            assert status_digit(status_file_name("M", ours, digit, repeat), "M", theirs) is None

    @pytest.mark.parametrize(
        "name",
        [
            "status_M_a.xml_4.xml",
            "status_M_a.xml_9.xml",
            "status_M_a.xml_10.xml",
            "status_M_a.xml_12.xml",
            "status_M_a.xml_١.xml",
            "status_M_a.xml_².xml",
            "status_M_a.xml_１.xml",
            "status_M_a.xml_1_١.xml",
            "status_M_a.xml_3_1234567.xml",
            "status_M_a.xml_3(1234567).xml",
            "status_M_a.xml_.xml",
            "status_M_a.xml_1.xml\n",
            "status_M_a.xml_1.XML.part",
            "status_M_a.xml_1.xml.tmp",
            "status_M_a.xml_1xxml",
            "status_m_a.xml_1.xml",
            "Status_M_a.xml_1.xml",
            "xstatus_M_a.xml_1.xml",
            "status_M_axxml_1.xml",
            "status_M_a.xml1.xml",
            "a.xml",
            "",
        ],
    )
    def test_what_is_no_status_file_of_ours_has_no_digit(self, name):
        assert status_digit(name, "M", "a.xml") is None

    @pytest.mark.parametrize("repeat", ["", "_2", "-2", ".2", "(2)", " (2)", "_123456", "(123456)"])
    def test_a_further_file_of_one_digit_is_read(self, repeat):
        assert status_digit(f"status_M_a.xml_3{repeat}.xml", "M", "a.xml") == 3

    def test_the_files_of_one_upload_come_in_the_order_of_their_digits(self):
        names = [
            "svar.xml",
            "status_M_a.xml_3.xml",
            "status_M_b.xml_2.xml",
            "status_M_a.xml_1.xml",
            "status_M_a.xml_3_2.xml",
            "status_M_a.xml_0.xml",
            "status_N_a.xml_2.xml",
        ]
        expected = [
            ("status_M_a.xml_0.xml", 0),
            ("status_M_a.xml_1.xml", 1),
            ("status_M_a.xml_3.xml", 3),
            ("status_M_a.xml_3_2.xml", 3),
        ]
        assert list(status_files(iter(names), "M", "a.xml").items()) == expected
        assert list(status_files(OutboxNames(names), "M", "a.xml").items()) == expected

    @given(SERVICES, FILE_NAMES, st.integers(0, 3))
    def test_digit_is_read_whatever_upload_it_belongs_to(self, service, file_name, digit):
        assert digit_of(status_file_name(service, f"{file_name}.xml", digit)) == digit

    @given(SOURCES, st.integers(1, 3), st.integers(0, 3), st.integers(1, 99))
    def test_the_digit_of_every_answer_to_an_upload_is_read(self, source, generation, digit, repeat):
        name = upload_name(source, "d/t/r", "M", SHA, generation=generation)
        assert digit_of(status_file_name("M", name, digit, repeat)) == digit

    @pytest.mark.parametrize(
        "name",
        ["status_1.xml", "svar.xml", "status_M_a.xml_4.xml", "status_M_a_1.xml\n", "status_M_a.xml_1_١.xml", ""],
    )
    def test_what_is_no_status_file_has_no_digit(self, name):
        assert digit_of(name) is None


class TestNamesWithKey:
    KEY = upload_key("d/t/r", "M", SHA)
    RULES = st.sampled_from([FileNameRule(), FileNameRule("A-Za-z0-9_"), FileNameRule("A-Za-z0-9")])

    @given(SOURCES, st.integers(1, 3), st.integers(0, 3), st.integers(1, 99), RULES)
    def test_a_filing_is_found_whatever_it_was_called(self, source, generation, digit, repeat, rule):
        name = upload_name(source, "d/t/r", "M", SHA, generation=generation, rule=rule)
        assert names_with_key([status_file_name("M", name, digit, repeat)], "M", self.KEY) == [name]

    def test_each_name_is_told_once_and_in_order(self):
        names = [f"{stem}-{self.KEY}{more}.xml" for stem in "ab" for more in ("", "-g2", "-g3")]
        answers = [status_file_name("M", name, digit) for name in reversed(names) for digit in (1, 2)]
        assert names_with_key(["svar.xml", *answers], "M", self.KEY) == sorted(names)

    @pytest.mark.parametrize(
        "name",
        [
            "status_M_a-KEY.xml",
            "status_M_a-KEY.xml_4.xml",
            "status_M_a-KEY.xml_1.xml.tmp",
            "status_M_a-KEY.xml_1_١.xml",
            "status_M_KEY.xml_1.xml",
            "status_M_a-KEY-g4.xml_1.xml",
            "status_M_a-KEY-g1.xml_1.xml",
            "status_M_a-KEY-b.xml_1.xml",
            "status_M_a-KEY.tar.gz_1.xml",
            "status_M_a-OTHER.xml_1.xml",
            "status_N_a-KEY.xml_1.xml",
            "status_m_a-KEY.xml_1.xml",
            "xstatus_M_a-KEY.xml_1.xml",
            "a-KEY.xml",
        ],
    )
    def test_another_filing_is_not_found(self, name):
        assert names_with_key([name.replace("KEY", self.KEY)], "M", self.KEY) == []

    def test_a_dot_in_a_service_is_a_dot(self):
        answers = [
            status_file_name(service, f"a-{self.KEY}.xml", 1) for service in ("FTPSGW.Heartbeat", "FTPSGWxHeartbeat")
        ]
        assert names_with_key(answers[:1], "FTPSGW.Heartbeat", self.KEY) == [f"a-{self.KEY}.xml"]
        assert names_with_key(answers[1:], "FTPSGW.Heartbeat", self.KEY) == []


class TestOutboxNames:
    @given(st.lists(ALIKE.map(lambda text: f"status_M_{text}.xml"), max_size=12), ALIKE)
    def test_the_quick_way_finds_what_the_slow_way_finds(self, names, file_name):
        assert status_files(OutboxNames(names), "M", file_name) == status_files(set(names), "M", file_name)

    @given(SERVICES, ALIKE, st.integers(0, 3), st.integers(1, 99))
    def test_every_status_file_is_found(self, service, file_name, digit, repeat):
        name = status_file_name(service, file_name, digit, repeat)
        assert status_files(OutboxNames([name, "svar.xml"]), service, file_name) == {name: digit}

    def test_it_is_a_set_of_names(self):
        names = OutboxNames(iter(["b.xml", "a.xml", "a.xml"]))
        assert (len(names), sorted(names), "a.xml" in names, "c.xml" in names) == (2, ["a.xml", "b.xml"], True, False)
        assert names == {"a.xml", "b.xml"}

    @given(st.lists(ALIKE, max_size=12), st.lists(st.sampled_from(["a", "_1", "*", "?", "[_.]", "[!a]"]), max_size=4))
    def test_the_quick_way_to_a_pattern_finds_what_the_slow_way_finds(self, names, parts):
        pattern = "".join(parts)
        assert OutboxNames(names).matching(pattern) == sorted(n for n in set(names) if fnmatchcase(n, pattern))

    @given(st.lists(ALIKE, max_size=12), ALIKE)
    def test_it_holds_what_it_was_given_and_no_more(self, names, name):
        assert (name in OutboxNames(names)) == (name in names)

    def test_what_matches_a_pattern_comes_in_order_and_case_counts(self):
        names = OutboxNames(["b.xml", "a.xml", "C.XML", "d.txt", "e[1].xml"])
        for _ in range(2):
            assert names.matching("*.xml") == ["a.xml", "b.xml", "e[1].xml"]
        assert names.matching("e[[]1].xml") == ["e[1].xml"]
        assert names.matching("?.xml") == ["a.xml", "b.xml"]
        assert names.matching("[ab].xml") == ["a.xml", "b.xml"]
        assert names.matching("*.pdf") == []


class TestNamesThatAreNoText:
    @given(st.text(st.characters(exclude_categories=["Cs"])))
    def test_what_is_text_stays_as_it_is(self, name):
        assert as_text(name) == name
        assert check_text([name, name]) == [name, name]

    @given(st.binary(min_size=1, max_size=20))
    def test_whatever_a_server_says_can_be_told(self, raw):
        assert as_text(raw.decode("utf-8", "surrogateescape")).encode()

    def test_what_is_none_is_refused_with_the_setting_that_helps(self):
        with pytest.raises(
            ConfigurationError, match=r"^'sv\\udce6r' in the outbox .* extra 'encoding', to latin-1 .* server$"
        ):
            check_text(["a.xml", "sv\udce6r"])
