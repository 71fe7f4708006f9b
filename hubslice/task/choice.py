"""A smaller task out of a larger one: some of its classes, or some against all others."""

from __future__ import annotations

import numpy as np


def only(targets: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The samples of these classes: their places and new class indices, int64 [n] each.

    `targets` are class indices, int64 [samples]; the n-th of `classes` becomes class n.
    """
    matches = targets[:, None] == classes
    places = np.flatnonzero(matches.any(1))
    return places, matches[places].argmax(1)


def against_rest(targets: np.ndarray, classes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All samples of these classes (now class 0) and as many others (class 1): places and class indices as `only`.

    The others are drawn with the seed, of every other class the same number as far as it has them. Where there are
    fewer others than samples of the classes, all of them are taken.
    """
    wanted = np.isin(targets, classes)
    rng = np.random.default_rng(seed)
    others = rng.permutation(np.flatnonzero(~wanted))
    # Dealt round by round, one of every class, the classes in the order in which the draw names them.
    rounds = np.empty(len(others), dtype=np.int64)
    for target in np.unique(targets[others]):
        own = targets[others] == target
        rounds[own] = np.arange(own.sum())
    drawn = others[np.argsort(rounds, kind="stable")][: wanted.sum()]
    places = np.sort(np.concatenate([np.flatnonzero(wanted), drawn]))
    return places, (~wanted[places]).astype(np.int64)
