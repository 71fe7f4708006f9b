"""Fetch, check, export to ONNX and map a model, in a folder that keeps finished steps."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from hubslice.artefacts.model import ModelFacts
from hubslice.artefacts.report import ParityReport
from hubslice.core.device import resolve_device
from hubslice.core.errors import InputError
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter
from hubslice.engine.execution import execute
from hubslice.engine.run_folder import MANIFEST, RunFolder
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.hub.restore import cache_folder
from hubslice.recipe.schema import TeacherParams
from hubslice.run.steps.teacher import FACTS, GRAPH, NEURONS, PARITY, WEIGHTS_FOLDER, ExportStep, pull_step
from hubslice.verbs.pull.params import PullParams


@dataclass(frozen=True)
class Pulled:
    """A local model, checked, exported and mapped."""

    facts: ModelFacts
    parity: ParityReport
    folder: Path

    @property
    def model(self) -> Path:
        """The model in the Hub's format: config.json and safetensors."""
        return self.folder / "steps" / "pull" / WEIGHTS_FOLDER

    @property
    def graph(self) -> Path:
        """The ONNX export."""
        return self.folder / "steps" / "export" / GRAPH

    @property
    def neurons(self) -> Path:
        """The neuron map of the export."""
        return self.folder / "steps" / "export" / NEURONS


def pull(params: PullParams, reporter: Reporter) -> Pulled:
    """Fetch, check, export and map a model."""
    model, input_size, out = os.fspath(params.model), params.input_size, as_path(params.out)
    if out is not None and (out / MANIFEST).is_file():
        raise InputError(f"{out} is a run folder", hint="choose another folder with --out")
    run = RunFolder(out or cache_folder() / _cache_name(model, input_size))
    teacher = TeacherParams(model=model, input_size=input_size)
    steps = [pull_step(teacher, Path.cwd(), allow_pickle=params.allow_pickle), ExportStep(seed=0)]
    # A branch may have moved, so it is resolved again; unchanged files and an unchanged export are reused.
    with run.working(mark="steps"):
        execute(steps, run, resolve_device("cpu"), reporter, force=frozenset({"pull"}))
        return Pulled(
            facts=ModelFacts.load(run.step("pull") / FACTS),
            parity=ParityReport.load(run.step("export") / PARITY),
            folder=run.path,
        )


def _cache_name(model: str, input_size: int | None) -> str:
    """Return a readable folder name that is unique to the model, or to the local folder."""
    ref = parse_ref(model, Path.cwd())
    identity = f"{ref.path.resolve() if isinstance(ref, LocalRef) else ref} {input_size}"
    readable = re.sub(r"[^A-Za-z0-9._-]+", "--", str(ref)).strip("-.")[-60:]
    return f"{readable}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
