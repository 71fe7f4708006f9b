"""The stages, each as a user would go through it: hubslice's public functions, and the stock library as the oracle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import hubslice
from hubslice.core.errors import SliceError
from hubslice.graph.channels import channel_map
from tests.images import write_parquet

from .building import build
from .member import Member

TOLERANCE = 1e-4  # of the largest logit
RECIPE = """\
kind: slice
name: breadth
teacher: {model: ./teacher}
data: {path: ./shapes.parquet, group: group, splits: {train: 0.5, validation: 0.25, test: 0.25}}
profile: {batch_size: 4}
slice: {method: remos, ratio: 0.1}
train: {epochs: 1, batch_size: 4, lr: 0.001, augment: none, workers: 0}
baselines: []
"""
COMPACT = RECIPE.replace(
    "{method: remos, ratio: 0.1}",
    "{method: magnitude, granularity: channel, ratio: 0.2, align: 1, irrelevant: compact}",
)


class Missed(Exception):  # noqa: N818 (no error of a program: what it says was not met)
    """Something that a stage checks does not hold."""


class Whole(Exception):  # noqa: N818 (nor this)
    """The stage has nothing to do, for a reason of the architecture."""


@dataclass(frozen=True)
class Job:
    """A member, its folder `teacher` in `place`, and data and recipes beside it."""

    member: Member
    place: Path
    done: frozenset[str] = frozenset()  # stages that ended well

    @property
    def teacher(self) -> Path:
        return self.place / "teacher"

    @property
    def run(self) -> Path:
        return self.place / "run"

    @property
    def subject(self) -> Path:
        """The student, or the teacher where there is none."""
        return self.run / "student" if "train" in self.done else self.teacher

    def prepare(self) -> None:
        """Make the teacher, the data and the recipes."""
        build(self.member, self.teacher)
        write_parquet(self.place / "shapes.parquet", samples=24)
        (self.place / "recipe.yaml").write_text(RECIPE)
        (self.place / "compact.yaml").write_text(COMPACT)

    def slice(self, until: str | None) -> None:
        """`hubslice slice`, up to a step."""
        hubslice.slice(self.place / "recipe.yaml", out=self.run, until=until)


def pull(job: Job) -> None:
    """The teacher is taken, and answers as in the stock library."""
    job.slice("pull")
    if not job.member.headless:
        _as_stock(job.teacher)


def map_(job: Job) -> None:
    """Exported with parity, and some of its weights are found in the graph."""
    job.slice("export")
    (found,) = (job.run / "steps" / "export").glob("*neuron*.json")
    if not json.loads(found.read_text())["layers"]:
        raise Missed("no layer of the model is in the neuron map")


def profile(job: Job) -> None:
    """Coverage on the task's images."""
    job.slice("profile")


def slice_(job: Job) -> None:
    """A slice at a small budget, and the student that training starts from."""
    job.slice("init")


def train(job: Job) -> None:
    """A few steps, evaluation and report; weights have moved and are numbers, limits of no use (infinity) aside."""
    job.slice(None)
    before = load_file(next((job.run / "steps" / "init").rglob("model.safetensors")))
    after = load_file(job.run / "student" / "model.safetensors")
    if not any((before[name] != after[name]).any() for name in after if name in before):
        raise Missed("training changed no weight")
    given = {name for name, tensor in before.items() if not tensor.isfinite().all() and tensor.equal(after[name])}
    if bad := [name for name, tensor in after.items() if not tensor.isfinite().all() and name not in given]:
        raise Missed(f"after training {bad[0]} holds values that are no numbers")


def reload(job: Job) -> None:
    """The student in the stock library: no tensor missing or left over, the answers of hubslice."""
    _as_stock(job.run / "student")


def prepare(job: Job) -> None:
    """Images of several sizes get the answers that the stock library's own preparation gives them."""
    student = job.run / "student"
    images = [_photograph(*size) for size in ((90, 60), (64, 64), (50, 120))]
    ours = hubslice.load(student).predict(images).logits
    module, to_input = _stock(student), _stock_preparation(student)
    _same(ours, _logits(module, torch.stack([to_input(image) for image in images])), "images")


def compact(job: Job) -> None:
    """Whole channels taken out of the student: it is smaller, is trained, and is loaded again."""
    place = job.place / "compact"
    shutil.copytree(job.run, place, ignore=shutil.ignore_patterns("student"))  # with the export, which is the same
    try:
        hubslice.slice(job.place / "compact.yaml", out=place)
    except SliceError as error:
        _raise_whole(job.run / "steps" / "pull" / "model", error)
        raise
    before, after = (hubslice.load(each) for each in (job.teacher, place / "student"))
    heads = sum(_size(model, model.classifier_parameters()) for model in (before,) if not job.member.headless)
    if after.parameters - _size(after, after.classifier_parameters()) >= before.parameters - heads:
        raise Missed("the compact student has as many weights as the teacher")


def explain(job: Job) -> None:
    """Why it answers two images as it does."""
    inputs = job.place / "inputs"
    inputs.mkdir()
    for at in range(2):
        _photograph(64, 64, at).save(inputs / f"{at}.png")
    found = hubslice.explain(job.subject, inputs, data=job.place / "shapes.parquet", out=job.place / "explained")
    if not any(layer.decisive or layer.opposing for layer in found.layers):
        raise Missed("no channel of any layer decided anything")


def int8(job: Job) -> None:
    """A graph in 8-bit integers, calibrated."""
    out = job.place / "int8"
    data = job.place / "shapes.parquet"
    hubslice.convert(job.subject, "int8", data=data, samples=8, min_agreement=0.0, out=out)


def lineage(job: Job) -> None:
    """Its weights name the teacher as the parent, and not a stranger of the same architecture."""
    stranger = build(job.member, job.place / "stranger", seed=1)
    found = hubslice.lineage(job.run / "student", [stranger, job.teacher])
    if found.parent != str(job.teacher):
        raise Missed(f"the parent is said to be {found.parent}: {_verdicts(found)}")
    if any(each.verdict == "descendant" for each in found.candidates[1:]):
        raise Missed(f"a stranger is said to be a relative: {_verdicts(found)}")


STAGES: Mapping[str, Callable[[Job], None]] = {
    "pull": pull,
    "map": map_,
    "profile": profile,
    "slice": slice_,
    "train": train,
    "reload": reload,
    "prepare": prepare,
    "compact": compact,
    "explain": explain,
    "int8": int8,
    "lineage": lineage,
}
NEEDS: Mapping[str, str] = {
    "map": "pull",
    "profile": "map",
    "slice": "profile",
    "train": "slice",
    "reload": "train",
    "prepare": "train",
    "compact": "map",
    "explain": "map",
    "int8": "map",
    "lineage": "train",
}


def _raise_whole(folder: Path, error: SliceError) -> None:
    """Raise Whole where no channel can be taken out because of what the architecture computes, not of what we know."""
    if "no channels can be taken out" in error.message:
        reasons = channel_map(hubslice.load(folder)).whole.values()
        unknown = [reason for reason in reasons if "be traced" in reason or "does not describe" in reason]
        if not unknown and any("averages over its channels" in reason for reason in reasons):
            raise Whole(error.message) from error


def _verdicts(found: Any) -> str:
    told = [f"{Path(each.candidate).name} {each.verdict} ({each.score})" for each in found.candidates]
    return ", ".join([*told, *filter(None, [found.unknown]), *found.skipped.values()])


def _size(model: Any, names: frozenset[str]) -> int:
    return sum(tensor.numel() for name, tensor in model.module.named_parameters() if name in names)


def _as_stock(folder: Path) -> None:
    """Raise Missed unless hubslice and the stock library load the same model from the folder."""
    model = hubslice.load(folder)
    inputs = model.example_inputs(3, seed=1)["pixel_values"]
    model.module.eval()
    with torch.inference_mode():
        ours = model.forward({"pixel_values": inputs})
    _same(ours, _logits(_stock(folder), inputs), "the same inputs")


def _stock(folder: Path) -> Any:
    config = json.loads((folder / "config.json").read_text())
    if "architecture" in config and "model_type" not in config:
        return timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    auto = transformers.AutoModelForImageClassification
    module, loaded = auto.from_pretrained(folder, output_loading_info=True)
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if loaded[what]:
            raise Missed(f"transformers loads {folder.name} with {what.replace('_', ' ')}: {sorted(loaded[what])[:3]}")
    return module.eval()


@torch.inference_mode()
def _logits(module: Any, inputs: Tensor) -> Tensor:
    found = module(inputs)
    if isinstance(found, Tensor):
        return found
    logits = getattr(found, "logits", None)
    return logits if logits is not None else found[0]  # type: ignore[no-any-return]


def _stock_preparation(folder: Path) -> Callable[[Image.Image], Tensor]:
    config = json.loads((folder / "config.json").read_text())
    if "architecture" in config and "model_type" not in config:
        data = timm.data.resolve_model_data_config(timm.create_model(f"local-dir:{folder}", pretrained=True))
        transform: Callable[[Image.Image], Tensor] = timm.data.create_transform(**data, is_training=False)
        return transform
    processor = transformers.AutoImageProcessor.from_pretrained(folder)

    def prepared(image: Image.Image) -> Tensor:
        found: Tensor = processor(image, return_tensors="pt")["pixel_values"][0]
        return found

    return prepared


def _same(ours: Tensor, theirs: Tensor, on: str) -> None:
    if ours.shape != theirs.shape:
        raise Missed(f"hubslice gives {list(ours.shape)}, the stock library {list(theirs.shape)}")
    apart, limit = float((ours - theirs).abs().max()), TOLERANCE * float(theirs.abs().max()) + 1e-8
    if not apart <= limit:
        raise Missed(f"on {on} hubslice's logits differ from the stock library's by {apart:.2g}, allowed: {limit:.2g}")


def _photograph(width: int, height: int, seed: int = 0) -> Image.Image:
    rng = np.random.default_rng(seed)
    across = np.linspace(0, 1, width)[None, :, None] * rng.uniform(40, 200, 3)
    down = np.linspace(0, 1, height)[:, None, None] * rng.uniform(0, 120, 3)
    values = across + down + rng.normal(0, 12, (height, width, 3))
    values[height // 4 : height // 2, width // 3 : width // 2] = rng.uniform(0, 255, 3)
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
