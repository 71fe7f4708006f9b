"""The parameters of a verb as a value, from which its command and its Python function are made.

    @dataclass(frozen=True)
    class LatencyParams(Params):
        models: Annotated[Sequence[AnyPath], Argument("Hub ids, run folders, model folders or ONNX files.", "MODEL...")]
        _: KW_ONLY
        rounds: Annotated[int, Option("Turns of every model.", "N", min=5)] = 30

`core.function` makes the Python function of it, `terminal.parameters` the command.
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
    """What is said of a parameter.

    Args:
        help: one sentence, which the command's help and the function's documentation show.
        metavar: what the help shows for the value.
        path: whether the value is a path on this machine; a shell completes it then.
        exists: whether something must lie there.
        read: makes the value of a text, or of a list of texts where the field is a mapping.
    """

    help: str
    metavar: str | None = None
    _: KW_ONLY
    path: bool = False
    exists: bool = False
    read: Callable[[Any], object] | None = None


@dataclass(frozen=True, kw_only=True)
class Argument(About):
    """A parameter that the command line takes by its place; where it is not `needed`, only Python does."""

    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class Option(About):
    """A parameter that the command line takes by a flag, by default the field's name, or a `short` one such as `-o`.

    `min` and `max` bound what the command line takes.
    """

    flag: str | None = None
    short: str | None = None
    min: float | None = None
    max: float | None = None


class PythonOnly(About):
    """A parameter that the command line lacks."""


def of_section(
    section: type[BaseModel],
    key: str,
    metavar: str | None = None,
    *,
    read: Callable[[Any], object] | None = None,
    default: bool = False,
) -> Option:
    """An option that is a key of a section: explained by its description, which may end with the `default`.

    Its bounds are the section's to check.
    """
    found = section.model_fields[key]
    told = found.description or ""
    return Option(f"{told.removesuffix('.')}; default: {found.default:g}." if default else told, metavar, read=read)


@dataclass(frozen=True)
class Parameter:
    """A field: its type, and what is said of it; `default` is `MISSING` where it must be given."""

    name: str
    type: Any
    default: Any
    by_place: bool
    about: About

    @property
    def flag(self) -> str:
        """How the command line calls an option."""
        own = self.about.flag if isinstance(self.about, Option) else None
        return own or f"--{self.name.replace('_', '-')}"

    @property
    def kinds(self) -> tuple[Any, ...]:
        """The types of a union, or the one."""
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
    """What the parameters of all verbs share. Paths become text and sequences tuples, of which one text is one, too.

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
    """The parameters of a verb in their order; those that all verbs share are the last."""
    hints = get_type_hints(kind, include_extras=True)
    found = []
    for each in sorted(fields(kind), key=lambda each: each.name in Params.__annotations__):
        plain, about = get_args(hints[each.name])
        found.append(Parameter(each.name, plain, each.default, not each.kw_only, about))
    return tuple(found)


def _mentions(kind: Any, wanted: Any) -> bool:
    return get_origin(kind) is wanted or any(_mentions(inner, wanted) for inner in get_args(kind))
