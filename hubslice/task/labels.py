"""From the values of a label column to class names, and the order of classes."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from hubslice.core.escaping import named
from hubslice.task.aside import tell

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NONE = (-1, -100)  # -100 is what PyTorch's losses pass over
_NO_NUMBER = frozenset({"nan", "-nan", "<na>", "-1", "-1.0", "-100", "-100.0"})  # of numbers that were written as text
_NOTHING = _NO_NUMBER | {"none", "null", "na", "n/a"}


def class_name(value: object) -> str | None:
    """The name of the class that a label means; None where it means that there is none.

    Numbers are named as whole numbers where they are whole. No label are None, NaN and infinity, -1, -100, and empty
    text.
    """
    if isinstance(value, bytes):
        value = value.decode(errors="backslashreplace")
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return str(value)
    if value is None or value in _NONE or (isinstance(value, float) and not math.isfinite(value)):
        return None
    text = str(value)
    return text if text.strip() else None


def class_names(column: Iterable[object]) -> list[str | None]:
    """`class_name` of every label; where all text is numbers, text for -1, -100 and NaN means that there is none."""
    names = [class_name(value) for value in column]
    missing = {name for name in set(names) if name is not None and name.strip().casefold() in _NO_NUMBER}
    others = set(names) - missing - {None}
    if missing and others and all(name is not None and _NUMBER.fullmatch(name.strip()) for name in others):
        return [None if name in missing else name for name in names]
    return names


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once: as numbers where all are numbers, else by code point, whatever the locale.

    So of the labels 0 to n - 1, stored as numbers, text or names of folders, n is the class of index n.
    """
    every = set(names)
    if all(_NUMBER.fullmatch(name) for name in every):
        return tuple(sorted(every, key=lambda name: (float(name) if "." in name else int(name), name)))
    return tuple(sorted(every))


def normal(name: str) -> str:
    """The name in Unicode's form NFC: macOS writes `é` as two signs, others as one."""
    return unicodedata.normalize("NFC", name)


def tell_alike(names: Iterable[str], source: str) -> None:
    """Tell of classes that differ by capitals, spaces or hyphens only."""
    alike = defaultdict(list)
    for name in dict.fromkeys(names):
        alike[re.sub(r"[\s_-]+", " ", normal(name)).strip().casefold()].append(name)
    for group in alike.values():
        if len(group) > 1:
            told = ", ".join(f"'{named(name)}'" for name in group)
            tell(f"{source}: {told} are {len(group)} classes, whose names differ by capitals, spaces or hyphens only")


def tell_nothing(names: Iterable[str], source: str) -> None:
    """Tell of classes that are called as tools write that there is no label."""
    for name in dict.fromkeys(names):
        if name.strip().casefold() in _NOTHING:
            tell(f"{source}: '{named(name)}' is taken for a class; if it means that there is no label, remove its rows")
