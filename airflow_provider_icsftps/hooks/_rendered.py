"""What templates make of values: text."""

from __future__ import annotations

import ast
import contextlib
import json
from collections.abc import Sequence
from typing import Any


def as_data(given: Any) -> Any:
    """
    Return the list or dictionary that a template wrote as text; all else as it is.

    ``"{{ ti.xcom_pull('file') }}"`` gives text unless the DAG renders its templates natively. It is read as Jinja's
    native rendering does it, or as JSON (``| tojson``).

    :param given: an argument of an operator, after its templates were rendered.
    """
    if not isinstance(given, str):
        return given
    text = given.strip()
    if text[:1] in {"[", "{"}:
        for read in (json.loads, ast.literal_eval):
            with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                data = read(text)
                return data if isinstance(data, list | dict) else given
    return given


def is_many(given: Any) -> bool:
    """
    Say whether several are given, and not one.

    :param given: an argument of an operator, after :func:`as_data`.
    """
    return isinstance(given, Sequence) and not isinstance(given, str)
