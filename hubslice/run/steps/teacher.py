"""Teacher steps: pull a model, export it, and check that the export computes the same."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hubslice.artefacts.model import FileFact, ModelFacts
from hubslice.core.cost import SMALL_FILE, Cost, Workload
from hubslice.core.errors import HubsliceWarning, InputError, IntegrityError
from hubslice.engine.step import Context, Step
from hubslice.hub.ref import parse_ref
from hubslice.recipe.schema import TeacherParams

if TYPE_CHECKING:
    from hubslice.graph.neuron_map import NeuronMap
    from hubslice.hub.pull import Fetched
    from hubslice.models.base import Model

FACTS = "model.json"
WEIGHTS_FOLDER = "model"
GRAPH = "model.onnx"
NEURONS = "neurons.json"
PARITY = "parity.json"
PARITY_SAMPLES = 4
BANDWIDTH = 20e6  # assumed bytes per second from the Hub; unknown without fetching


def pull_step(
    teacher: TeacherParams,
    base: Path,
    *,
    suffix: str = "",
    seed: int = 0,
    commit: str | None = None,
    allow_pickle: bool = False,
    for_images: bool = False,
) -> Step:
    """Return the step that fetches a model into the run folder, or creates one with random weights."""
    if teacher.weights == "random":
        return MakeStep(suffix=suffix, teacher=teacher, seed=seed)
    return PullStep(
        suffix=suffix,
        teacher=teacher,
        commit=commit,
        local=_stamp(teacher.model, base),
        base=base,
        allow_pickle=allow_pickle,
        for_images=for_images,
    )


@dataclass(frozen=True, kw_only=True)
class _TeacherStep(Step):
    """A teacher in the run folder: `model/`, and its facts in `model.json`."""

    kind: ClassVar[str] = "pull"
    version: ClassVar[int] = 3
    kept: ClassVar[bool] = True

    teacher: TeacherParams

    def cost(self, work: Workload) -> Cost:
        # Hashed twice: for the Hub's checksum, and as the step's output.
        hashed = 2 * work.files[self.name] * work.units.keeping
        seconds = work.looking[self.name] + work.missing[self.name] / BANDWIDTH + hashed + work.units.loading
        return Cost(seconds, work.files[self.name] + SMALL_FILE)

    def open(self, folder: Path) -> Model:
        """Return the model, at the recipe's input size."""
        from hubslice.models.folder import load_model

        return load_model(folder / WEIGHTS_FOLDER, input_size=self.teacher.input_size)

    def opening(self) -> Mapping[str, object]:
        return {} if self.teacher.input_size is None else {"input_size": self.teacher.input_size}

    def lend(self, opened: object) -> object:
        return deepcopy(opened)  # steps train it, move it to devices, and replace its classifier


@dataclass(frozen=True, kw_only=True)
class PullStep(_TeacherStep):
    """Fetch a model.

    With `for_images` a model that does not take images is refused before the export. A model on the Hub is taken at
    `commit`, whatever its revision now resolves to. Pickled weights, if the user consents to reading them, become
    safetensors here: no later step sees a pickle. Converted weights do not require consent again.
    """

    free: ClassVar[frozenset[str]] = frozenset({"base", "allow_pickle", "for_images"})

    commit: str | None = None
    local: tuple[tuple[str, int, int], ...] | None = None
    base: Path
    allow_pickle: bool = False
    for_images: bool = False

    @property
    def title(self) -> str:
        return f"Pull {self.teacher.model}"

    def run(self, context: Context) -> None:
        from hubslice.hub.pull import fetch, materialise
        from hubslice.modality.image.modes import mode_of
        from hubslice.models.folder import load_model

        name = self.teacher.model
        ref = parse_ref(name, self.base)
        if self.commit is not None and ref.kind == "hub":
            ref = replace(ref, revision=self.commit)
        fetched = fetch(ref, reporter=context.reporter, allow_pickle=self.allow_pickle)
        folder = context.out / WEIGHTS_FOLDER
        shutil.rmtree(folder, ignore_errors=True)  # a killed pull may have left files of another commit
        materialise(fetched, folder)
        if fetched.pickles:
            fetched = _unpickle(fetched, folder)
        model = load_model(folder, input_size=self.teacher.input_size)
        if self.for_images:
            mode_of(model.image_preprocessing.input_size[0])
            model.check_sliceable()
        facts = _facts(model, name, fetched)
        if self.for_images:
            for remark in facts.remarks:
                warnings.warn(f"{name}: {remark}", HubsliceWarning, stacklevel=2)
        facts.save(context.out / FACTS)


@dataclass(frozen=True, kw_only=True)
class MakeStep(_TeacherStep):
    """Create a model of a known architecture with random weights."""

    seed: int

    @property
    def title(self) -> str:
        return f"Make {self.teacher.model} with random weights"

    def run(self, context: Context) -> None:
        from hubslice.hub.integrity import digest
        from hubslice.hub.pull import Fetched
        from hubslice.models.from_architecture import create_model

        folder = context.out / WEIGHTS_FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        model = create_model(self.teacher, self.seed)
        model.save(folder)
        found = {path.name: digest(path) for path in sorted(folder.iterdir())}
        files = tuple(FileFact(path=path, size=each.size, sha256=each.sha256) for path, each in found.items())
        made = Fetched(folder, None, None, None, (), poisoned=False, files=files)
        facts = _facts(model, self.teacher.model, made).model_copy(update={"random_seed": self.seed})
        facts.save(context.out / FACTS)


@dataclass(frozen=True, kw_only=True)
class ExportStep(Step):
    """Export the teacher to ONNX, check parity on seeded inputs, and map its neurons."""

    kind: ClassVar[str] = "export"
    version: ClassVar[int] = 2
    kept: ClassVar[bool] = True

    seed: int

    @property
    def title(self) -> str:
        return "Export to ONNX and check parity"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("pull",)

    def cost(self, work: Workload) -> Cost:
        units, size = work.units, work.units.sizes[self.kind]
        return Cost(units.loading + units.exporting + size * units.keeping, size)

    def run(self, context: Context) -> None:
        from hubslice.graph.export import export_onnx
        from hubslice.graph.neuron_map import map_neurons
        from hubslice.graph.parity import check_parity

        model = context.model("pull")
        graph = context.out / GRAPH
        inputs = model.example_inputs(PARITY_SAMPLES, self.seed)
        export_onnx(model.module, inputs, graph)
        check_parity(model.module, graph, inputs).save(context.out / PARITY)
        map_neurons(model.module, graph).save(context.out / NEURONS)

    def open(self, folder: Path) -> NeuronMap:
        """Return the map of the teacher's neurons."""
        from hubslice.graph.neuron_map import NeuronMap

        return NeuronMap.load(folder / NEURONS)


def _unpickle(fetched: Fetched, folder: Path) -> Fetched:
    """Convert the model's pickled weights into `folder`."""
    from hubslice.hub.integrity import digest
    from hubslice.models.pickled import convert

    weights = convert([fetched.folder / fact.path for fact in fetched.pickles], folder)
    found = digest(weights)
    fact = FileFact(path=weights.name, size=found.size, sha256=found.sha256)
    return replace(fetched, files=(*fetched.files, fact))


def _facts(model: Model, requested: str, fetched: Fetched) -> ModelFacts:
    return ModelFacts(
        model=requested,
        repo_id=fetched.repo_id,
        commit=fetched.commit,
        library=model.library,
        architecture=model.architecture,
        parameters=model.parameters,
        labels=model.labels,
        preprocessing=model.preprocessing,
        license=fetched.license,
        poisoned=fetched.poisoned or model.poisoned,
        files=fetched.files,
        pickles=fetched.pickles,
        unused=model.unused,
        notes=model.notes,
    )


def _stamp(model: str, base: Path) -> tuple[tuple[str, int, int], ...] | None:
    """Return a stamp that changes with a local model, without reading it: names, sizes and times of its files."""
    try:
        ref = parse_ref(model, base)
    except InputError:  # reported when the step runs
        return None
    if ref.kind == "hub":
        return None
    files = sorted(path for path in ref.path.rglob("*") if path.is_file() and "steps" not in path.parts)
    return tuple((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files)


def load_facts(folder: Path) -> ModelFacts:
    """Read the facts written by a pull step.

    Raises:
        IntegrityError: the weights beside them are missing.
    """
    facts = ModelFacts.load(folder / FACTS)
    missing = [file.path for file in facts.files if not (folder / WEIGHTS_FOLDER / file.path).is_file()]
    if missing:
        raise IntegrityError(f"{folder} lost {missing[0]}", hint=f"delete {folder} and run again")
    return facts
