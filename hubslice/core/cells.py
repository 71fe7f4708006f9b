"""Format a value as text for a table, a list of facts or a message, without Python's own notation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import PurePath

from pydantic import BaseModel

from hubslice.core.numbers import number

_FIRST, _FURTHER = 2, 8  # significant digits of a value close to 0, and of one close to `whole`


@dataclass(frozen=True)
class Fixed:
    """A number with a fixed number of decimal places, so that columns align.

    A number that only rounds to 0 or to `whole` is shown as such (`<0.1`, `>99.9`).
    """

    value: float
    places: int = 1
    whole: float | None = None

    def text(self, *, grouped: bool = True) -> str:
        """Return `12.3`, `<0.1`, or `>99.9` for a whole of 100; for machine-readable output always a plain number."""
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
    """Format a share for a column headed %."""
    return Fixed(100 * share, 1, 100)


def mebibytes(size: float) -> Fixed:
    """Format bytes for a column headed MiB."""
    return Fixed(size / 2**20, 2)


def is_number(value: object) -> bool:
    """Return whether the value is shown as a number, which is right-aligned in its column."""
    return isinstance(value, int | float | Fixed) and not isinstance(value, bool)


def cell(value: object, *, grouped: bool = True) -> str:
    """Format the value for people, or None as empty text.

    Numbers have significant digits, booleans are `yes` and `no`, lists have commas. Pass `grouped=False` for
    machine-readable output, which has no thousands separators.
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
    if callable(item := getattr(value, "item", None)) and getattr(value, "ndim", 0) == 0:  # a NumPy or torch scalar
        return cell(item(), grouped=grouped)
    return str(value)


def flat(data: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield names and values; nested ones get the names of both levels, and None is left out."""
    for name, value in data.items():
        inner = _pairs(value)
        if inner is not None:
            yield from ((f"{name} {key}", each) for key, each in flat(inner))
        elif value is not None:
            yield name, value


def _pairs(value: object) -> Mapping[str, object] | None:
    """Return the names and values of a mapping or of an object with fields, else None."""
    if isinstance(value, Mapping):
        return {cell(name): item for name, item in value.items()}
    if isinstance(value, BaseModel):
        return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None
