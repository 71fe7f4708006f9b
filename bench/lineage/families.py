"""Families of trained networks: a parent, children in every form, and one trained alike from random weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file, save_file
from torch import Tensor

import hubslice
from hubslice.core.artefact import DRAFT
from hubslice.core.progress import Reporter
from hubslice.run.run import Run
from tests.ancestry.families import renamed, rewired, rounded

from .scale import ROOT, Kind, Scale

State = dict[str, Tensor]
DATA = ROOT / "recipes" / "data" / "drawings" / "drawings.parquet"
NEW_TASK = ("animals", "buildings", "food", "people", "vehicles")  # of the ten classes
PARENT, RETRAINED = "parent", "retrained"
TITLES = {
    "finetune": "fine-tuned",
    "hard": "fine-tuned at five times the rate",
    "grandchild": "fine-tuned twice",
    "remos": "ReMoS, a tenth regrown",
    "seam": "SeaM, 40 % of the weights kept",
    "float16": "fine-tuned, float16",
    "bfloat16": "fine-tuned, bfloat16",
    "int8": "fine-tuned, int8",
    "permuted": "fine-tuned, channels permuted",
    "compact": "half of the channels taken out, by magnitude",
    "compact-seam": "half of the channels taken out, by SeaM",
}
COMPACT = ("compact", "compact-seam")
TRAINED = ("finetune", "remos", "seam", *COMPACT)  # of which differences are made
_SEAM = {"method": "seam", "start": "equal", "alpha": 100.0, "lr_mask": 0.02, "lr_head": 0.003, "epochs": 40}
_CHANNELS = {"granularity": "channel", "irrelevant": "compact", "align": 8}
SLICES: dict[str, dict[str, Any]] = {
    "remos": {"method": "remos", "ratio": 0.1},
    "seam": {**_SEAM, "retention": 0.4},
    "compact": {"method": "magnitude", "ratio": 0.5, **_CHANNELS},
    "compact-seam": {**_SEAM, "start": "gradient", "alpha": 50.0, "retention": 0.5, **_CHANNELS},
    "hard": {"method": "none"},
    "grandchild": {"method": "none"},
}


def family_folder(scale: Scale, kind: Kind, seed: int) -> Path:
    """Where a family's runs and models lie."""
    return scale.runs / f"{kind.name}-{seed}"


def models_of(scale: Scale, kind: Kind, seed: int) -> dict[str, Path]:
    """The nameless models of a family that was made, by form."""
    folder = family_folder(scale, kind, seed) / "models"
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def make_family(scale: Scale, kind: Kind, seed: int, reporter: Reporter) -> None:
    """Train what is missing, and write all forms without their names."""
    place = family_folder(scale, kind, seed)
    parent = _run(place, "parent", kind.teacher, scale, seed, reporter, None, {"method": "none"})
    teacher = {"model": str((parent.path / "student").resolve()), "input_size": kind.teacher["input_size"]}
    runs = {
        name: _run(place, name, teacher, scale, seed + 100, reporter, NEW_TASK, given)
        for name, given in SLICES.items()
        if name != "grandchild"
    }
    child = {**teacher, "model": str((runs["remos"].path / "steps/train.finetune/model").resolve())}
    runs["grandchild"] = _run(place, "grandchild", child, scale, seed + 200, reporter, NEW_TASK, SLICES["grandchild"])
    states = {PARENT: load_file(parent.path / "student/model.safetensors")}
    states |= {name: load_file(run.path / "student/model.safetensors") for name, run in runs.items()}
    for arm, form in (("finetune", "finetune"), ("retrain", RETRAINED)):
        states[form] = load_file(runs["remos"].path / f"steps/train.{arm}/model/model.safetensors")
    tuned = states["finetune"]
    for name in ("float16", "bfloat16", "int8"):
        states[name] = rounded(tuned, getattr(torch, name))
    if kind.name == "vgg":
        states["permuted"] = rewired(_in_order(tuned), seed)[0]
    draft = place / f".models{DRAFT}"
    for number, (form, state) in enumerate(states.items()):
        _write(draft / f"{form}.safetensors", renamed(_floating(state), 1000 * seed + number))
    draft.rename(place / "models")


def trained_folder(scale: Scale, kind: Kind, seed: int, form: str) -> Path:
    """The folder of a child as it was trained, with its names."""
    place = family_folder(scale, kind, seed)
    return place / "remos/steps/train.finetune/model" if form == "finetune" else place / form / "student"


def _run(
    place: Path,
    name: str,
    teacher: Mapping[str, Any],
    scale: Scale,
    seed: int,
    reporter: Reporter,
    classes: tuple[str, ...] | None,
    slicing: Mapping[str, Any],
) -> Run:
    scratch = classes is None
    train: dict[str, Any] = {
        "epochs": scale.epochs if scratch else max(1, scale.epochs // 2),
        "lr": 0.05 if scratch or name == "hard" else 0.01,
        "head_lr_factor": 1 if scratch else 5,
        "augment": "flip",
    }
    recipe: dict[str, Any] = {
        "kind": "slice",
        "name": name,
        "seed": seed,
        "teacher": dict(teacher),
        "data": {
            "path": str(DATA),
            "group": "group",
            "splits": {"train": 0.7, "validation": 0.1, "test": 0.2},
            **({"limit": scale.images} if scale.images else {}),
            **({} if classes is None else {"classes": list(classes)}),
        },
        "slice": {**slicing, **({"batch_size": scale.search_batch} if slicing["method"] == "seam" else {})},
        "train": train,
        "baselines": ["retrain"] if name == "remos" else [],
    }
    path = place / "recipes" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False))
    return hubslice.slice(path, out=place / name, reporter=reporter)


def _in_order(state: State) -> State:
    """Layers as they follow each other: files sort `features.11` before `features.4`."""
    return dict(sorted(state.items(), key=lambda item: [int(part) for part in re.findall(r"\d+", item[0])] or [999]))


def _floating(state: State) -> State:
    """Without the counters of normalisation layers, which are no weights."""
    return {name: tensor for name, tensor in state.items() if tensor.ndim}


def _write(path: Path, state: State) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
