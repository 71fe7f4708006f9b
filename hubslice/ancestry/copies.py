"""Detect whether a model is a copy of a candidate, value by value."""

from __future__ import annotations

import numpy as np

from hubslice.ancestry.compare import Sampled
from hubslice.ancestry.layers import layers_of, read_samples
from hubslice.artefacts.lineage import LayerLikeness
from hubslice.files.tensor_parts import Tensors


def copied(mine: Sampled, theirs: Tensors, layers: tuple[LayerLikeness, ...]) -> bool:
    """Return whether all sampled values of the model equal those of the paired layers.

    Correlations are rounded, so the candidate's samples are read again if all correlations are perfect.

    Raises:
        HubError: they cannot be fetched from the Hub.
    """
    if not layers or any(layer.aligned or layer.correlation < 1 for layer in layers):
        return False
    own = {layer.name: sample for layer, sample in zip(mine.layers, mine.samples, strict=True)}
    paired = {layer.layer for layer in layers}
    if any(sample.any() for name, sample in own.items() if name not in paired):
        return False
    there = {layer.name: layer for layer in layers_of(theirs)}
    samples = read_samples(theirs, [there[layer.candidate] for layer in layers])
    return all(np.array_equal(own[layer.layer], sample) for layer, sample in zip(layers, samples, strict=True))
