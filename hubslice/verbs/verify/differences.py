"""Find where two artefacts differ, by dotted path."""

from __future__ import annotations

from math import isclose
from typing import Any

from hubslice.core.cells import cell
from hubslice.core.numbers import number


def differences(claimed: Any, counted: Any, *, tolerance: float = 1e-9, path: str = "") -> list[str]:
    """Return one line for every value in `claimed` (plain data) that differs from that in `counted`.

    Keys that only `counted` has are ignored: an older version did not write them. Floats may differ by `tolerance`.
    """
    if isinstance(claimed, dict) and isinstance(counted, dict):
        found = []
        for key, value in claimed.items():
            found += differences(value, counted.get(key), tolerance=tolerance, path=f"{path}.{key}" if path else key)
        return found
    if isinstance(claimed, list) and isinstance(counted, list) and len(claimed) == len(counted):
        found = []
        for index, (one, other) in enumerate(zip(claimed, counted, strict=True)):
            found += differences(one, other, tolerance=tolerance, path=f"{path}.{_name(one, index)}")
        return found
    if isinstance(claimed, float) and isinstance(counted, float | int):
        same = isclose(claimed, counted, rel_tol=0, abs_tol=tolerance)
    else:
        same = claimed == counted
    return [] if same else [f"{path or 'it'} is {_brief(claimed)}, counted {_brief(counted)}"]


def _name(item: object, index: int) -> str:
    """Name an item of a list by what distinguishes it from its neighbours, if anything does."""
    if isinstance(item, dict):
        names = [item[key] for key in ("name", "arm", "source", "parameter", "kind") if isinstance(item.get(key), str)]
        if names:
            return "/".join(list(dict.fromkeys(names))[:2])
    return str(index)


def _brief(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case str():
            return f"'{value}'"
        case list() | dict():
            return "1 entry" if len(value) == 1 else f"{len(value)} entries"
        case float():
            return number(value, 6)
        case _:
            return cell(value)
