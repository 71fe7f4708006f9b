"""Convert the values of a label column to class names, and sort the classes."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from hubslice.core.escaping import named
from hubslice.task.aside import tell

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_NONE = (-1, -100)  # -100 is ignored by PyTorch's losses
_NO_NUMBER = frozenset({"nan", "-nan", "<na>", "-1", "-1.0", "-100", "-100.0"})  # missing values stored as text
_NOTHING = _NO_NUMBER | {"none", "null", "na", "n/a"}


def class_name(value: object) -> str | None:
    """Return the class name of a label; None if it means that there is none.

    Whole numbers are named as integers. None, NaN, infinity, -1, -100 and empty text mean that there is no label.
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
    """Return `class_name` of every label; if all text is numeric, text for -1, -100 and NaN means no label."""
    names = [class_name(value) for value in column]
    missing = {name for name in set(names) if name is not None and name.strip().casefold() in _NO_NUMBER}
    others = set(names) - missing - {None}
    if missing and others and all(name is not None and _NUMBER.fullmatch(name.strip()) for name in others):
        return [None if name in missing else name for name in names]
    return names


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return the unique names, sorted as numbers if all are numeric, else by code point, independent of the locale.

    Thus for labels 0 to n - 1, stored as numbers, text or folder names, label n gets class index n.
    """
    every = set(names)
    if all(_NUMBER.fullmatch(name) for name in every):
        return tuple(sorted(every, key=lambda name: (float(name) if "." in name else int(name), name)))
    return tuple(sorted(every))


def normal(name: str) -> str:
    """Normalise the name to Unicode NFC: macOS writes `é` as two characters, others as one."""
    return unicodedata.normalize("NFC", name)


def tell_alike(names: Iterable[str], source: str) -> None:
    """Warn about classes that differ only in case, spaces or hyphens."""
    alike = defaultdict(list)
    for name in dict.fromkeys(names):
        alike[re.sub(r"[\s_-]+", " ", normal(name)).strip().casefold()].append(name)
    for group in alike.values():
        if len(group) > 1:
            told = ", ".join(f"'{named(name)}'" for name in group)
            tell(f"{source}: {told} are {len(group)} classes, whose names differ by capitals, spaces or hyphens only")


def tell_nothing(names: Iterable[str], source: str) -> None:
    """Warn about classes whose names are commonly written for missing labels."""
    for name in dict.fromkeys(names):
        if name.strip().casefold() in _NOTHING:
            tell(f"{source}: '{named(name)}' is taken for a class; if it means that there is no label, remove its rows")
