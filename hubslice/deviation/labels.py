"""Reconcile two models' labels: the same, in another order, or by a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.core.errors import DiffError
from hubslice.models.label_names import LabelNames
from hubslice.recipe.problems import suggest

COMMON, ORDER = "common", "order"
TOLD = 3  # labels listed in a message


@dataclass(frozen=True)
class SharedLabels:
    """The compared labels, and for each class of either model its position among them, -1 for an excluded class."""

    labels: tuple[str, ...]
    a: np.ndarray
    b: np.ndarray
    how: str

    def fold(self, logs: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Convert a model's log probabilities [n, classes] to those of the compared labels [n, labels].

        Probabilities of classes with the same position are added; those of excluded classes are distributed over the
        others.
        """
        if np.array_equal(places, np.arange(len(self.labels))):
            return logs
        found = np.full((len(logs), len(self.labels)), -np.inf)
        for at in np.flatnonzero(places >= 0):
            found[:, places[at]] = np.logaddexp(found[:, places[at]], logs[:, at])
        total: np.ndarray = found - np.logaddexp.reduce(found, axis=1, keepdims=True)
        return total


def share(
    names: tuple[str, str], a: tuple[str, ...], b: tuple[str, ...], mapped: Mapping[str, str] | str | None
) -> SharedLabels:
    """Return the labels of both models, in the first one's order.

    `mapped` is `common` (the labels that both have), `order` (the first of either is the same class, and so on), or
    maps labels of the second model to those of the first; without it the labels must be the same.

    Raises:
        DiffError: the labels differ, or the map does not match them.
    """
    for name, labels in zip(names, (a, b), strict=True):
        if len(labels) < 2:
            raise DiffError(
                f"{name} has {len(labels)} label: it has no other answer", hint="compare classifiers, not regressions"
            )
    places = {label: at for at, label in reversed(list(enumerate(a)))}
    if a == b:
        return SharedLabels(a, np.arange(len(a)), np.arange(len(b)), "the same labels")
    if mapped == ORDER:
        if len(a) != len(b):
            raise DiffError(
                f"{names[0]} has {len(a)} labels and {names[1]} {len(b)}: they cannot be compared in order",
                hint="give --map common, or a file {label of the second model: label of the first}",
            )
        return SharedLabels(a, np.arange(len(a)), np.arange(len(b)), f"labels in order, called as {names[0]} does")
    if mapped is None:
        if len(places) == len(a) == len(b) and set(a) == set(b):
            return SharedLabels(
                a, np.arange(len(a)), np.array([places[label] for label in b]), "the same labels in another order"
            )
        raise _different(names, a, b)
    pairs = (
        {label: label for label in b if label in places} if mapped == COMMON else dict(_checked(mapped, names, a, b))
    )
    kept = tuple(dict.fromkeys(label for label in a if label in set(pairs.values())))
    if len(kept) < 2:
        raise DiffError(
            f"{names[0]} and {names[1]} have {len(kept)} labels in common; two or more can be compared",
            hint="say which label means which: --map FILE with {label of the second model: label of the first}",
        )
    place = {label: at for at, label in enumerate(kept)}
    return SharedLabels(
        kept,
        np.array([place.get(label, -1) for label in a]),
        np.array([place.get(pairs.get(label, ""), -1) for label in b]),
        f"{len(kept)} labels in common; probabilities are of these alone",
    )


def _checked(
    mapped: Mapping[str, str] | str, names: tuple[str, str], a: tuple[str, ...], b: tuple[str, ...]
) -> Mapping[str, str]:
    if isinstance(mapped, str):
        raise DiffError(f"'{mapped}' is no map of labels", hint=f"give {COMMON}, {ORDER}, or a file")
    of_a, of_b = _Called(names[0], a), _Called(names[1], b)
    found: dict[str, str] = {}
    for called, meant in mapped.items():
        own = of_b.label(called)
        if own in found:
            raise DiffError(f"the map of labels names '{own}' of {names[1]} twice", hint="take one of the two out")
        found[own] = of_a.label(meant)
    return found


class _Called:
    """The labels of a model by what a map calls them."""

    def __init__(self, model: str, labels: tuple[str, ...]) -> None:
        self._model, self._labels, self._names = model, labels, LabelNames(labels)

    def label(self, called: str) -> str:
        """The label's own name; the map's name may be that of several labels only where it is the name of all."""
        found = list(dict.fromkeys(self._labels[at] for at in self._names.places(called)))
        if not found:
            raise _unknown(called, self._model, self._labels)
        if len(found) > 1:
            raise DiffError(
                f"the map of labels names '{called}', as {len(found)} labels of {self._model} are called",
                hint=f"give the whole name of the one that is meant: {'; '.join(found[:TOLD])}",
            )
        return found[0]


def _unknown(label: str, name: str, labels: tuple[str, ...]) -> DiffError:
    return DiffError(
        f"the map of labels names '{label}', and {name} has no such label{suggest(label, labels)}",
        hint="the map is {label of the second model: label of the first}",
    )


def _different(names: tuple[str, str], a: tuple[str, ...], b: tuple[str, ...]) -> DiffError:
    only = [[label for label in own if label not in set(other)] for own, other in ((a, b), (b, a))]
    told = "; ".join(
        f"only {name} has {', '.join(labels[:TOLD])}"
        + (f" and {len(labels) - TOLD} more" if len(labels) > TOLD else "")
        for name, labels in zip(names, only, strict=True)
        if labels
    )
    return DiffError(
        f"{names[0]} has {len(a)} labels and {names[1]} {len(b)}, not the same ones"
        + (f": {told}" if told else ": some are there twice"),
        hint="compare those in common with --map common, in order with --map order, or say which means which with "
        "--map FILE, JSON {label of the second model: label of the first}",
    )
