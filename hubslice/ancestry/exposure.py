"""Measure how much a student's teacher reveals of it: changes by layer, and agreement of mixtures of both.

After "Revealing Secrets From Pre-trained Models" (Rafi, Feng, Jeon, arXiv 2207.09539): an attacker who knows the
teacher obtains layers of the student from the head backwards and uses the teacher's weights in the others. How the
paper obtains weights is not implemented; only their value is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.artefacts.exposure import LayerChange, Leading, Mixture, Obtained

_POINTS = 24  # maximum number of points of the curve
WORD = 32  # bits of a weight

State = Mapping[str, Tensor]


class _Point(Protocol):
    @property
    def agreement(self) -> float: ...


P = TypeVar("P", bound=_Point)


def groups_of(student: State, head: frozenset[str]) -> list[tuple[str, list[str]]]:
    """Return tensors by layer, from the head backwards: the classifier's first, then in reverse network order."""
    found: dict[str, list[str]] = {}
    for name, tensor in student.items():
        if tensor.is_floating_point():
            found.setdefault(name.rpartition(".")[0] or name, []).append(name)
    layers = list(found.items())[::-1]
    return sorted(layers, key=lambda layer: not head.intersection(layer[1]))


def shared(student: State, teacher: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return the teacher's tensors that match the student by name and shape, in its dtype."""
    return {
        name: torch.from_numpy(teacher[name]).to(tensor.dtype)
        for name, tensor in student.items()
        if tensor.is_floating_point() and name in teacher and teacher[name].shape == tuple(tensor.shape)
    }


def changes(student: State, known: State, groups: Sequence[tuple[str, list[str]]]) -> list[LayerChange]:
    """Return how far each layer is from the teacher's."""
    found = []
    for layer, names in groups:
        weights = sum(student[name].numel() for name in names)
        if not all(name in known for name in names):
            found.append(LayerChange(layer=layer, weights=weights, relative=None, unchanged=None, bits=None))
            continue
        mine, theirs = (torch.cat([state[name].flatten() for name in names]).float() for state in (student, known))
        bits = changed_bits(mine.numpy(), theirs.numpy())
        relative = float((mine - theirs).norm() / theirs.norm().clamp(min=1e-12))
        found.append(
            LayerChange(
                layer=layer,
                weights=weights,
                relative=round(relative, 6),
                unchanged=round(float((bits == 0).mean()), 6),
                bits=round(float(bits.mean()), 3),
            )
        )
    return found


def changed_bits(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return for each pair of float32 how many low-order bits include the highest that differs, 0 to 32."""
    differ = mine.view(np.uint32) ^ theirs.view(np.uint32)
    exponents: np.ndarray = np.frexp(differ.astype(np.float64))[1]  # 2**(n - 1) <= x < 2**n
    return exponents


def curve(
    network: nn.Module,
    student: State,
    known: State,
    groups: Sequence[tuple[str, list[str]]],
    layers: Sequence[LayerChange],
    right: Tensor,
    answers: Callable[[], Tensor],
) -> Iterator[Obtained]:
    """Yield the agreement with the student's `right` predictions after each layer that is obtained.

    `answers` returns the network's predictions for all inputs; the network's weights are changed.
    """
    total = sum(layer.weights for layer in layers)
    lacking = sum(layer.bits is None for layer in layers)
    order = order_of(layers)
    stops = set(np.linspace(lacking, len(order), min(_POINTS, len(order) - lacking + 1)).astype(int))
    for count in sorted(stops):
        taken = {name for number in order[:count] for name in groups[number][1]}
        network.load_state_dict(mixed(student, known, taken))
        agreeing = float((answers() == right).float().mean())
        yield point_of([layers[number] for number in order[:count]], total, agreeing)


def mixed(student: State, known: State, taken: Set[str]) -> dict[str, Tensor]:
    """Return the obtained tensors of the student and all that the teacher lacks, with the teacher's for the rest."""
    return {name: tensor if name in taken else known.get(name, tensor) for name, tensor in student.items()}


def point_of(taken: Sequence[LayerChange], total: int, agreement: float) -> Obtained:
    """Return a point of the curve with these layers obtained, of `total` weights."""
    return Obtained(
        layer=taken[-1].layer if taken else "",
        weights=round(sum(layer.weights for layer in taken) / total, 6),
        bits=round(sum(layer.weights * _bits(layer) for layer in taken) / (WORD * total), 6),
        agreement=round(agreement, 6),
    )


def order_of(layers: Sequence[LayerChange]) -> list[int]:
    """Return the order in which layers are obtained: those that the teacher lacks, then the others in order."""
    return sorted(range(len(layers)), key=lambda number: layers[number].bits is not None)


def mixture(
    inputs: int,
    goal: float,
    layers: Sequence[LayerChange],
    curve: Sequence[Obtained],
    leading: Sequence[Leading],
    alone: Sequence[Leading],
) -> Mixture:
    """Return the summary of the points of all curves."""
    enough = needed(curve, goal)
    return Mixture(
        inputs=inputs,
        goal=goal,
        start=curve[0].agreement,
        weights_needed=enough.weights,
        bits_needed=min(enough.bits, needed(leading, goal).bits),
        bits_alone=needed(alone, goal).bits,
        layers=tuple(layers),
        curve=tuple(curve),
        leading=tuple(leading),
        alone=tuple(alone),
    )


def needed(points: Sequence[P], goal: float) -> P:
    """Return the first point from which on agreement never falls below the goal."""
    below = [number for number, point in enumerate(points) if point.agreement < goal]
    return points[min(below[-1] + 1 if below else 0, len(points) - 1)]


def _bits(layer: LayerChange) -> float:
    return WORD if layer.bits is None else layer.bits
