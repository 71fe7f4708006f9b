"""Build commands from functions that take a verb's parameters as one object."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from hubslice.core.parameters import Argument, Option, Parameter, Params, PythonOnly, parameters
from hubslice.terminal.options import JsonOption, QuietOption

OUTPUT = {"as_json": JsonOption, "quiet": QuietOption}  # only affect printing; no command has to read them


@dataclass(frozen=True)
class Before:
    """The parameter before which the help shows a command-only one; by default it is shown at the end."""

    name: str


def command(run: Callable[..., None]) -> Callable[..., None]:
    """Convert `run` to a function for Typer with the fields of its parameter object and its own options.

    The first parameter of `run` is a `Params`; those after it are command-only options. Required ones come first, then
    all in field order, then `--json` and `--quiet`.
    """
    hints = get_type_hints(run, include_extras=True)
    first, *own = inspect.signature(run).parameters.values()
    kind: type[Params] = hints[first.name]
    shared = [each for each in parameters(kind) if not isinstance(each.about, PythonOnly)]
    shown = sorted(shared, key=_may_be_left_out)
    for each in own:
        plain, about, *places = get_args(hints[each.name])
        names = [other.name for other in shown]
        at = names.index(places[0].name) if places else len(names)
        shown.insert(at, Parameter(each.name, plain, each.default, False, about))

    def call(**given: Any) -> None:
        options = {each.name: given[each.name] for each in own}
        run(kind(**_values(shared, given)), **options)

    signature = inspect.Signature([*map(_declared, shown), *(_keyword(*each, False) for each in OUTPUT.items())])
    call.__signature__ = signature  # type: ignore[attr-defined]
    call.__name__, call.__doc__, call.__annotations__ = run.__name__, run.__doc__, {}
    return call


def _values(shared: list[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values given on the command line; omitted ones are left out if they have a default."""
    found: dict[str, Any] = {}
    for each in shared:
        value = given[each.name]
        if value is not None:
            found[each.name] = value if each.about.read is None else each.about.read(value)
        elif each.default is MISSING:
            found[each.name] = () if each.many else None
    return found


def _may_be_left_out(each: Parameter) -> bool:
    needed = each.about.needed if isinstance(each.about, Argument) else True
    return each.default is not MISSING or NoneType in each.kinds or not needed


def _declared(each: Parameter) -> inspect.Parameter:
    """Return the parameter as Typer expects it."""
    about, kind, default = each.about, _read_as(each), each.default
    if default is MISSING:
        default = None if _may_be_left_out(each) else inspect.Parameter.empty
    elif kind != each.type and not isinstance(default, str):
        default = None  # the class has the default
    if default is None:
        kind = kind | None
    taken: Any
    if isinstance(about, Option):
        taken = typer.Option(
            *filter(None, (each.flag, about.short)),
            metavar=about.metavar,
            help=about.help,
            min=about.min,
            max=about.max,
            exists=about.exists,
        )
    else:
        taken = typer.Argument(metavar=about.metavar, help=about.help, exists=about.exists)
    return _keyword(each.name, Annotated[kind, taken], default)


def _keyword(name: str, kind: Any, default: object) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)


def _read_as(each: Parameter) -> Any:
    """Return the type as which Typer reads the text: a list for repeatable options."""
    if each.about.read is not None:
        return list[str] if all(get_origin(kind) is Mapping for kind in each.kinds if kind is not NoneType) else str
    path = Path if each.about.path or each.about.exists else str
    if each.many:
        return list[path if each.of_paths else get_args(each.kinds[0])[0]]  # type: ignore[misc]
    return path if each.of_paths else each.type
