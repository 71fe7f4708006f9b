"""Derive a smaller task from a larger one: some of its classes, or some against the rest."""

from __future__ import annotations

import numpy as np


def only(targets: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Select the samples of these classes: their positions and new class indices, int64 [n] each.

    `targets` are class indices, int64 [samples]; the n-th of `classes` becomes class n.
    """
    matches = targets[:, None] == classes
    places = np.flatnonzero(matches.any(1))
    return places, matches[places].argmax(1)


def against_rest(targets: np.ndarray, classes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Select all samples of these classes (new class 0) and equally many others (class 1).

    Returns positions and class indices as in `only`. The others are drawn with the seed, the same number from every
    other class as far as it has enough. If there are fewer others than samples of the classes, all of them are used.
    """
    wanted = np.isin(targets, classes)
    rng = np.random.default_rng(seed)
    others = rng.permutation(np.flatnonzero(~wanted))
    # Deal round by round, one sample of every class, with the classes in the drawn order.
    rounds = np.empty(len(others), dtype=np.int64)
    for target in np.unique(targets[others]):
        own = targets[others] == target
        rounds[own] = np.arange(own.sum())
    drawn = others[np.argsort(rounds, kind="stable")][: wanted.sum()]
    places = np.sort(np.concatenate([np.flatnonzero(wanted), drawn]))
    return places, (~wanted[places]).astype(np.int64)
