"""Inspect a teacher before its weights are loaded or downloaded, and test export and neuron map."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from pydantic import Field

from hubslice.artefacts.model import LibraryName, Preprocessing, remarks_on
from hubslice.core.artefact import Artefact
from hubslice.core.memory import peak_memory
from hubslice.core.numbers import size_in_words
from hubslice.core.progress import Reporter, stage
from hubslice.hub.preview import Preview, preview
from hubslice.hub.ref import parse_ref
from hubslice.run.steps.teacher import GRAPH, PARITY_SAMPLES

if TYPE_CHECKING:
    from hubslice.graph.neuron_map import NeuronMap
    from hubslice.models.base import Model


class TensorFact(Artefact):
    """A tensor of the weights, from its file's header: dtype in safetensors' notation, shape, size in bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


class TeacherPreview(Artefact):
    """A model without its weights, whose tensors match its architecture.

    `files` are the sizes in bytes of what `pull` takes, `download_bytes` is how much of it the Hub's cache lacks.
    `pickles` are those of them that weights would be converted from. Tensors of pickles that are still to be downloaded
    are unknown. With `random` nothing is taken: the weights are random. `skipped` are the sizes of the files that
    `pull` ignores.
    """

    model: str
    repo_id: str | None
    commit: str | None
    library: LibraryName
    architecture: str
    parameters: int
    classes: int
    preprocessing: Preprocessing | None
    license: str | None
    gated: bool
    poisoned: bool
    files: dict[str, int]
    download_bytes: int
    tensors: tuple[TensorFact, ...]
    pickles: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    random: bool = False
    skipped: dict[str, int] = Field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Total size of all files."""
        return sum(self.files.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know before starting from this model."""
        found = [f"{self.model}: {remark}" for remark in self.remarks]
        if not self.random and (self.license is None or self.license == "other"):
            stated = "states no license" if self.license is None else "has a license of its own (other)"
            found.append(f"{self.model} {stated}: find out whether you may publish a model made from it")
        if self.poisoned:
            found.append(f"{self.model} declares a backdoor that was planted on purpose")
        if self.pickles:
            found.append(f"the weights of {self.model} would be converted from a pickle: {', '.join(self.pickles)}")
        return tuple(found)


class Layers(Artefact):
    """What can be sliced: the layers of the neuron map and their weights, without the classifier.

    `kinds` counts layers by kind; `unmapped` names weights that no method can slice.
    """

    layers: int
    weights: int
    kinds: dict[str, int]
    unmapped: tuple[str, ...]


class PullPreview(Artefact):
    """The preview of `hubslice pull`. `layers` is None if there is too little memory to test the export."""

    teacher: TeacherPreview
    layers: Layers | None
    export_seconds: float | None
    peak_mib: float
    warnings: tuple[str, ...]


def look(model: str, base: Path, input_size: int | None, folder: Path, *, allow_pickle: bool = False) -> TeacherPreview:
    """Read configs, card and headers of a model, leave the configs in `folder`, and check that the tensors match.

    With the consent `allow_pickle`, local pickles are read for their tensors' shapes.

    Raises:
        FetchError: it cannot be fetched from the Hub.
        ModelError: what `pull` would refuse: an unknown architecture, tensors missing, unexpected or misshapen.
    """
    from hubslice.models.building import Budget
    from hubslice.models.meta_model import meta_model

    found = preview(parse_ref(model, base), folder, allow_pickle=allow_pickle)
    tensors = _tensors(found)
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    unknown = Budget.of_pickles(sum(found.files[path] for path in found.pickles))
    on_meta = meta_model(
        folder, unknown if found.pickles and not shapes else shapes, input_size=input_size, where=model
    )
    return TeacherPreview(
        model=model,
        repo_id=found.repo_id,
        commit=found.commit,
        library=on_meta.library,
        architecture=on_meta.architecture,
        parameters=on_meta.parameters,
        classes=len(on_meta.labels),
        preprocessing=on_meta.preprocessing,
        license=found.license,
        gated=found.gated,
        poisoned=found.poisoned,
        files=found.files,
        skipped=found.skipped,
        download_bytes=found.missing,
        tensors=tensors,
        pickles=tuple(found.pickles),
        remarks=remarks_on(on_meta),
    )


def _tensors(found: Preview) -> tuple[TensorFact, ...]:
    """Return all tensors from headers, or from local pickles."""
    from hubslice.models.pickled import outline

    tensors = [(name, info.dtype, info.shape, info.size) for name, info in found.tensors.items()]
    held = {path: file for path, file in found.pickles.items() if file is not None}
    if len(held) == len(found.pickles):
        tensors += [(name, *seen) for name, seen in outline(held).items()]
    return tuple(TensorFact(name=name, dtype=dtype, shape=shape, bytes=size) for name, dtype, shape, size in tensors)


def try_export(model: Model, folder: Path, seed: int) -> NeuronMap:
    """Export and map a model like the export step, into `folder`; random weights suffice.

    Raises:
        ExportError: it cannot be exported.
        ParityError: the export computes something else.
    """
    from hubslice.graph.export import export_onnx
    from hubslice.graph.neuron_map import map_neurons
    from hubslice.graph.parity import check_parity

    inputs = model.example_inputs(PARITY_SAMPLES, seed)
    export_onnx(model.module, inputs, folder / GRAPH)
    check_parity(model.module, folder / GRAPH, inputs)
    return map_neurons(model.module, folder / GRAPH)


def layers_of(neurons: NeuronMap, model: Model) -> Layers:
    """Return the sliceable layers of the model."""
    sizes = {name: parameter.numel() for name, parameter in model.module.named_parameters()}
    head = model.classifier_parameters() if model.preprocessing is not None else frozenset()
    sliceable = {name: layers for name, layers in neurons.by_parameter.items() if name not in head}
    return Layers(
        layers=len(sliceable),
        weights=sum(sizes[name] for name in sliceable),
        kinds=dict(Counter(layers[0].kind for layers in sliceable.values())),
        unmapped=neurons.unmapped,
    )


def memory_lacks(parameters: int, copies: int) -> str | None:
    """Explain why that many float32 copies of the parameters do not fit into available memory; None if they do."""
    needed, available = 4 * copies * parameters, psutil.virtual_memory().available
    if needed <= available:
        return None
    return f"the weights alone need {size_in_words(needed)} of memory, {size_in_words(available)} are available"


def preview_pull(model: str, input_size: int | None, reporter: Reporter, *, allow_pickle: bool = False) -> PullPreview:
    """Preview `hubslice pull` and test the export; only small files are written to the Hub's cache.

    Raises:
        HubsliceError: what `pull` would raise, as far as can be determined without the weights.
    """
    from hubslice.models.folder import random_model

    with tempfile.TemporaryDirectory(prefix="hubslice-") as name, peak_memory() as peak:
        with stage(reporter, "look", f"Read the headers of {model}"):
            teacher = look(model, Path.cwd(), input_size, Path(name), allow_pickle=allow_pickle)
        lacks = memory_lacks(teacher.parameters, 2)  # for the module and the graph
        layers, seconds = None, None
        if lacks is None:
            with stage(reporter, "export", "Export the architecture with random weights"):
                random = random_model(Path(name), input_size=input_size)
                started = time.monotonic()
                layers = layers_of(try_export(random, Path(name), seed=0), random)
                seconds = time.monotonic() - started
    return PullPreview(
        teacher=teacher,
        layers=layers,
        export_seconds=seconds,
        peak_mib=peak[0] / 2**20,
        warnings=(*teacher.warnings, *([f"{lacks}: the export was not tried"] if lacks else [])),
    )
