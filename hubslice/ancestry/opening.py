"""Opens the tensors of a model by its name: a Hub id, a folder, a run, a safetensors file or a graph."""

from __future__ import annotations

from pathlib import Path

from hubslice.ancestry.graph_weights import open_graph
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.ref import LocalRef, graph_at, parse_ref
from hubslice.hub.tensors import open_file, open_tensors


def open_model(name: str) -> Tensors:
    """The tensors of a Hub id, a folder, a run, a safetensors file, or an ONNX file.

    Raises:
        InputError: it is none of these.
        FetchError: the Hub does not give it.
        ModelError: its weights are missing or damaged.
    """
    if is_file(name):
        return open_file(Path(name).expanduser())
    ref = parse_ref(name, Path.cwd())
    graph = graph_at(ref)
    if graph is not None:
        return open_graph(graph, name)
    found = open_tensors(ref)
    if isinstance(ref, LocalRef):
        found.name = name  # as the user calls it, which tells others less of this machine
    return found


def is_file(name: str) -> bool:
    """Whether a safetensors file is named."""
    path = Path(name).expanduser()
    return path.suffix == ".safetensors" and path.is_file()
