"""Look up key paths in the schema (sections, keys, choices), read from the pydantic models themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from hubslice.recipe.schema import Recipe
from hubslice.recipe.section import Section
from hubslice.recipe.yaml_source import KeyPath


class Spot(NamedTuple):
    """A key path without pydantic's union tags, the types allowed there and one level up."""

    path: KeyPath
    types: tuple[Any, ...]
    types_above: tuple[Any, ...] = ()

    @property
    def parents(self) -> tuple[type[Section], ...]:
        """The sections that have this key."""
        return Spot((), self.types_above).sections

    @property
    def sections(self) -> tuple[type[Section], ...]:
        """The sections allowed here; several for a choice such as `slice`."""
        return tuple(kind for kind in self.types if isinstance(kind, type) and issubclass(kind, Section))

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed words, if only certain words are allowed."""
        return tuple(word for kind in self.types if get_origin(kind) is Literal for word in get_args(kind))


def locate(location: Sequence[str | int]) -> Spot:
    """Follow one of pydantic's error locations; keys that the schema lacks stay in the path, with no types."""
    path: list[str | int] = []
    types = _alternatives(Recipe)
    above: tuple[Any, ...] = ()
    for part in location:
        sections = Spot((), types).sections
        if len(sections) > 1:  # `part` is the tag of a discriminated union
            types = tuple(section for section in sections if part in tags(section))
        elif sections:
            path.append(part)
            above = types
            known = sections[0].model_fields.get(str(part))
            types = _alternatives(known.annotation) if known else ()
        elif any(get_origin(kind) is dict for kind in types):
            path.append(part)
            types = tuple(inner for kind in types for inner in _alternatives(get_args(kind)[1]))
        elif isinstance(part, int):
            path.append(part)
            types = tuple(
                inner for kind in types if get_origin(kind) is tuple for inner in _alternatives(get_args(kind)[0])
            )
        elif not types:
            path.append(part)
    return Spot(tuple(path), types, above)


def tags(section: type[Section]) -> tuple[str, ...]:
    """Return the words that select this section in a union, e.g. `remos` for `slice.method`."""
    words = (Spot((), _alternatives(known.annotation)).choices for known in section.model_fields.values())
    return tuple(word[0] for word in words if len(word) == 1)


def keys_below_root() -> Iterator[tuple[str, str]]:
    """Yield every (key, dotted path) in the sections of a recipe, to find keys in the wrong place.

    Those of choices, such as the methods of `slice`, come last: most recipes do not use them.
    """
    for recipe in Spot((), _alternatives(Recipe)).sections:
        fields = {name: Spot((), _alternatives(known.annotation)) for name, known in recipe.model_fields.items()}
        for name, spot in sorted(fields.items(), key=lambda field: len(field[1].sections) > 1):
            yield from ((key, f"{name}.{key}") for section in spot.sections for key in section.model_fields)


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """Return the plain types of an annotation: without Annotated, None and union nesting."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return tuple(inner for part in get_args(annotation) for inner in _alternatives(part))
    return () if annotation is type(None) else (annotation,)
