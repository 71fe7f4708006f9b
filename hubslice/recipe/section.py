"""The base class of all parts of a recipe, and the distinction of fields that affect results."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

Ratio = Annotated[float, Field(ge=0, le=1)]


class _OnlySpeed:
    """The type of `ONLY_SPEED`."""


# Marks a field that affects a step's speed but never its result: it is part of no step's key and no lock.
ONLY_SPEED: Final = _OnlySpeed()


class Section(BaseModel):
    """Base class of recipe sections, immutable and strict: unknown keys and wrong types are errors.

    Nothing is silently dropped or converted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def decisive(value: BaseModel, *, given: bool = False) -> dict[str, Any]:
    """Return the data without speed-only fields; with `given` only fields that were set."""
    return _without_speed(value, value.model_dump(mode="json", exclude_unset=given))


def only_speed(kind: type[BaseModel]) -> frozenset[str]:
    """Return the dotted names of speed-only fields, including nested sections."""
    found: set[str] = set()
    for name, field in kind.model_fields.items():
        if ONLY_SPEED in field.metadata:
            found.add(name)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= {f"{name}.{below}" for below in only_speed(field.annotation)}
    return frozenset(found)


def _without_speed(value: BaseModel, data: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, plain in data.items():
        field, own = type(value).model_fields.get(name), getattr(value, name)
        if field is not None and ONLY_SPEED in field.metadata:
            continue
        if isinstance(own, BaseModel):
            plain = _without_speed(own, plain)
        elif isinstance(own, tuple) and any(isinstance(item, BaseModel) for item in own):
            pairs = zip(own, plain, strict=True)
            plain = [_without_speed(item, part) if isinstance(item, BaseModel) else part for item, part in pairs]
        kept[name] = plain
    return kept
