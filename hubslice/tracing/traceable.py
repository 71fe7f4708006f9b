"""The model to explain: its folded graph, names, labels and preprocessing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from torch import Tensor

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import ModelError, ParityError
from hubslice.core.foreign_errors import message_of
from hubslice.graph.described import described
from hubslice.graph.export import export_onnx
from hubslice.graph.folding import fold
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.parity import check_parity
from hubslice.graph.session import open_session
from hubslice.modality.image.arithmetic import normalise
from hubslice.models.base import Model
from hubslice.models.label_names import readable
from hubslice.tracing.names import Names
from hubslice.tracing.network import Network, run_session

SAMPLES = 4
TOLERANCE = 1e-4  # relative to the largest logit, as for every export

LARGE = 1_500_000_000  # bytes of a graph from which weights are stored externally: protobuf's limit is 2 GiB


@dataclass(frozen=True)
class TraceableModel:
    """A model ready to be explained; `blank` is the input [1, C, H, W] of an image in the data's mean colour."""

    network: Network
    names: Names
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    architecture: str

    @property
    def input(self) -> str:
        """The name of the graph's input."""
        return self.network.inputs[0]

    @property
    def blank(self) -> np.ndarray:
        """The prepared input of an image with the mean colour everywhere, float32 [1, C, H, W]."""
        return np.zeros((1, *self.preprocessing.input_size), np.float32)

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        """Normalise pixels [N, C, H, W] in [0, 1]."""
        return normalise(pixels, self.preprocessing)


def traceable_of(model: Model) -> TraceableModel:
    """Export and fold the model, and check that the folded graph computes the same.

    Raises:
        ModelError: the model does not take images.
        ExportError: it cannot be exported.
        ParityError: the folded graph computes something else.
        RuleError: an operator has no rule.
    """
    preprocessing = model.image_preprocessing
    inputs = model.example_inputs(SAMPLES, seed=0)
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(model.module, inputs, path)
        neurons = map_neurons(model.module, path)
        network = folded_network(model, path, inputs)
    labels = readable(model.labels)
    return TraceableModel(network, Names.of(network.flow, neurons), labels, preprocessing, model.architecture)


def folded_network(model: Model, graph: Path, inputs: Mapping[str, Tensor]) -> Network:
    """Fold the exported graph, and check on these inputs [N, ...] that it computes the same as the model.

    Raises:
        ParityError: it computes something else.
        RuleError: an operator has no rule.
    """
    folded = fold(onnx.load(graph))
    with tempfile.TemporaryDirectory(prefix="hubslice-") as folder:
        path = Path(folder) / "folded.onnx"
        onnx.save(folded, path, save_as_external_data=folded.ByteSize() > LARGE)
        check_parity(model.module, path, inputs, rtol=TOLERANCE)
    return Network.of(folded, {name: tensor.numpy() for name, tensor in inputs.items()})


@dataclass(frozen=True)
class GraphFile:
    """A graph written by `hubslice convert --to onnx`: labels and preprocessing are in its metadata."""

    path: Path
    model: Any
    labels: tuple[str, ...]
    preprocessing: Preprocessing

    @classmethod
    def open(cls, path: Path) -> GraphFile:
        """Read the file.

        Raises:
            ModelError: it cannot be opened, or does not record the preprocessing.
        """
        try:
            model = onnx.load(path)
            open_session(path, level="none")
        except Exception as error:  # errors of protobuf, onnx and ONNX Runtime have no common base class
            raise ModelError(
                f"{path} cannot be opened as an ONNX graph: {message_of(error)}", hint="export it again"
            ) from error
        preprocessing, labels = _described(path, {entry.key: entry.value for entry in model.metadata_props})
        if len(model.graph.input) != 1:
            raise ModelError(f"{path} takes {len(model.graph.input)} inputs", hint="explain takes one input of images")
        return cls(path, model, labels, preprocessing)

    def subject(self) -> TraceableModel:
        """Return the graph ready to be explained.

        Raises:
            ExplainError: it cannot be run or explained.
            ParityError: folded, it computes something else.
            RuleError: an operator has no rule.
        """
        example = np.random.default_rng(0).standard_normal((2, *self.preprocessing.input_size)).astype(np.float32)
        name, output = self.model.graph.input[0].name, self.model.graph.output[0].name
        folded = fold(self.model)
        given, ours = (
            run_session(open_session(graph.SerializeToString()), [output], {name: example})[output].astype(np.float64)
            for graph in (self.model, folded)
        )
        if np.isfinite(given).all() and np.abs(given - ours).max() > TOLERANCE * np.abs(given).max():
            raise ParityError(
                f"{self.path} computes something else once its constants are folded",
                hint="name the model itself in place of the graph",
            )
        network = Network.of(folded, {name: example})
        names = Names.of(network.flow, None)
        return TraceableModel(network, names, readable(self.labels), self.preprocessing, self.path.name)


def _described(path: Path, about: Mapping[str, str]) -> tuple[Preprocessing, tuple[str, ...]]:
    found = described(about)
    if found is None:
        raise ModelError(
            f"{path} does not say how images are prepared for it, or what its classes are called",
            hint="make the graph with `hubslice convert MODEL --to onnx`, or name the model itself",
        )
    return found
