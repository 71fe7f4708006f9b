"""Open the tensors of a model by name: a Hub id, a folder, a run, a safetensors file or a graph."""

from __future__ import annotations

from pathlib import Path

from hubslice.ancestry.graph_weights import open_graph
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.ref import LocalRef, graph_at, parse_ref
from hubslice.hub.tensors import open_file, open_tensors


def open_model(name: str) -> Tensors:
    """Open the tensors of a Hub id, a folder, a run, a safetensors file, or an ONNX file.

    Raises:
        InputError: it is none of these.
        FetchError: it cannot be fetched from the Hub.
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
        found.name = name  # the user's own name, which reveals less about this machine
    return found


def is_file(name: str) -> bool:
    """Return whether the name is that of a safetensors file."""
    path = Path(name).expanduser()
    return path.suffix == ".safetensors" and path.is_file()
