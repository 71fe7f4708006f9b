"""A model's labels by what people call them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hubslice.core.errors import ExplainError
from hubslice.recipe.problems import suggest

IMAGENET = 1000


class LabelNames:
    """The places of labels by name: as it is written, else in any case, else one of those that commas separate in it.

    `tench`, `Tench` and `Tinca tinca` are all found in `tench, Tinca tinca`.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._tables: list[dict[str, list[int]]] = [defaultdict(list) for _ in range(3)]
        for place, label in enumerate(labels):
            lowered = label.strip().lower()
            parts = dict.fromkeys(part.strip() for part in lowered.split(",") if part.strip())
            for table, names in zip(self._tables, ((label,), (lowered,), parts), strict=True):
                for name in names:
                    table[name].append(place)

    def places(self, called: str) -> list[int]:
        """Where the labels of this name are; several where several are called so, none where none is."""
        lowered = called.strip().lower()
        found = (table.get(name, []) for table, name in zip(self._tables, (called, lowered, lowered), strict=True))
        return next((places for places in found if places), [])


def find_label(labels: Sequence[str], wanted: str) -> int:
    """Index of a label: by its name, or by its number.

    Raises:
        ExplainError: there is no such label, or several are called so.
    """
    places = LabelNames(labels).places(wanted)
    if len(places) == 1:
        return places[0]
    if places:
        raise ExplainError(
            f"{len(places)} labels of the model are called '{wanted}'",
            hint=f"give the number of the one that is meant: {', '.join(map(str, places))}",
        )
    number = wanted.strip()
    if number.isdecimal() and int(number) < len(labels):
        return int(number)
    told = ", ".join(labels[:5]) + (f" and {len(labels) - 5:,} more" if len(labels) > 5 else "")
    raise ExplainError(
        f"the model has no label '{wanted}'{suggest(wanted, labels)}",
        hint=f"its labels are {told}; a number from 0 to {len(labels) - 1} works, too",
    )


def readable(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Replace labels by ImageNet's class names if they are the bare numbers of its 1,000 classes."""
    if len(labels) != IMAGENET or any(label != str(at) for at, label in enumerate(labels)):
        return labels
    from timm.data import ImageNetInfo

    info = ImageNetInfo()
    return tuple(str(info.index_to_description(at)) for at in range(IMAGENET))


def labels_of(config: Any) -> tuple[tuple[str, ...], list[str]]:
    """Return the classes of a transformers config in output order, and the assumptions made."""
    given = config.id2label or {index: f"LABEL_{index}" for index in range(config.num_labels)}
    names = {int(index): str(name) for index, name in given.items()}
    found = tuple(names[index] for index in sorted(names))
    if sorted(names) == list(range(len(names))):
        return found, []
    return found, [
        f"config.json numbers its {len(names)} classes {min(names)} to {max(names)}, and outputs are counted from 0: "
        f"they were taken in this order, the first output for {found[0]!r}"
    ]
