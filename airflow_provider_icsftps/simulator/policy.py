"""How the gateway treats uploads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from airflow_provider_icsftps.simulator.backoffice import REUSED, Rejection

CutUploads = Literal["discard", "keep", "accept"]
ReusedName = Literal["status", "550", "553"]
Window = Literal["refuse", "421"]


class RefusedError(Exception):
    """A command is refused; the text is the reply, code included."""


@dataclass(frozen=True)
class Policy:
    """
    How the gateway treats uploads; see :class:`GatewaySimulator` for the meaning of each.

    :param services: the service folders of a login that was given no others.
    :param legacy: it takes no uploads.
    :param reused_name: how a used name is turned down.
    :param cut_uploads: how a cut upload is treated.
    :param allow_service_delete: whether files in service folders may be deleted.
    :param responses: how many responses a filing gets.
    :param check_xml: whether the customs systems turn down what is not well-formed XML.
    """

    services: tuple[str, ...] = ()
    legacy: bool = False
    reused_name: ReusedName = "status"
    cut_uploads: CutUploads = "discard"
    allow_service_delete: bool = False
    responses: int = 1
    check_xml: bool = False


def check_choice(what: str, value: str, choices: Any) -> None:
    """
    Refuse a word that means nothing; taken, it would do nothing, and a test that hopes for it would show nothing.

    :param what: the parameter.
    :param value: what it was given.
    :param choices: a ``Literal`` of what it takes.
    :raises ValueError: when it is none of them.
    """
    if value not in get_args(choices):
        raise ValueError(f"{what} takes {', '.join(map(repr, get_args(choices)))}, not {value!r}")


def outcome(
    *, whole: bool, taken: bool, kept: bool, rejection: Rejection | None, later_rejection: Rejection | None = None
) -> str:
    """
    Say in words what became of an upload.

    :param whole: whether it was not cut.
    :param taken: whether it was taken in.
    :param kept: whether its content was kept.
    :param rejection: why it is turned down, if it is.
    :param later_rejection: why it is turned down after it was delivered, if it is.
    """
    if not taken:
        return "cut; copy kept" if kept else "cut; copy discarded"
    if rejection == REUSED:
        return "name used before"
    if rejection:
        return f"rejected: {rejection.error_code}"
    if later_rejection:
        return f"delivered, then rejected: {later_rejection.error_code}"
    return "filed" if whole else "cut, but taken for whole"
