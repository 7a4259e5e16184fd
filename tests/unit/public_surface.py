"""What of the package is public, and what its docstrings must say."""

from __future__ import annotations

import ast
import builtins
import contextlib
import dataclasses
import enum
import functools
import importlib
import inspect
import pkgutil
import re
import textwrap
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.models import ParameterInfo

import airflow_provider_icsftps as package
from airflow_provider_icsftps import exceptions

_FIELD = re.compile(r"^:(param|raises) ([^:]+):(.*?)(?=^:|\Z)", re.DOTALL | re.MULTILINE)
_UNIT = re.compile(r"second|minute|hour|day|byte|character|\bKB\b|\bMB\b|per cent", re.IGNORECASE)
_SIZE = re.compile(r"(^|_)(size|bytes|length)($|_)")
_POSSIBLE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclasses.dataclass(frozen=True)
class Described:
    """
    A public class, function, method or property, and where it is described.

    :param name: how to call it in a complaint.
    :param doc: its own docstring.
    :param parameters: those that it must describe.
    :param known: those that it may describe.
    :param results: what it returns, for properties and functions.
    :param raised: names of our errors that stand in its own raise statements.
    :param namespace: where the names in it come from.
    """

    name: str
    doc: str
    parameters: dict[str, inspect.Parameter] = dataclasses.field(default_factory=dict)
    known: frozenset[str] = frozenset()
    results: Any = None
    raised: frozenset[str] = frozenset()
    namespace: dict[str, Any] = dataclasses.field(default_factory=dict)

    def fields(self, kind: str) -> dict[str, str]:
        """Return what stands behind ``:param x:`` or ``:raises X:``, by x."""
        found = _FIELD.findall(self.doc)
        return {name.split()[-1]: " ".join(text.split()) for field, name, text in found if field == kind}


def public_modules() -> list[str]:
    """Name every module without an underscore in any part."""
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    names = [module.name for module in found if not any(part.startswith("_") for part in module.name.split("."))]
    return [package.__name__, *names]


def public_names(module: ModuleType) -> dict[str, Any]:
    """Return what a module offers: the names in ``__all__``, else what it defines itself without an underscore."""
    if hasattr(module, "__all__"):
        return {name: getattr(module, name) for name in module.__all__}
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    }


def described_in(module: ModuleType) -> Iterator[Described]:
    """Go through all that a module offers, but for what comes from another public module."""
    yield Described(module.__name__, module.__doc__ or "")
    elsewhere = {*public_modules()} - {module.__name__}
    for name, value in public_names(module).items():
        if getattr(value, "__module__", None) in elsewhere:
            continue
        called = f"{module.__name__.removeprefix(f'{package.__name__}.')}.{name}"
        if inspect.isclass(value):
            yield from _class(called, value)
        elif hasattr(value, "_fixture_function_marker"):  # pytest fills in what a fixture takes
            yield Described(called, value.__doc__ or "")
        elif inspect.isroutine(value):
            yield _function(called, value)


def bare_constants(module: ModuleType) -> list[str]:
    """Name what a module offers by ``__all__`` and that has neither a docstring nor a ``#:`` line above it."""
    offered = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    constants = [name for name, value in offered.items() if not inspect.isclass(value) and not inspect.isroutine(value)]
    texts = [path.read_text(encoding="utf-8") for path in Path(package.__path__[0]).rglob("*.py")]
    return [
        name
        for name in constants
        if not any(re.search(rf"^#: .+\n(#.*\n)*{name}\b", text, re.MULTILINE) for text in texts)
    ]


def unoffered(module: ModuleType) -> list[tuple[str, str, str]]:
    """Name the classes of ours that what a module offers takes, gives or has, and that it does not offer itself."""
    offered = public_names(module)
    return [
        (called, value, kind.__name__)
        for name, thing in offered.items()
        for called, function in _functions(name, thing)
        for value, annotation in typing.get_type_hints(function).items()
        for kind in _classes_in(annotation)
        if kind.__module__.startswith(module.__name__) and kind not in offered.values()
    ]


def _functions(name: str, thing: Any) -> Iterator[tuple[str, Any]]:
    if inspect.isfunction(thing):
        yield name, thing
    for base in thing.__mro__ if inspect.isclass(thing) and not issubclass(thing, enum.Enum) else ():
        for key, member in vars(base).items() if base.__module__.startswith(package.__name__) else ():
            function = getattr(member, "fget", None) or getattr(member, "func", None) or member
            function = inspect.unwrap(getattr(function, "__func__", function))
            if inspect.isfunction(function) and (key == "__init__" or not key.startswith("_")):
                yield name if key == "__init__" else f"{name}.{key}", function


def _classes_in(annotation: Any) -> Iterator[type]:
    if inspect.isclass(annotation):
        yield annotation
    for part in annotation if isinstance(annotation, list) else typing.get_args(annotation):
        yield from _classes_in(part)


def complaints(module: str) -> list[str]:
    """Say what is wrong with the docstrings of a module."""
    return [
        f"{one.name}: {complaint}"
        for one in described_in(importlib.import_module(module))
        for rule in RULES
        for complaint in rule(one)
    ]


# ------------------------------------------------------------ the rules


def has_docstring(one: Described) -> Iterator[str]:
    if not one.doc.strip():
        yield "no docstring"


def describes_parameters(one: Described) -> Iterator[str]:
    told = one.fields("param")
    for name, parameter in one.parameters.items():
        if not (told.get(name) or _help_of(parameter)):
            yield f"{name} is not described"
    for name in told.keys() - one.known:
        yield f"{name} is described, and is no parameter"


def tells_units(one: Described) -> Iterator[str]:
    """A number with a fraction is a time here, or says what it is; a size is in bytes or characters."""
    told = one.fields("param")
    for name, parameter in one.parameters.items():
        kind = re.sub(r"Callable\[.*\]", "", str(parameter.annotation))
        is_measure = "float" in kind or (_SIZE.search(name) and re.search(r"\bint\b", kind))
        if is_measure and not _UNIT.search(f"{name} {told.get(name, '')} {_help_of(parameter)}"):
            yield f"the unit of {name} is not told"
    if str(one.results) == "float" and not _UNIT.search(f"{one.name} {one.doc}"):
        yield "the unit of what it returns is not told"


def tells_errors(one: Described) -> Iterator[str]:
    told = one.fields("raises")
    for name in told:
        if not _is_error(name, one.namespace):
            yield f"raises {name}, which is no error"
    for name in one.raised:
        ours = getattr(exceptions, name)
        if not any(parent.__name__ in told for parent in ours.__mro__):
            yield f"{name} is raised, and not told"


RULES: tuple[Callable[[Described], Iterator[str]], ...] = (
    has_docstring,
    describes_parameters,
    tells_units,
    tells_errors,
)


def templated(operator: type) -> set[str]:
    """Return the parameters that an operator's docstring says are templated."""
    told = Described(operator.__name__, inspect.cleandoc(operator.__doc__ or "")).fields("param")
    return {name for name, text in told.items() if "(templated)" in text}


# ------------------------------------------------------------ how to find what they are about


def _class(called: str, cls: type) -> Iterator[Described]:
    own = [base for base in cls.__mro__ if base.__module__.startswith(package.__name__)]
    doc = inspect.cleandoc(vars(cls).get("__doc__") or "")
    if doc.startswith(f"{cls.__name__}("):
        doc = ""  # what dataclasses write where nobody wrote anything
    # what a public base describes need not be said again; a private one has no page of its own
    bare = [base for base in own if base is cls or base.__name__.startswith("_")]
    theirs = _constructor([base for base in cls.__mro__ if base not in own])
    needed = {name: parameter for name, parameter in _constructor(bare).items() if name not in theirs}
    raised = frozenset[str]().union(*(_raised(vars(cls).get(name)) for name in ("__init__", "__post_init__")))
    known = frozenset(_constructor(list(cls.__mro__)))
    yield Described(called, doc, needed, known, raised=raised, namespace=vars(inspect.getmodule(cls)))
    members = {name: member for base in reversed(bare) for name, member in vars(base).items()}
    for name, member in members.items():
        if not name.startswith("_") and not isinstance(member, enum.Enum):
            found = _member(f"{called}.{name}", cls, name, member)
            if found is not None:
                yield found


def _constructor(classes: list[type]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a class's constructor, and of those that its ``**kwargs`` go on to."""
    found: dict[str, inspect.Parameter] = {}
    for cls in classes:
        if issubclass(cls, enum.Enum) or "__init__" not in vars(cls) or getattr(cls, "_is_protocol", False):
            continue
        parameters = _parameters(vars(cls)["__init__"])
        found = parameters | found
    return found


def _member(called: str, cls: type, name: str, member: Any) -> Described | None:
    if isinstance(member, property | functools.cached_property):
        getter = member.fget if isinstance(member, property) else member.func
        return Described(called, inspect.cleandoc(getter.__doc__ or ""), results=_result(getter))
    function = getattr(member, "__func__", member)
    if not inspect.isfunction(function) or function.__name__ != name:  # another name for one that is described
        return None
    described = _function(called, function)
    inherited = {
        parameter
        for base in cls.__mro__[1:]
        if name in vars(base) and not base.__module__.startswith(package.__name__)
        for parameter in _parameters(vars(base)[name])
    }
    # what Airflow asks for is described by Airflow
    needed = {key: value for key, value in described.parameters.items() if key not in inherited}
    return dataclasses.replace(described, parameters=needed)


def _function(called: str, function: Any) -> Described:
    plain = inspect.unwrap(function)
    parameters = _parameters(plain)
    known = frozenset(inspect.signature(plain).parameters)
    is_command = any(_help_of(parameter) for parameter in parameters.values())  # its errors are exit codes
    raised = frozenset() if is_command else _raised(plain)
    doc = inspect.cleandoc(plain.__doc__ or "")
    return Described(called, doc, parameters, known, _result(plain), raised, plain.__globals__)


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that somebody gives by hand."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {}
    found = {
        name: parameter
        for name, parameter in signature.parameters.items()
        if parameter.kind in _POSSIBLE and not name.startswith("_") and name not in {"self", "cls"}
    }
    if not getattr(function, "__module__", "").startswith(f"{package.__name__}.cli"):
        return found
    return {name: parameter.replace(annotation=_meant(parameter, function)) for name, parameter in found.items()}


def _meant(parameter: inspect.Parameter, function: Any) -> Any:
    """Return an annotation with what a command says in it; as text where that imports nothing at run time."""
    with contextlib.suppress(NameError):
        return eval(parameter.annotation, function.__globals__)
    return parameter.annotation


def _result(function: Any) -> Any:
    return getattr(function, "__annotations__", {}).get("return")


def _help_of(parameter: inspect.Parameter) -> str:
    """Return what a command's ``--help`` says about a parameter."""
    given = (*getattr(parameter.annotation, "__metadata__", ()), parameter.default)
    return next((info.help or "" for info in given if isinstance(info, ParameterInfo)), "")


def _raised(function: Any) -> frozenset[str]:
    """Return the names of our errors in a function's own raise statements."""
    if not inspect.isfunction(function) or not function.__module__.startswith(package.__name__):
        return frozenset()
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    except OSError:  # a constructor that dataclasses wrote
        return frozenset()
    return frozenset(
        node.exc.func.id
        for node in _own_nodes(tree)
        if isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Call)
        and isinstance(node.exc.func, ast.Name)
        and hasattr(exceptions, node.exc.func.id)
    )


def _own_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Go through a function without the functions in it, and without what makes Airflow's error of ours."""
    for node in ast.iter_child_nodes(tree):
        is_other = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        is_converted = isinstance(node, ast.With) and "fail_without_retry()" in ast.unparse(node.items[0])
        if not is_other and not is_converted:
            yield node
            yield from _own_nodes(node)


def _is_error(name: str, namespace: dict[str, Any]) -> bool:
    """Say whether a name is that of an error: one that is known where it is told, one of ours, or Python's."""
    module, _, last = name.rpartition(".")
    if module:
        found = getattr(namespace.get(module), last, None)
    else:
        found = namespace.get(name) or getattr(exceptions, name, None) or getattr(builtins, name, None)
    return inspect.isclass(found) and issubclass(found, BaseException)
