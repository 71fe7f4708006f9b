"""A value as text in a table, a list of facts or a message: never as Python would write it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath

from pydantic import BaseModel

from hubslice.core.numbers import number

_FIRST, _FURTHER = 2, 8  # digits of what is next to nothing, and next to all


@dataclass(frozen=True)
class Fixed:
    """A number with so many places, so that columns align. One that only rounds to 0 or to `whole` is told as such."""

    value: float
    places: int = 1
    whole: float | None = None

    def text(self, *, grouped: bool = True) -> str:
        """`12.3`, `<0.1`, or `>99.9` of a whole of 100; where a program may read it, a number in any case."""
        told = f"{self.value:,.{self.places}f}" if grouped else f"{self.value:.{self.places}f}"
        shown, least = float(f"{self.value:.{self.places}f}"), 10.0**-self.places
        near_nothing = self.value > 0 and shown == 0
        near_whole = self.whole is not None and self.value < self.whole and shown == self.whole
        if not grouped and (near_nothing or near_whole):
            return number(self.value, _FURTHER if near_whole else _FIRST, grouped=False)
        if near_nothing:
            return f"<{least:.{self.places}f}"
        if near_whole and self.whole is not None:
            return f">{self.whole - least:.{self.places}f}"
        return told.removeprefix("-") if shown == 0 else told


def percent(share: float) -> Fixed:
    """A share under a heading with %."""
    return Fixed(100 * share, 1, 100)


def mebibytes(size: float) -> Fixed:
    """Bytes under a heading with MiB."""
    return Fixed(size / 2**20, 2)


def is_number(value: object) -> bool:
    """Whether it is shown as a number, which stands at the right of its column."""
    return isinstance(value, int | float | Fixed) and not isinstance(value, bool)


def cell(value: object, *, grouped: bool = True) -> str:
    """The value for people: numbers with the digits that count, `yes` and `no`, lists with commas, nothing for None.

    Where a program may read it, thousands are not `grouped`.
    """
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case int():
            return f"{value:,}" if grouped else str(value)
        case float():
            return number(value, 4, grouped=grouped)
        case Fixed():
            return value.text(grouped=grouped)
        case Enum():
            return cell(value.value, grouped=grouped)
        case PurePath():
            return str(value)
        case list() | tuple():
            return ", ".join(cell(item) for item in value)
        case AbstractSet():
            return ", ".join(sorted(cell(item) for item in value))
    if (pairs := _pairs(value)) is not None:
        return ", ".join(f"{name} {cell(item)}" for name, item in pairs.items())
    if callable(item := getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0:  # a scalar of NumPy or torch
        return cell(item(), grouped=grouped)
    return str(value)


def flat(data: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Names and values, those within others under both names; what is None is left out."""
    for name, value in data.items():
        inner = _pairs(value)
        if inner is not None:
            yield from ((f"{name} {key}", each) for key, each in flat(inner))
        elif value is not None:
            yield name, value


def _pairs(value: object) -> Mapping[str, object] | None:
    """The names and values that it holds, if it is a mapping or a value with fields."""
    if isinstance(value, Mapping):
        return {cell(name): item for name, item in value.items()}
    if isinstance(value, BaseModel):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None
