"""The folded graph as a runnable network: forward pass, tensor sizes, and the flow of contributions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from hubslice.core.errors import ExplainError
from hubslice.core.foreign_errors import message_of
from hubslice.core.machine import out_of_memory
from hubslice.graph.session import Session, open_session
from hubslice.tracing.flow import Flow, find_flow
from hubslice.tracing.op import Shapes

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Network:
    """A folded graph, its flow of contributions, and a hash that changes with its weights."""

    model: Any
    flow: Flow
    inputs: tuple[str, ...]
    hash: str

    @classmethod
    def of(cls, model: Any, example: Arrays) -> Network:
        """Create a network from a folded graph with one output.

        `example` contains at least two samples of each input, [N, ...].

        Raises:
            RuleError: an operator has no rule.
            ExplainError: the graph cannot be run or explained.
        """
        everything = [value.name for value in model.graph.input]
        everything += [name for node in model.graph.node for name in node.output if name]
        session = open_session(with_outputs(model, everything).SerializeToString(), level="none")
        one, two = (run_session(session, everything, {k: v[:n] for k, v in example.items()}) for n in (1, 2))
        one, two = ({n: a for n, a in each.items() if isinstance(a, np.ndarray)} for each in (one, two))  # no sequences
        kinds = {name: array.dtype for name, array in two.items()}
        shapes = Shapes({n: a.shape for n, a in one.items()}, {n: a.shape for n, a in two.items()})
        flow = find_flow(model, shapes, kinds, model.graph.output[0].name)
        return cls(model, flow, tuple(value.name for value in model.graph.input), content_hash(model))

    def open(self, device: str = "cpu", threads: int | None = None) -> Forward:
        """Open a session that returns the tensors that the rules need.

        Raises:
            ProviderError: `device` cannot be used.
        """
        names = tuple(dict.fromkeys([self.flow.output, *self.flow.values, *self.flow.leaves]))
        model = with_outputs(self.model, [name for name in names if name not in self.inputs])
        return Forward(open_session(model.SerializeToString(), device, threads=threads), names)


@dataclass(frozen=True)
class Forward:
    """Runs batches forward and returns the tensors called `names`."""

    session: Session
    names: tuple[str, ...]

    def __call__(self, batch: Arrays) -> dict[str, np.ndarray]:
        """Return values by name for a batch [N, ...] by input name.

        Raises:
            ExplainError: the graph cannot run on it.
        """
        return run_session(self.session, self.names, batch)


def content_hash(model: Any) -> str:
    """Return the SHA-256 of what a graph computes: operators in order, weights by name in any order.

    It is computed part by part, so a graph may exceed protobuf's limit of 2 GiB. Descriptions of the graph or its parts
    are excluded: recorded shapes, doc strings, and metadata, where exporters write local paths.
    """
    graph, digest = model.graph, hashlib.sha256()
    sets = sorted(model.opset_import, key=lambda entry: entry.domain)
    functions = sorted(model.functions, key=lambda function: (function.domain, function.name))
    weights = sorted(graph.initializer, key=lambda tensor: tensor.name)
    for part in (sets, functions, graph.input, graph.node, graph.output, weights):
        digest.update(f"{len(part)}\n".encode())
        for entry in part:
            content = _bare(entry).SerializeToString(deterministic=True)
            digest.update(f"{len(content)}\n".encode() + content)
    return digest.hexdigest()


def _bare(part: Any) -> Any:
    """Return a part of a graph without descriptions; weights, which may be large, are not copied needlessly."""
    if isinstance(part, onnx.TensorProto) and not (part.doc_string or part.metadata_props):
        return part
    result = type(part)()
    result.CopyFrom(part)
    _strip(result)
    return result


def _strip(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                _strip(inner)


def with_outputs(model: Any, names: Sequence[str]) -> Any:
    """Return the graph with these outputs instead of its own."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.output[:]
    given = {value.name for value in model.graph.input}
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    return result


def run_session(session: Session, names: Sequence[str], batch: Arrays) -> dict[str, np.ndarray]:
    """Return tensors by name for a batch [N, ...] by input name.

    Errors that mean that memory ran out are raised unchanged.

    Raises:
        ExplainError: the graph cannot run on it.
    """
    wanted = [name for name in names if name not in batch]
    try:
        found = session.runtime.run(wanted, dict(batch))
    except Exception as error:  # ONNX Runtime's exceptions have no common base class
        if out_of_memory(error):
            raise
        sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in batch.items())
        raise ExplainError(
            f"the model cannot be run on {sizes}: {message_of(error)}", hint="check the size of the inputs"
        ) from error
    return dict(zip(wanted, found, strict=True)) | {name: batch[name] for name in names if name in batch}
