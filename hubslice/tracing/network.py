"""The folded graph as something that runs: its forward pass, its sizes, and the way back through it."""

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
    """A folded graph, how contributions flow back through it, and a hash that changes with its weights."""

    model: Any
    flow: Flow
    inputs: tuple[str, ...]
    hash: str

    @classmethod
    def of(cls, model: Any, example: Arrays) -> Network:
        """A folded graph with one output; `example` are two samples or more of each input, [N, ...].

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
        """A session that gives what the rules look at.

        Raises:
            ProviderError: `device` cannot be used.
        """
        names = tuple(dict.fromkeys([self.flow.output, *self.flow.values, *self.flow.leaves]))
        model = with_outputs(self.model, [name for name in names if name not in self.inputs])
        return Forward(open_session(model.SerializeToString(), device, threads=threads), names)


@dataclass(frozen=True)
class Forward:
    """Runs batches forward and gives the tensors called `names`."""

    session: Session
    names: tuple[str, ...]

    def __call__(self, batch: Arrays) -> dict[str, np.ndarray]:
        """Values by name, of a batch [N, ...] by input name.

        Raises:
            ExplainError: the graph cannot run on it.
        """
        return run_session(self.session, self.names, batch)


def content_hash(model: Any) -> str:
    """SHA-256 of what a graph computes: operators in their order, weights by their names in whatever order they lie.

    Part by part, so a graph may be larger than the 2 GiB that protobuf writes in one piece. What describes the graph or
    a part of it does not count: noted shapes, notes, and metadata, where exporters write paths of the machine.
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
    """A part of a graph without what describes it; weights, which may be large, are not copied for nothing."""
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
    """The graph with these outputs in place of its own."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    del result.graph.output[:]
    given = {value.name for value in model.graph.input}
    result.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in given)
    return result


def run_session(session: Session, names: Sequence[str], batch: Arrays) -> dict[str, np.ndarray]:
    """Tensors by name, of a batch [N, ...] by input name.

    Raises:
        ExplainError: the graph cannot run on it. Whatever says that memory did not suffice is raised as it is.
    """
    wanted = [name for name in names if name not in batch]
    try:
        found = session.runtime.run(wanted, dict(batch))
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        if out_of_memory(error):
            raise
        sizes = ", ".join(f"{name} {list(array.shape)}" for name, array in batch.items())
        raise ExplainError(
            f"the model cannot be run on {sizes}: {message_of(error)}", hint="check the size of the inputs"
        ) from error
    return dict(zip(wanted, found, strict=True)) | {name: batch[name] for name in names if name in batch}
