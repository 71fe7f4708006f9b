"""The neuron map: which channel of which tensor belongs to which slice of which parameter.

A neuron is an output channel of a convolution or an output feature of a linear layer. Every method of hubslice works on
this map and is therefore independent of the architecture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import onnx
from torch import nn

from hubslice.core.artefact import Artefact
from hubslice.graph.export import canonical_names
from hubslice.graph.layer import Layer, TensorRef
from hubslice.graph.matching import find_layers
from hubslice.graph.program import Program


class NeuronMap(Artefact):
    """All layers in graph order, and the weights that should be among them but are not.

    `unmapped` names weights that no layer uses: the graph does not need them, or uses them in a way that is not a layer
    (a transposed convolution, a packed attention projection that is split).
    """

    layers: tuple[Layer, ...]
    unmapped: tuple[str, ...]

    @classmethod
    def from_onnx(
        cls,
        model: Any,
        parameters: Mapping[str, tuple[int, ...]],
        expected: Collection[str] | None = None,
    ) -> Self:
        """Build the map of a graph from `export_onnx`, given as a `ModelProto` or a path.

        `parameters` are the shapes of the module's parameters by name. `expected` are those that should be in the map,
        by default all with two axes or more (embeddings then count as unmapped).
        """
        if isinstance(model, str | Path):
            model = onnx.load(model, load_external_data=False)
        shapes = {name: tuple(shape) for name, shape in parameters.items()}
        layers = find_layers(Program(model), shapes)
        if expected is None:
            expected = [name for name, shape in shapes.items() if len(shape) > 1]
        mapped = {layer.parameter for layer in layers}
        return cls(layers=layers, unmapped=tuple(name for name in expected if name not in mapped))

    @cached_property
    def by_parameter(self) -> Mapping[str, tuple[Layer, ...]]:
        """The layers of each mapped parameter, in graph order; more than one if a weight is shared."""
        groups: dict[str, list[Layer]] = defaultdict(list)
        for layer in self.layers:
            groups[layer.parameter].append(layer)
        return {name: tuple(layers) for name, layers in groups.items()}

    @cached_property
    def tensors(self) -> tuple[TensorRef, ...]:
        """The distinct inputs and outputs of all layers: one layer's output is often the next one's input."""
        found: dict[str, TensorRef] = {}
        for layer in self.layers:
            found.setdefault(layer.input.key, layer.input)
            found.setdefault(layer.output.key, layer.output)
        return tuple(found.values())


def map_neurons(module: nn.Module, path: Path) -> NeuronMap:
    """Build the map of `module` as exported to `path`; its convolution and linear weights are expected.

    See `layer_weights`.
    """
    shapes = {name: tuple(parameter.shape) for name, parameter in module.named_parameters()}
    return NeuronMap.from_onnx(path, shapes, layer_weights(module))


def layer_weights(module: nn.Module) -> tuple[str, ...]:
    """Return the names of all weights of convolutions and linear layers, including transformers' `Conv1D`.

    A tied weight is listed once, as in `named_parameters()`.
    """
    canonical = canonical_names(module)
    names: dict[str, None] = {}
    for path, part in module.named_modules():
        convolution = isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        name = f"{path}.weight" if path else "weight"
        if (convolution or isinstance(part, nn.Linear) or type(part).__name__ == "Conv1D") and name in canonical:
            names[canonical[name]] = None
    return tuple(names)
