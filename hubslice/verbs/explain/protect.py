"""Select the weights to withhold: in each layer those involved in the most decisions for the inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.slice import Slice
from hubslice.slicing.nnslicer import above_smallest
from hubslice.verbs.explain.facts import ProtectedLayer, Protection

if TYPE_CHECKING:
    from hubslice.tracing.engine import Traced
    from hubslice.tracing.traceable import TraceableModel


def protect(subject: TraceableModel, traced: Traced, share: float) -> tuple[Slice, Protection]:
    """Return the public part of a model as a slice, and what is withheld of each layer.

    Of each layer, including the classifier, the fraction `share` with the largest sums of |CONTRIB| over the inputs is
    withheld, ties broken by larger weights. In the slice True marks a weight that may be public: setting weights
    outside a slice to zero gives the public model.
    """
    flow = subject.network.flow
    uses = subject.names.by_parameter(flow, traced.magnitudes)
    weights = subject.names.by_parameter(flow, {op.name: np.abs(op.constants[op.inputs[1]]) for op in flow.layers})
    masks, layers = {}, []
    for name, found in uses.items():
        withheld = above_smallest(found.reshape(-1), weights[name].reshape(-1), 1 - share).reshape(found.shape)
        masks[name] = ~withheld
        total = int(found.sum())
        layers.append(
            ProtectedLayer(
                parameter=name,
                weights=withheld.size,
                withheld=int(withheld.sum()),
                contributions=round(int(found[withheld].sum()) / total, 4) if total else 0.0,
            )
        )
    about = {"protect": share, "targets": sorted({subject.labels[int(target)] for target in traced.targets})}
    facts = Protection(
        share=share,
        weights=sum(layer.weights for layer in layers),
        withheld=sum(layer.withheld for layer in layers),
        layers=tuple(layers),
    )
    return Slice(masks, "nnslicer", about), facts
