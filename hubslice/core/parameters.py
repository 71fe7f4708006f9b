"""The parameters of a verb as a dataclass, from which its command and its Python function are built.

    @dataclass(frozen=True)
    class LatencyParams(Params):
        models: Annotated[Sequence[AnyPath], Argument("Hub ids, run folders, model folders or ONNX files.", "MODEL...")]
        _: KW_ONLY
        rounds: Annotated[int, Option("Turns of every model.", "N", min=5)] = 30

`core.function` builds the Python function from it, `terminal.parameters` the command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from hubslice.core.paths import as_text
from hubslice.core.progress import Reporter


@dataclass(frozen=True)
class About:
    """The description of a parameter.

    Args:
        help: one sentence, shown by the command's help and the function's docstring.
        metavar: placeholder for the value in the help.
        path: whether the value is a local path, which shell completion then completes.
        exists: whether the path must exist.
        read: converts a text, or a list of texts where the field is a mapping, to the value.
    """

    help: str
    metavar: str | None = None
    _: KW_ONLY
    path: bool = False
    exists: bool = False
    read: Callable[[Any], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Argument(About):
    """A positional parameter of the command line; if it is not `needed`, only Python requires it."""

    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class Option(About):
    """A flag of the command line, named after the field by default, with an optional `short` name such as `-o`.

    `min` and `max` bound the values that the command line accepts.
    """

    flag: str | None = None
    short: str | None = None
    min: float | None = None
    max: float | None = None


class PythonOnly(About):
    """A parameter that the command line does not have."""


def of_section(
    section: type[BaseModel],
    key: str,
    metavar: str | None = None,
    *,
    read: Callable[[Any], object] | None = None,
    default: bool = False,
) -> Option:
    """Return an option for a key of a recipe section, with its description as help.

    The help may end with the `default`. The section itself checks its bounds.
    """
    found = section.model_fields[key]
    told = found.description or ""
    return Option(f"{told.removesuffix('.')}; default: {found.default:g}." if default else told, metavar, read=read)


@dataclass(frozen=True)
class Parameter:
    """A field with its type and description; `default` is `MISSING` if it is required."""

    name: str
    type: Any
    default: Any
    by_place: bool
    about: About

    @property
    def flag(self) -> str:
        """The option's flag on the command line."""
        own = self.about.flag if isinstance(self.about, Option) else None
        return own or f"--{self.name.replace('_', '-')}"

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The members of a union type, or the type itself."""
        return get_args(self.type) if get_origin(self.type) in (Union, UnionType) else (self.type,)

    @property
    def many(self) -> bool:
        """Whether it is a sequence."""
        return any(get_origin(kind) is Sequence for kind in self.kinds)

    @property
    def of_paths(self) -> bool:
        """Whether it is a path, or a sequence of paths."""
        return _mentions(self.type, os.PathLike)


@dataclass(frozen=True, kw_only=True)
class Params:
    """Base class of the parameters of all verbs.

    Paths are converted to text and sequences to tuples; a single text becomes a tuple of one.

    Raises:
        InputError: a path is empty.
    """

    reporter: Annotated[Reporter | None, PythonOnly("Is told of the progress.")] = field(
        default=None, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        for each in parameters(type(self)):
            value = getattr(self, each.name)
            if each.many and value is not None:
                value = tuple([value] if isinstance(value, str | os.PathLike) else value)
                value = tuple(map(as_text, value)) if each.of_paths else value
            elif each.of_paths and isinstance(value, str | os.PathLike):
                value = as_text(value)
            object.__setattr__(self, each.name, value)


def parameters(kind: type[Params]) -> tuple[Parameter, ...]:
    """Return the parameters of a verb in their order, with those of the base class last."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for each in sorted(fields(kind), key=lambda each: each.name in Params.__annotations__):
        plain, about = get_args(hints[each.name])
        found.append(Parameter(each.name, plain, each.default, not each.kw_only, about))
    return tuple(found)


def _mentions(kind: Any, wanted: Any) -> bool:
    return get_origin(kind) is wanted or any(_mentions(inner, wanted) for inner in get_args(kind))
