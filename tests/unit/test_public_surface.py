"""Every public name is described: what it is, its parameters, their units, its errors, what is templated."""

from __future__ import annotations

import importlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import typer
from public_surface import (
    bare_constants,
    complaints,
    described_in,
    package,
    public_modules,
    public_names,
    templated,
    unoffered,
)

from airflow_provider_icsftps import exceptions, gateway
from airflow_provider_icsftps.exceptions import ConfigurationError

TESTS = Path(__file__).parent.parent
#: What the library offers beside classes and functions.
CONSTANTS = {"ENVIRONMENTS"}
KINDS = ("hooks", "operators", "sensors", "triggers")
OPERATORS = [
    operator
    for kind in ("operators", "sensors")
    for operator in public_names(importlib.import_module(f"{package.__name__}.{kind}.icsftps")).values()
]


@pytest.mark.parametrize("module", public_modules())
def test_a_module_and_all_that_it_offers_is_described(module):
    found = complaints(module)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("module", public_modules())
def test_a_public_constant_is_described_above_it(module):
    assert bare_constants(importlib.import_module(module)) == []


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_what_is_said_to_be_templated_is_and_nothing_else(operator):
    assert templated(operator) == set(operator.template_fields)


@pytest.mark.parametrize("module", ["exceptions", "gateway", "simulator", *(f"{kind}.icsftps" for kind in KINDS)])
def test_the_types_of_a_public_name_are_shown(module):
    shown = " ".join(path.read_text(encoding="utf-8") for path in (TESTS / "typing").glob("*.py"))
    names = public_names(importlib.import_module(f"{package.__name__}.{module}"))
    assert [name for name in names if not re.search(rf"\b{name}\b", shown)] == []


def test_the_library_offers_the_types_that_its_functions_take_and_give():
    """But for those by which the archive's own parts speak to each other."""
    inside = {("Shelf", "description"), ("Shelf.compare", "return"), ("Kept.sight", "return")}
    assert {(called, value) for called, value, _ in unoffered(gateway)} == inside


def test_the_library_names_what_it_offers_and_nothing_else_is_found_in_it():
    assert dir(gateway) == sorted(gateway.__all__)
    assert all(getattr(gateway, name).__module__.startswith(package.__name__) for name in {*dir(gateway)} - CONSTANTS)
    with pytest.raises(ImportError, match="cannot import name 'Filler'"):
        exec("from airflow_provider_icsftps.gateway import Filler")
    with pytest.raises(AttributeError, match=r"^module '\S+\.gateway' has no attribute 'Filler'$"):
        gateway.Filler  # noqa: B018


def test_all_that_users_meet_is_looked_at():
    modules = public_modules()
    assert {f"{package.__name__}.{part}" for part in ("hooks.icsftps", "gateway.client", "cli.app")} <= {*modules}
    assert not any("._" in module for module in modules)
    names = {one.name for module in modules for one in described_in(importlib.import_module(module))}
    assert {
        "exceptions.TransferError",
        "gateway.Span.holds",  # from a private module
        "gateway.client.GatewayClient.upload",
        "gateway.submission.Submission.needs_proof",
        "hooks.icsftps.IcsFtpsHook.certificate",
        "hooks.icsftps.fail_without_retry",
        "operators.icsftps.IcsFtpsUploadOperator",
        "sensors.icsftps.IcsFtpsOutboxSensor.poke",  # from a private base
        "simulator.operation.Operation.reject",
        "triggers.icsftps.IcsFtpsOutboxEventTrigger.run",
    } <= names


# ------------------------------------------------------------ the rules themselves


class _Base:
    def __init__(self, *, conn: str, pause: float) -> None: ...

    def look(self, names: list[str]) -> None:
        """Look."""


class Waiter(_Base):
    """
    Waits.

    :param conn: whose.
    :param pause: between two looks.
    :param other: is none.
    """

    def __init__(self, *, text: str, **kwargs: object) -> None:
        if not text:
            raise ConfigurationError("text is empty")

    @property
    def age(self) -> float:
        """How old it is."""
        return 0.0

    @property
    def name(self) -> str:
        return ""


@dataclass(frozen=True)
class Entry:
    name: str
    size: int


@dataclass(frozen=True)
class Good:
    """
    All is said.

    :param size: bytes.
    :param pause_seconds: between two looks.
    :raises ConfigurationError: when size is negative.
    """

    size: int
    pause_seconds: float = 0

    def __post_init__(self) -> None:
        if self.size < 0:
            raise exceptions.ConfigurationError("size")


def told(number: int) -> None:
    """
    Tell.

    :param number: which.
    :raises NoSuchError: never.
    """


def command(path: str = typer.Argument(help="A file."), other: str = typer.Option("")) -> None:
    """Do something."""
    raise ConfigurationError("exit code 1")


def test_the_rules_see_what_is_missing(monkeypatch):
    # as if it were one of the package's modules
    module = ModuleType(f"{package.__name__}.cli.planted")
    for thing in (Waiter, Entry, Good, told, command, _Base):
        monkeypatch.setattr(thing, "__module__", module.__name__)
        monkeypatch.setattr(module, thing.__name__, thing, raising=False)
    for function in (Waiter.__init__, _Base.__init__, _Base.look, Waiter.age.fget, Waiter.name.fget):
        monkeypatch.setattr(function, "__module__", module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert sorted(complaints(module.__name__)) == sorted(
        [
            f"{module.__name__}: no docstring",
            "cli.planted.Waiter: text is not described",
            "cli.planted.Waiter: other is described, and is no parameter",
            "cli.planted.Waiter: the unit of pause is not told",
            "cli.planted.Waiter: ConfigurationError is raised, and not told",
            "cli.planted.Waiter.age: the unit of what it returns is not told",
            "cli.planted.Waiter.name: no docstring",
            "cli.planted.Waiter.look: names is not described",
            "cli.planted.Entry: no docstring",
            "cli.planted.Entry: name is not described",
            "cli.planted.Entry: size is not described",
            "cli.planted.Entry: the unit of size is not told",
            "cli.planted.told: raises NoSuchError, which is no error",
            "cli.planted.command: other is not described",
        ]
    )
