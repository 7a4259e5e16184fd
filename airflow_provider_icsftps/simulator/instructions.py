"""What customs were told to do with which files: turn them down, take them, answer late, answer several times."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from airflow_provider_icsftps.simulator.backoffice import Rejection
from airflow_provider_icsftps.simulator.uploads import holds


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """
    One thing that customs were told about some files.

    :param pattern: shell pattern of their names; upper and lower case differ.
    :param content: only files that hold these bytes; ``None`` for every content.
    """

    pattern: str
    content: bytes | None = None

    def is_about(self, file_name: str, path: Path) -> bool:
        """
        Say whether it is about a file.

        :param file_name: its name.
        :param path: where its content is.
        """
        fits = fnmatch.fnmatchcase(file_name, self.pattern)
        return fits and (self.content is None or holds(path, self.content))


@dataclass(frozen=True, kw_only=True)
class Judgement(Instruction):
    """
    Whether files are turned down.

    :param pattern: shell pattern of their names; upper and lower case differ.
    :param content: only files that hold these bytes; ``None`` for every content.
    :param rejection: how they are; ``None`` when they are taken.
    """

    rejection: Rejection | None


@dataclass(frozen=True, kw_only=True)
class Responses(Instruction):
    """
    How many responses files get.

    :param pattern: shell pattern of their names; upper and lower case differ.
    :param content: only files that hold these bytes; ``None`` for every content.
    :param times: so many.
    """

    times: int


@dataclass(frozen=True, kw_only=True)
class Delays(Instruction):
    """
    When files are answered.

    :param pattern: shell pattern of their names; upper and lower case differ.
    :param content: only files that hold these bytes; ``None`` for every content.
    :param seconds: from the upload to each digit; ``None`` for a digit that never comes.
    """

    seconds: Mapping[int, float | None] = field(default_factory=dict)


_Kind = TypeVar("_Kind", bound=Instruction)


class Instructions:
    """All that customs were told; of several about one file the last counts. The gateway's lock guards it."""

    def __init__(self) -> None:
        self._given: list[Instruction] = []

    def add(self, instruction: Instruction) -> None:
        """
        Tell customs one thing more.

        :param instruction: what.
        """
        self._given.append(instruction)

    def about(self, kind: type[_Kind], file_name: str, path: Path) -> _Kind | None:
        """
        Return what customs were told about a file.

        :param kind: which kind of instruction.
        :param file_name: the file's name.
        :param path: where its content is.
        :return: the last one given, or ``None`` when there was none.
        """
        fitting = (i for i in reversed(self._given) if isinstance(i, kind) and i.is_about(file_name, path))
        return next(fitting, None)
