from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_icsftps import exceptions
from airflow_provider_icsftps.exceptions import (
    MAX_MESSAGE,
    CertificateError,
    ConfigurationError,
    GatewayRefusedError,
    GatewayTimeoutError,
    GatewayUnavailableError,
    IcsFtpsError,
    SubmissionRejectedError,
    TransferError,
    one_line,
)


def walk(cls: type[IcsFtpsError]) -> list[type[IcsFtpsError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in walk(child))]


CLASSES = [cls for cls in walk(IcsFtpsError) if cls.__module__.startswith("airflow_provider_icsftps")]
every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def details(cls: type[IcsFtpsError]) -> dict[str, Any]:
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {
        p.name: 553 if p.name == "code" else f"{p.name} æøå"
        for p in parameters
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }


def made(cls: type[IcsFtpsError]) -> IcsFtpsError:
    return cls("Upload of a.xml: the gateway answered 553; give another name", **details(cls))


def same(expected: IcsFtpsError, actual: IcsFtpsError) -> bool:
    return (type(expected), str(expected), expected.args, vars(expected)) == (
        type(actual),
        str(actual),
        actual.args,
        vars(actual),
    )


@every_class
def test_an_error_survives_pickling(cls):
    error = made(cls)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert same(error, pickle.loads(pickle.dumps(error, protocol)))


@every_class
def test_an_error_survives_copying(cls):
    error = made(cls)
    assert same(error, copy.copy(error))
    assert same(error, copy.deepcopy(error))


@every_class
def test_an_error_survives_the_event_of_a_trigger(cls):
    error = made(cls)
    read = IcsFtpsError.from_data(json.loads(json.dumps(error.to_data())))
    assert same(error, read)
    assert bool(details(cls)) == bool(vars(read))


def test_an_error_of_a_later_version_is_read_as_the_root():
    error = IcsFtpsError.from_data({"error": "NotKnownHereError", "message": "m", "details": {"hint": "h"}})
    assert (IcsFtpsError, "m", {"hint": "h"}) == (type(error), str(error), vars(error))


def test_an_error_without_details_is_read():
    error = IcsFtpsError.from_data({"error": "SubmissionRejectedError", "message": "m"})
    assert (str(error), error.error_code) == ("m", "")
    assert type(error) is SubmissionRejectedError


@every_class
def test_an_error_is_one_bounded_line(cls):
    error = cls("first\r\n\x1b[31msecond\x85\u2028\u202ethird" + "x" * 5000)
    assert str(error).startswith("first [31msecond third")
    assert len(str(error)) == MAX_MESSAGE
    assert str(error).endswith("…")


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=3000))
def test_one_line_is_printable_and_bounded_whatever_the_text(text):
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= MAX_MESSAGE
    assert one_line(line) == line


@pytest.mark.parametrize(
    "text",
    [
        GatewayRefusedError("m", text="550 no\r\nsuch\x00 \x1b[2Jfile").text,
        SubmissionRejectedError("m", error_message="550 no\r\nsuch\x00 \x1b[2Jfile").message,
        SubmissionRejectedError("m", resolution="550 no\r\nsuch\x00 \x1b[2Jfile").resolution,
    ],
)
def test_a_servers_words_hold_no_control_characters(text):
    assert text == "550 no such [2Jfile"


def test_a_servers_words_are_bounded():
    assert len(GatewayRefusedError("m", text="x" * 10_000).text) == MAX_MESSAGE


@every_class
def test_only_what_the_network_did_is_worth_another_try(cls):
    assert cls.retryable is issubclass(cls, GatewayUnavailableError | TransferError)


def test_builtin_handlers_see_what_is_drawn():
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(GatewayUnavailableError, ConnectionError)
    assert issubclass(GatewayTimeoutError, TimeoutError)


def test_reason_of_a_certificate_error_is_unreadable_unless_said():
    assert CertificateError("m").reason == "unreadable"


DRAWN = re.compile(r"(?P<branch>[ │├└─]*)(?P<name>\w+Error)(?: \((?P<base>\w+)\))?(?:  .*)?")


def drawn_tree() -> dict[str, tuple[str | None, str | None]]:
    parents: dict[int, str] = {}
    tree: dict[str, tuple[str | None, str | None]] = {}
    picture = inspect.getdoc(exceptions).partition("::")[2]
    for line in picture.splitlines():
        if match := DRAWN.fullmatch(line):
            depth = len(match["branch"]) // 4 - 1
            parents[depth] = match["name"]
            tree[match["name"]] = (parents.get(depth - 1), match["base"])
    return tree


def real_tree() -> dict[str, tuple[str | None, str | None]]:
    tree: dict[str, tuple[str | None, str | None]] = {}
    for cls in CLASSES:
        ours = [base.__name__ for base in cls.__bases__ if issubclass(base, IcsFtpsError)]
        builtin = [base.__name__ for base in cls.__bases__ if not issubclass(base, IcsFtpsError)]
        tree[cls.__name__] = (ours[0] if ours else None, builtin[0] if ours and builtin else None)
    return tree


def test_the_tree_in_the_docstring_is_the_real_one():
    assert drawn_tree() == real_tree()
    assert len(real_tree()) >= 15
