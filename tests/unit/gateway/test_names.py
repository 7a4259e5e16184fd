from __future__ import annotations

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps.exceptions import ConfigurationError, InvalidNameError
from airflow_provider_icsftps.gateway.names import (
    FileNameRule,
    check_file_name,
    check_folder,
    check_own_name,
    check_server_name,
    check_service,
    upload_name,
)

SHA = "0123456789abcdef" * 4
SCOPE = "dag/task/run"
DEFAULT = "A-Za-z0-9_.-"
EKAPITAL = FileNameRule("A-Za-z0-9_")
BARE = FileNameRule("A-Za-z0-9")

ANY_TEXT = st.text(max_size=120)
SERVICES = st.from_regex(r"[A-Za-z0-9_.-]{1,30}", fullmatch=True).filter(lambda text: text not in {".", ".."})
DIGESTS = st.binary(max_size=4).map(lambda content: hashlib.sha256(content).hexdigest())
RULES = st.builds(
    FileNameRule,
    st.sampled_from([DEFAULT, "A-Za-z0-9_", "A-Za-z0-9", "a-z0-9.", "a-z0-9-", r"\w .()\-", r"A-Za-z0-9_.æøåÆØÅ\-"]),
    st.integers(32, 200),
)


class TestUploadName:
    @given(ANY_TEXT, ANY_TEXT, SERVICES, DIGESTS, st.integers(0, 9), st.integers(1, 3), RULES)
    def test_is_the_same_each_time_and_legal(self, source, scope, service, sha256, resubmission, generation, rule):
        names = {
            upload_name(source, scope, service, sha256, resubmission, generation=generation, rule=rule)
            for _ in range(2)
        }
        (name,) = names
        assert check_file_name(name, rule) == name
        assert rule.allows(name)
        assert 16 <= len(name) <= rule.max_length
        assert not set("/\\\r\n\0") & set(name)

    def test_is_known_for_ever(self):
        expected = "afgang-" + hashlib.sha256(f'["{SCOPE}", "Manifest", "{SHA}", 0]'.encode()).hexdigest()[:16] + ".xml"
        assert expected == upload_name("afgang.xml", SCOPE, "Manifest", SHA)
        assert expected == "afgang-3a5644a4d384a9d7.xml"

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["a/b/c", "a/b", "a", '", "', "Ærø"]),
                st.sampled_from(["Manifest", "ICS", "c"]),
                st.sampled_from([SHA, SHA[::-1]]),
                st.integers(0, 12),
                st.integers(1, 3),
            ),
            min_size=2,
            max_size=8,
            unique=True,
        ),
        RULES,
    )
    def test_differs_when_anything_of_the_filing_differs(self, filings, rule):
        names = {
            upload_name("afgang.xml", scope, service, sha256, resubmission, generation=generation, rule=rule)
            for scope, service, sha256, resubmission, generation in filings
        }
        assert len(filings) == len(names)

    def test_takes_scope_and_service_apart(self):
        pairs = [("a/b", "c"), ("a", "b.c"), ("a/b/c", "c"), ("", "a"), ("a/b", "C"), ('a", "b', "c")]
        assert len({upload_name("x.xml", scope, service, SHA) for scope, service in pairs}) == len(pairs)

    @pytest.mark.parametrize(("generation", "ending"), [(1, ""), (2, "-g2"), (3, "-g3")])
    def test_shows_its_generation_before_the_suffix(self, generation, ending):
        name = upload_name("afgang.xml", SCOPE, "Manifest", SHA, generation=generation)
        assert re.fullmatch(rf"afgang-[0-9a-f]{{16}}{ending}\.xml", name)

    def test_generations_share_their_digest(self):
        digests = {upload_name("a.xml", SCOPE, "M", SHA, generation=g)[2:18] for g in (1, 2, 3)}
        assert len(digests) == 1

    @pytest.mark.parametrize(
        ("source", "stem", "suffix"),
        [
            ("afgang.xml", "afgang", ".xml"),
            ("/data/in/afgang.xml", "afgang", ".xml"),
            ("C:\\told\\afgang.xml", "afgang", ".xml"),
            ("afgang", "afgang", ""),
            ("Blåbærgrød på Ærø.XML", "Blaabaergroed_paa_Aeroe", ".XML"),
            ("ØRSTED Å.xml", "OeRSTED_Aa", ".xml"),
            ("café müller.xml", "cafe_muller", ".xml"),
            ("Göteborg Mälaren.xml", "Goteborg_Malaren", ".xml"),
            ("日本.xml", "file", ".xml"),
            ("a.tar.gz", "a.tar", ".gz"),
            (".hidden", "hidden", ""),
            ("..", "file", ""),
            ("", "file", ""),
            ("/", "file", ""),
            ("...xml", "file", ".xml"),
            ("-rf.xml", "rf", ".xml"),
            ("a.averylongsuffixindeed", "a", ".averylongsu"),
            ("a.sæt", "a", ".saet"),
            ("a.x y", "a", ".x_y"),
            ("a.\n\0", "a", ".__"),
            ("a\r\nDELE b.xml", "a__DELE_b", ".xml"),
            ("val_afgang.xml", "val_afgang", ".xml"),
            ("a.xml_1", "a", ".xml"),
            ("a.xml_1_0", "a", ".xml"),
            ("a.abcdefghi_12", "a", ".abcdefghi"),
            ("a._3", "a", ""),
            ("a.xml_4", "a", ".xml_4"),
            ("a.xml_12", "a", ".xml_12"),
            ("a_1.xml", "a_1", ".xml"),
        ],
    )
    def test_keeps_what_can_be_read(self, source, stem, suffix):
        name = upload_name(source, SCOPE, "Manifest", SHA)
        assert re.sub(r"-[0-9a-f]{16}", "|", name) == f"{stem}|{suffix}"

    @given(ANY_TEXT, st.text("_.0123 x", max_size=12), st.integers(1, 3), RULES)
    def test_may_be_chosen_by_a_user_too(self, stem, suffix, generation, rule):
        name = upload_name(f"{stem}.{suffix}", SCOPE, "Manifest", SHA, generation=generation, rule=rule)
        assert check_own_name(name, rule) == name

    def test_a_long_stem_is_cut_and_digest_and_suffix_stay(self):
        name = upload_name("m" * 300 + ".xml", SCOPE, "Manifest", SHA, generation=3)
        assert re.fullmatch(r"m{58}-[0-9a-f]{16}-g3\.xml", name)
        assert len(name) == 82

    @pytest.mark.parametrize(("letter", "kept"), [("m", 179), ("ł", 89), ("✓", 59), ("😀", 44)])
    def test_a_long_stem_of_letters_that_take_several_bytes_is_cut_to_what_fits(self, letter, kept):
        rule = FileNameRule(r"\w✓😀.\-", 200)
        name = upload_name(letter * 300 + ".xml", SCOPE, "Manifest", SHA, rule=rule)
        assert re.fullmatch(rf"{letter}{{{kept}}}-[0-9a-f]{{16}}\.xml", name)
        assert 200 - 4 < len(name.encode()) <= 200

    def test_a_stem_is_not_cut_to_end_in_a_dot(self):
        name = upload_name("m" * 60 + "." * 50 + "n.xml", SCOPE, "Manifest", SHA)
        assert re.fullmatch(r"m{60}-[0-9a-f]{16}\.xml", name)

    def test_letters_digits_and_underscores_are_enough(self):
        name = upload_name("Blåbær grød.xml" * 20, SCOPE, "Manifest", SHA, generation=2, rule=EKAPITAL)
        assert re.fullmatch(r"Blaabaer_groed[A-Za-z0-9_]+_[0-9a-f]{16}_g2", name)
        assert len(name) == 82

    def test_letters_and_digits_are_enough(self):
        name = upload_name("Blåbær grød.xml", SCOPE, "Manifest", SHA, generation=2, rule=BARE)
        assert re.fullmatch(r"Blaabaergroed[0-9a-f]{16}g2", name)

    def test_a_scope_of_undecodable_bytes_has_a_name(self):
        assert upload_name("a\udcff.xml", "run\udcff", "M", SHA) != upload_name("a\udcff.xml", "run\udcfe", "M", SHA)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"sha256": "abc"},
            {"sha256": SHA.upper()},
            {"sha256": SHA + "\n"},
            {"sha256": ""},
            {"resubmission": -1},
            {"generation": 0},
            {"generation": 4},
            {"service": "Mani fest"},
            {"service": "a/b"},
            {"service": ""},
        ],
        ids=str,
    )
    def test_refuses_what_would_not_be_a_unique_name(self, wrong):
        arguments = {"source_name": "a.xml", "scope": SCOPE, "service": "Manifest", "sha256": SHA} | wrong
        with pytest.raises(InvalidNameError, match="(?i)" + next(iter(wrong)).replace("sha256", "SHA-256")):
            upload_name(**arguments)


class TestFileNameRule:
    def test_default_is_the_conservative_set(self):
        assert (FileNameRule().characters, FileNameRule().max_length) == (DEFAULT, 82)

    @pytest.mark.parametrize(
        "characters",
        ["A-Za-z0-9/", r"\x00-\xff", r"A-Za-z0-9\\", r"\s\w", r"a-z0-9\n", r"\W\w", r"a-z0-9\0", " -~"],
    )
    def test_separators_and_line_breaks_are_never_legal(self, characters):
        with pytest.raises(ConfigurationError, match="path separators or line breaks"):
            FileNameRule(characters)

    @pytest.mark.parametrize("characters", ["z-a", "a-z0-9\\", "\\"])
    def test_what_is_no_class_is_refused(self, characters):
        with pytest.raises(ConfigurationError, match="no set of characters"):
            FileNameRule(characters)

    @pytest.mark.parametrize("characters", ["A-Z0-9", "0-9", "a-z", "_", "x"])
    def test_a_digest_must_be_writable(self, characters):
        with pytest.raises(ConfigurationError, match="must allow"):
            FileNameRule(characters)

    @pytest.mark.parametrize("length", [31, 16, 0, -1])
    def test_there_must_be_room_for_a_digest(self, length):
        with pytest.raises(ConfigurationError, match="unique names need 32"):
            FileNameRule(DEFAULT, length)

    def test_a_status_file_has_room_for_the_longest_name(self):
        assert FileNameRule(DEFAULT, 200).max_length == 200
        with pytest.raises(ConfigurationError, match="allows 201 characters; 200 are the most"):
            FileNameRule(DEFAULT, 201)

    @pytest.mark.parametrize(("characters", "expected"), [("a-z0-9_", "a_b"), ("a-z0-9", "ab"), ("A-Za-z0-9.-", "ab")])
    def test_what_is_not_legal_becomes_an_underscore_where_that_is_legal(self, characters, expected):
        assert FileNameRule(characters).legalise("a b") == expected

    @given(ANY_TEXT, RULES)
    def test_what_was_made_legal_is_legal(self, text, rule):
        assert rule.allows(rule.legalise(text))

    @given(st.from_regex(r"[A-Za-z0-9_.-]*", fullmatch=True))
    def test_what_is_legal_is_left_alone(self, text):
        assert FileNameRule().legalise(text) == text


HOSTILE = {
    "nothing": "",
    "this folder": ".",
    "the folder above": "..",
    "slash": "a/b",
    "absolute": "/etc/passwd",
    "escape": "../x",
    "backslash": "..\\x",
    "carriage return": "a\rb",
    "line feed": "a\nDELE b",
    "line feed at its end": "a.xml\n",
    "NUL": "a\0b",
    "escape code": "a\x1b[2Jb",
    "delete": "a\x7fb",
    "next line": "a\x85b",
    "right to left": "a\u202elmx.exe",
    "line separator": "a\u2028b",
}


class TestChecks:
    @pytest.mark.parametrize("check", [check_file_name, check_service, check_server_name])
    @pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE.keys())
    def test_a_hostile_name_is_refused_in_one_line(self, check, name):
        with pytest.raises(InvalidNameError) as caught:
            check(name)
        assert str(caught.value).isprintable()

    @pytest.mark.parametrize(
        ("check", "what"),
        [
            (check_file_name, "File name"),
            (check_service, "Service"),
            (check_server_name, "Name from the gateway"),
            (lambda name: check_folder(f"/{name}"), "Folder"),
        ],
    )
    def test_a_refusal_tells_which_name_and_why(self, check, what):
        for name, why in [
            ("..", "is no name"),
            ("a\\b", "holds a path separator"),
            ("a\0b", "holds a character that cannot be printed"),
        ]:
            with pytest.raises(InvalidNameError) as caught:
                check(name)
            assert str(caught.value) == f"{what} {name!r} {why}"

    @pytest.mark.parametrize("name", sorted(set(HOSTILE.values()) - {"", ".", "a/b", "/etc/passwd"}), ids=ascii)
    def test_a_folder_of_a_hostile_name_is_refused(self, name):
        with pytest.raises(InvalidNameError):
            check_folder(f"/out/{name}")

    @pytest.mark.parametrize(
        "name",
        [
            "svar 1.xml",
            " foran",
            "bagefter ",
            "Blåbærgrød.xml",
            "kvittering (2).xml",
            "日本",
            "a\udcffb",
            "-rf",
            "a.b.c",
        ],
    )
    def test_a_servers_name_may_hold_blanks_and_letters_of_any_kind(self, name):
        assert check_server_name(name) == name

    def test_a_servers_name_of_any_length_is_refused_in_one_short_line(self):
        assert check_server_name("a" * 255) == "a" * 255
        with pytest.raises(InvalidNameError, match="has 1000000 characters; 255 is the most") as caught:
            check_server_name("a" * 1_000_000)
        assert len(str(caught.value)) < 200

    @given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=30))
    def test_a_servers_name_is_kept_or_refused(self, name):
        try:
            assert check_server_name(name) == name
        except InvalidNameError:
            return
        assert not set("/\\\r\n\0") & set(name)
        assert name not in {"", ".", ".."}

    @pytest.mark.parametrize("name", ["a b.xml", "ærø.xml", "a:b", "a*", "a;b"])
    def test_a_file_name_keeps_to_the_rule(self, name):
        with pytest.raises(InvalidNameError, match="allowed are the characters"):
            check_file_name(name)

    def test_a_refusal_tells_each_character_that_is_not_allowed(self):
        with pytest.raises(InvalidNameError) as caught:
            check_file_name("a b;c d")
        assert str(caught.value) == f"File name 'a b;c d' holds ' ;'; allowed are the characters {DEFAULT}"

    @pytest.mark.parametrize("digit", range(4))
    @pytest.mark.parametrize("stem", ["a", "a.xml", "a_1", "_"])
    def test_a_name_of_ones_own_does_not_end_like_a_status_files_digit(self, stem, digit):
        with pytest.raises(InvalidNameError) as caught:
            check_own_name(f"{stem}_{digit}")
        assert f"File name '{stem}_{digit}' ends in '" in str(caught.value)
        assert str(caught.value).endswith(
            f"_{digit}' like a status file's digit, so its answers could not be told apart; rename it, "
            "or let names be made unique"
        )

    @pytest.mark.parametrize("name", ["a_4", "a_12", "a1", "a-1", "a_1.xml", "_1a", "a.xml"])
    def test_a_name_of_ones_own_may_hold_digits_elsewhere(self, name):
        assert check_own_name(name) == name

    def test_a_name_of_ones_own_keeps_to_the_rule(self):
        with pytest.raises(InvalidNameError, match="allowed are the characters"):
            check_own_name("æ b")
        assert check_own_name("æ b", FileNameRule("a-zæ 0-9", 82)) == "æ b"
        with pytest.raises(InvalidNameError, match="cannot be printed"):
            check_own_name("a_1\n")

    def test_a_file_name_keeps_to_the_length(self):
        assert len(check_file_name("m" * 82)) == 82
        with pytest.raises(InvalidNameError, match="83 characters; 82 are allowed"):
            check_file_name("m" * 83)

    def test_a_name_of_letters_that_take_several_bytes_leaves_room_for_its_status_files(self):
        rule = FileNameRule("a-z0-9æ", 200)
        assert check_file_name("æ" * 100, rule) == "æ" * 100
        with pytest.raises(InvalidNameError, match="has 202 bytes; 200 are the most, because a status file's name"):
            check_file_name("æ" * 101, rule)

    def test_a_wider_rule_allows_more(self):
        assert check_file_name("æ b", FileNameRule("a-zæ 0-9", 82)) == "æ b"

    @pytest.mark.parametrize("service", ["Manifest", "FTPSGW.Heartbeat", "e_Kapital-2", "A"])
    def test_a_service_may_hold_dots_and_underscores(self, service):
        assert check_service(service) == service

    @pytest.mark.parametrize("service", ["Mani fest", "Ærø", "a:b", "~"])
    def test_a_service_holds_nothing_else(self, service):
        with pytest.raises(InvalidNameError, match="may hold only"):
            check_service(service)

    @pytest.mark.parametrize(
        ("path", "expected"),
        [("/out", "/out"), ("/out/", "/out"), ("/a//b/", "/a/b"), ("/a/./b", "/a/b"), ("//out", "/out")],
    )
    def test_a_folder_is_absolute_and_tidy(self, path, expected):
        assert check_folder(path) == expected

    @pytest.mark.parametrize("path", ["", "out", "/", ".", "//"])
    def test_what_is_no_folder_is_refused(self, path):
        with pytest.raises(InvalidNameError, match="must be absolute"):
            check_folder(path)
