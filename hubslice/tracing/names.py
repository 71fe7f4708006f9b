"""Public names of the folded graph's operators: layers by module, synapses by parameter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hubslice.graph.layer import Layer
from hubslice.graph.neuron_map import NeuronMap
from hubslice.tracing.flow import Flow
from hubslice.tracing.op import Op

FOLDED = ":folded"


@dataclass(frozen=True)
class Names:
    """Layers and parameters by operator.

    `layer` is the parameter without `.weight`, numbered from the second use on. An operator that is not in the neuron
    map is named after its weight in the graph.
    """

    layer: Mapping[str, str]
    parameter: Mapping[str, str]
    mapped: Mapping[str, Layer]

    @classmethod
    def of(cls, flow: Flow, neurons: NeuronMap | None) -> Names:
        """Return names for the layers of a flow; without a map (an ONNX file) the graph's own."""
        mapped = {layer.node: layer for layer in neurons.layers} if neurons else {}
        layers: dict[str, str] = {}
        parameters: dict[str, str] = {}
        seen: dict[str, int] = {}
        for op in flow.layers:
            parameter = mapped[op.name].parameter if op.name in mapped else op.inputs[1].removesuffix(FOLDED)
            name = parameter.removesuffix(".weight") or parameter
            seen[name] = seen.get(name, 0) + 1
            layers[op.name] = name if seen[name] == 1 else f"{name}#{seen[name]}"
            parameters[op.name] = parameter
        return cls(layers, parameters, mapped)

    def synapses(self, op: Op, found: np.ndarray) -> np.ndarray:
        """Convert contributions of weights from the operand's shape to the parameter's shape."""
        layer = self.mapped.get(op.name)
        if layer is None or op.kind == "Conv":
            return found
        outputs_first = found if op.attribute("transB", 0) else found.T
        return outputs_first if layer.out_axis == 0 else outputs_first.T

    def by_parameter(self, flow: Flow, found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Convert contributions of weights from operators to parameters; uses of the same parameter are summed."""
        gathered: dict[str, np.ndarray] = {}
        for op in flow.layers:
            own, parameter = self.synapses(op, found[op.name]), self.parameter[op.name]
            gathered[parameter] = gathered[parameter] + own if parameter in gathered else own
        return gathered
