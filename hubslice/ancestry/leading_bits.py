"""Measure agreement if only the leading bits of all weights are obtained, with and without the teacher.

Training changes low-order bits first, and of these the lowest hardly matter. An attacker who knows the teacher needs
few bits of each weight: from the highest that may have changed down to where predictions no longer depend on them. An
attacker without the teacher stops at the same bit, but has to start at the sign. "Revealing Secrets From Pre-trained
Models" (arXiv 2207.09539) obtains whole layers; this second way is hubslice's own, and usually the cheaper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.ancestry.exposure import WORD, State, changed_bits
from hubslice.artefacts.exposure import Leading

FRACTION = 23  # bits of a float32's fraction, which follow its sign and the 8 bits of its exponent
STEPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, FRACTION)  # numbers of fraction bits obtained


def leading(
    network: nn.Module, student: State, known: State, right: Tensor, answers: Callable[[], Tensor]
) -> Iterator[Leading]:
    """Yield agreement with the student's `right` predictions by the number of fraction bits obtained, from none to all.

    `known` are the teacher's tensors; without any the bits start at the sign. `answers` returns the network's
    predictions for all inputs; the network's weights are changed.
    """
    for fraction in STEPS:
        state, bits = obtained(student, known, fraction)
        network.load_state_dict(state)
        agreeing = float((answers() == right).float().mean())
        yield Leading(fraction=fraction, bits=round(bits, 6), agreement=round(agreeing, 6))


def obtained(student: State, known: State, fraction: int) -> tuple[dict[str, Tensor], float]:
    """Return the student as far as it is known then, and the share of its bits that had to be obtained."""
    state, bits, weights = dict(student), 0, 0
    for name, tensor in student.items():
        if not tensor.is_floating_point():
            continue
        mine = tensor.float().reshape(-1).numpy()
        theirs = known[name].float().reshape(-1).numpy() if name in known else None
        values, spent = _values(mine, theirs, FRACTION - fraction)
        state[name] = torch.from_numpy(values).reshape(tensor.shape).to(tensor.dtype)
        bits, weights = bits + spent, weights + tensor.numel()
    return state, bits / (WORD * weights)


def _values(mine: np.ndarray, theirs: np.ndarray | None, left: int) -> tuple[np.ndarray, int]:
    """Return float32 values without the lowest `left` bits of the student's, and the number of bits obtained.

    An attacker with the teacher's value is assumed to know where the student's begins to differ, and keeps the
    teacher's if it does not. Omitted bits are replaced by the middle of their range; zeros and infinities are kept.
    """
    words = mine.view(np.uint32)
    cut = words >> np.uint32(left) << np.uint32(left)
    if left:
        cut = np.where((mine == 0) | ~np.isfinite(mine), words, cut | np.uint32(1 << (left - 1)))
    if theirs is None:
        return cut.view(np.float32), (WORD - left) * mine.size
    spent = np.maximum(0, changed_bits(mine, theirs) - left)
    return np.where(spent == 0, theirs.view(np.uint32), cut).view(np.float32), int(spent.sum())
