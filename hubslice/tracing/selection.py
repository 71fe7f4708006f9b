"""The compiled selection rules: which predecessors of a neuron count.

A neuron's *field* is the set of its predecessors; c_i is the local contribution of predecessor i to the neuron's
deviation from its mean, float32: for a weighted sum, weight times deviation of the predecessor. The rules only see the
field and return -1, 0 or +1 for each predecessor: the sign of c_i if it is selected, else 0.
"""

from __future__ import annotations

from typing import Literal

import numba
import numpy as np
from pydantic import Field

from hubslice.core.artefact import Artefact

# Inputs are checked to be finite before any kernel sees them. Sums keep their order, products are rounded to float32.
FINITE = {"nnan", "ninf", "nsz"}
RULES = ("threshold", "released", "path")
THRESHOLD, RELEASED, PATH = range(3)
Numbers = tuple[int, np.float32, float, float, bool]


class Selection(Artefact):
    """The rule and its parameters.

    `threshold`: predecessor i is dropped if |c_i| < `theta` x max |c|, taken over the field; `theta` is between 0
    (nothing is dropped) and 1 (only the strongest is kept). The paper says that theta drops the weakest predecessors,
    but not in which unit, and contributions differ by orders of magnitude between layers. Relative to the strongest of
    the field, the threshold has no unit, a field never loses all its predecessors, and no sum is needed: a maximum does
    not depend on the order in which it is taken, so slices do not either.

    `released`: the authors' code (`arg_abs_approx`). With S the sum of the field: nothing is selected if |S| < min |c|
    or |S| < 0.001 max |c|, where positive and negative cancel. Otherwise, with the field sorted by |c|, descending, the
    first prefix whose sum is within `eps` |S| of S ends at some predecessor k, and all with |c_i| > (1 - `bar`) |c_k|
    are selected. A field of one selects it. Sums are float64, in the order of the field, and ties are in that order
    too.

    `path`: EffectivePath (Qiu et al., CVPR 2019), for comparison; the means are then zero (`Means.zeros`). The largest
    c_i, descending, are selected until they make up `theta` of the sum of the field (0.5 as published); if that is not
    positive, only the largest.

    As published, uses of a neuron or weight with opposite signs cancel: one that decides much, but not always in the
    same direction, may vanish. Without `cancel` every use counts +1: contributions are then numbers of uses.
    """

    rule: Literal["threshold", "released", "path"] = "threshold"
    theta: float = Field(0.1, ge=0, le=1)
    eps: float = Field(0.2, gt=0, lt=1)
    bar: float = Field(0.01, ge=0, lt=1)
    cancel: bool = True

    @property
    def numbers(self) -> Numbers:
        """The kernels' arguments: number of the rule, theta, eps, bar, cancel."""
        return RULES.index(self.rule), np.float32(self.theta), self.eps, self.bar, self.cancel


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def select(field, numbers, chosen, order):  # type: ignore[no-untyped-def]
    """Fill `chosen`, int32, for `field`, float32, both [K]; `order`, int32 [K], is workspace."""
    if numbers[0] == PATH:
        _by_path(field, np.float64(numbers[1]), chosen, order)
        return
    largest = _largest(field, order)
    if numbers[0] == RELEASED:
        _by_released_rule(field, largest, numbers, chosen, order)
    else:
        _by_threshold(field, numbers[1] * largest, chosen)
    if not numbers[4]:
        for i in range(field.size):
            chosen[i] = abs(chosen[i])


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _largest(field, order):  # type: ignore[no-untyped-def]
    """Return the largest magnitude. Magnitudes have the order of their bits, and maxima of integers are vectorised."""
    bits = field.view(np.int32)
    found = np.int32(0)
    for i in range(bits.size):
        found = max(found, bits[i] & np.int32(0x7FFFFFFF))
    order[0] = found
    return order.view(np.float32)[0]


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _by_threshold(field, limit, chosen):  # type: ignore[no-untyped-def]
    for i in range(field.size):
        chosen[i] = np.int32(field[i] >= limit) - np.int32(field[i] <= -limit)


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _by_path(field, theta, chosen, order):  # type: ignore[no-untyped-def]
    """Select only positive values: the largest ones suffice to reach any share of a positive sum."""
    total, best, positive = 0.0, 0, 0
    for i in range(field.size):
        chosen[i] = 0
        total += np.float64(field[i])
        if field[i] > field[best]:
            best = i
        if field[i] > 0:
            order[positive] = i
            positive += 1
    if total <= 0:
        chosen[best] = 1
        return
    for root in range(positive // 2 - 1, -1, -1):
        _sift(field, order, root, positive)
    prefix, left = 0.0, positive
    while left > 0 and prefix < theta * total:
        top = order[0]
        chosen[top] = 1
        prefix += np.float64(field[top])
        left -= 1
        order[0] = order[left]
        _sift(field, order, 0, left)


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _by_released_rule(field, largest, numbers, chosen, order):  # type: ignore[no-untyped-def]
    """Sort only as much of the field as the prefix needs: a heap yields its elements one by one."""
    _, _, eps, bar, _ = numbers
    size = field.size
    total, least = 0.0, np.inf
    for i in range(size):
        chosen[i] = 0
        total += np.float64(field[i])
        least = min(least, abs(np.float64(field[i])))
    if size == 1:
        chosen[0] = np.int32(field[0] > 0) - np.int32(field[0] < 0)
        return
    if abs(total) < least or abs(total) < 1e-3 * np.float64(largest):
        return
    for i in range(size):
        order[i] = i
    for root in range(size // 2 - 1, -1, -1):
        _sift(field, order, root, size)
    prefix, left, last = 0.0, size, np.float64(0.0)
    while left > 0:
        top = order[0]
        prefix += np.float64(field[top])
        last = abs(np.float64(field[top]))
        left -= 1
        order[0] = order[left]
        _sift(field, order, 0, left)
        if abs(prefix - total) < eps * abs(total):
            break
    limit = (1.0 - bar) * last
    for i in range(size):
        if abs(np.float64(field[i])) > limit:
            chosen[i] = np.int32(field[i] > 0) - np.int32(field[i] < 0)


@numba.njit(nogil=True, cache=True, fastmath=FINITE, inline="always")
def _sift(field, order, root, size):  # type: ignore[no-untyped-def]
    """Sift `order[root]` down in the heap: larger magnitudes first, ties by lower index."""
    moving = order[root]
    weight = abs(field[moving])
    while True:
        child = 2 * root + 1
        if child >= size:
            break
        if child + 1 < size and _before(field, order[child + 1], order[child]):
            child += 1
        other = order[child]
        heavier = abs(field[other])
        if heavier < weight or (heavier == weight and other > moving):
            break
        order[root] = other
        root = child
    order[root] = moving


@numba.njit(nogil=True, cache=True, fastmath=FINITE, inline="always")
def _before(field, first, second):  # type: ignore[no-untyped-def]
    a, b = abs(field[first]), abs(field[second])
    return a > b or (a == b and first < second)
