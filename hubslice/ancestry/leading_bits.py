"""Agreement when of all weights the leading bits alone are obtained, with the teacher at hand and without it.

Training changes low-order bits first, and of these the lowest hardly count. So whoever knows the teacher needs few bits
of each weight: those from the highest that may have changed down to where answers no longer depend on them. Somebody
without the teacher stops there, too, but has to begin at the sign. "Revealing Secrets From Pre-trained Models" (arXiv
2207.09539) obtains whole layers; this second way is ours, and usually the cheaper one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.ancestry.exposure import WORD, State, changed_bits
from hubslice.artefacts.exposure import Leading

FRACTION = 23  # bits of a float32's fraction; before them its sign and the 8 bits of its exponent
STEPS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, FRACTION)  # how many of them are obtained


def leading(
    network: nn.Module, student: State, known: State, right: Tensor, answers: Callable[[], Tensor]
) -> Iterator[Leading]:
    """Agreement with the student's `right` answers by how many bits of the fractions are obtained, from none to all.

    `known` are the teacher's tensors; without any the bits begin at the sign. `answers` gives the network's answers to
    all inputs; the network ends with other weights than it had.
    """
    for fraction in STEPS:
        state, bits = obtained(student, known, fraction)
        network.load_state_dict(state)
        agreeing = float((answers() == right).float().mean())
        yield Leading(fraction=fraction, bits=round(bits, 6), agreement=round(agreeing, 6))


def obtained(student: State, known: State, fraction: int) -> tuple[dict[str, Tensor], float]:
    """The student as far as it is known then, and the share of its bits that had to be obtained."""
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
    """float32 without the lowest `left` bits of the student's, and how many of its bits that took.

    Whoever has the teacher's value is taken to know where it begins to differ, and keeps it where it does not. What is
    left out lies in the middle of what it may be; zeros and infinities stay what they are.
    """
    words = mine.view(np.uint32)
    cut = words >> np.uint32(left) << np.uint32(left)
    if left:
        cut = np.where((mine == 0) | ~np.isfinite(mine), words, cut | np.uint32(1 << (left - 1)))
    if theirs is None:
        return cut.view(np.float32), (WORD - left) * mine.size
    spent = np.maximum(0, changed_bits(mine, theirs) - left)
    return np.where(spent == 0, theirs.view(np.uint32), cut).view(np.float32), int(spent.sum())
