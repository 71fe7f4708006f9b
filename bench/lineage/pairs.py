"""Pairs with known answers: children beside their parents, siblings, strangers and other architectures."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import torch

from hubslice.ancestry.compare import compare, sample
from hubslice.artefacts.lineage import Verdict
from hubslice.core.artefact import Artefact
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.tensors import open_file

from ..machine import Machine
from .families import PARENT, RETRAINED, models_of
from .scale import Kind, Scale

ALIKE: Final = 0.95  # share of the values in tensors of common shapes
Relation = Literal["parent", "sibling", "stranger", "other architecture"]


class Pair(Artefact):
    """A model beside a candidate, what they are to each other, and what their weights say.

    `shapes` tells whether both have the same shapes but for the head, which is all that metadata tell.
    """

    form: str
    relation: Relation
    candidate: str
    verdict: Verdict
    score: float | None
    aligned: bool
    shapes: bool
    bytes_read: int
    bytes_whole: int
    seconds: float


class Outcome(Artefact):
    """All pairs of a family's models."""

    kind: str
    seed: int
    pairs: tuple[Pair, ...]
    machine: str


def compared(scale: Scale, kind: Kind, seed: int) -> Outcome:
    """Compare a family's models with its parent, with a sibling, and with the parents of all other families.

    What was trained alike from random weights is a stranger to the parent, and so are parents to each other.
    """
    own = models_of(scale, kind, seed)
    pairs = []
    for form, path in own.items():
        if form != PARENT:
            relation: Relation = "stranger" if form == RETRAINED else "parent"
            pairs.append(_pair(form, path, relation, own[PARENT], f"{kind.name}-{seed}"))
        for other, number in scale.families:
            if (other, number) != (kind, seed):
                near: Relation = "stranger" if other == kind else "other architecture"
                found = models_of(scale, other, number)
                pairs.append(_pair(form, path, near, found[PARENT], f"{other.name}-{number}"))
    for form in ("remos", "seam"):
        pairs.append(_pair(form, own[form], "sibling", own["finetune"], f"{kind.name}-{seed}"))
    return Outcome(kind=kind.name, seed=seed, pairs=tuple(pairs), machine=Machine.here(torch.get_num_threads()).line)


def _pair(form: str, mine: Path, relation: Relation, theirs: Path, name: str) -> Pair:
    model, candidate = open_file(mine), open_file(theirs)
    found = compare(sample(model), candidate)
    return Pair(
        form=form,
        relation=relation,
        candidate=name,
        verdict=found.verdict,
        score=found.score,
        aligned=any(layer.aligned for layer in found.layers),
        shapes=_alike(model, candidate),
        bytes_read=found.bytes_read,
        bytes_whole=found.bytes_whole,
        seconds=found.seconds,
    )


def _alike(mine: Tensors, theirs: Tensors) -> bool:
    """Whether nearly all values of both lie in tensors of equal shapes."""
    own, other = (Counter(tuple(info.shape) for info in each.infos.values()) for each in (mine, theirs))
    sizes = [sum(math.prod(shape) * count for shape, count in each.items()) for each in (own, other, own & other)]
    return sizes[2] > ALIKE * max(sizes[:2])
