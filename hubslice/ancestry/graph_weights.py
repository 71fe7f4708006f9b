"""Read the weight matrices of an ONNX graph as tensors: float32 whatever their storage type, outputs first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from safetensors.numpy import save

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import faults_told
from hubslice.files.tensor_header import parse_header
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.integrity import check_graph

if TYPE_CHECKING:
    from collections.abc import Mapping

_ZERO: Final = {"ConvInteger": 3, "MatMulInteger": 3}  # the input with the zero point
_READ: Final = {"Conv", "ConvTranspose", "Gemm", "MatMul", *_ZERO}


@dataclass
class _Held:
    data: bytes
    read: int = 0

    def get(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.data[start:stop] for start, stop in spans]


def open_graph(path: Path, name: str) -> Tensors:
    """Open the weights of convolutions and linear layers, with normalisation folded in, by their names in the graph.

    `name` is the user's name for the file.

    Raises:
        ModelError: the file is damaged, or its weights cannot be computed.
    """
    import onnx
    from onnx import numpy_helper

    from hubslice.graph.folding import fold

    check_graph(path, name=name)
    found: dict[str, np.ndarray] = {}
    with faults_told(f"reading {name}", path.parent):
        try:
            graph = fold(onnx.load(path)).graph
            stored = {tensor.name: tensor for tensor in graph.initializer}
            for node in graph.node:
                if node.op_type in _READ and node.input[1] in stored:
                    constants = {name: numpy_helper.to_array(stored[name]) for name in node.input[1:] if name in stored}
                    found[node.input[1].removesuffix(":folded")] = _matrix(node, constants)
        except Exception as error:  # of ONNX Runtime, of protobuf, or about missing weight files
            raise ModelError(
                f"the weights of {name} cannot be read: {first_line(error)}", hint="export or convert it again"
            ) from error
    data = save(found)
    header = parse_header(data)
    tensors = Tensors(name)
    size = max((info.end for info in header.tensors.values()), default=0)
    tensors.add(header, path.stat().st_size, _Held(data[len(data) - size :]))
    return tensors


def _matrix(node: Any, constants: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a node's weight with its outputs along the first axis, ignoring the scales of integers, one per row."""
    weight = constants[node.input[1]].astype(np.float32)
    place = _ZERO.get(node.op_type)
    if place is not None and len(node.input) > place and (zero := constants.get(node.input[place])) is not None:
        along = (-1,) if node.op_type == "MatMulInteger" else (-1, *[1] * (weight.ndim - 1))
        weight = weight - zero.astype(np.float32).reshape(along if zero.size > 1 else ())
    straight = any(each.name == "transB" and each.i for each in node.attribute)
    turned = node.op_type in ("MatMul", "MatMulInteger") or (node.op_type == "Gemm" and not straight)
    return np.ascontiguousarray(np.swapaxes(weight, -1, -2) if turned and weight.ndim > 1 else weight)
