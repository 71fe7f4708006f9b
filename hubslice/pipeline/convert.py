"""Other forms of a model: a run's student, or any model, made compact or turned into an ONNX graph, in 8 bits too."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hubslice.artefacts.base import DRAFT
from hubslice.artefacts.names import SHAPES, SLICE, WEIGHTS
from hubslice.artefacts.report import ParityReport
from hubslice.errors import InputError, SliceError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import LocalRef, Ref, parse_ref
from hubslice.machine import faults_told
from hubslice.pipeline.publish import check_free, swap

if TYPE_CHECKING:
    from hubslice.artefacts.channels import ChannelGroup, ChannelMap
    from hubslice.artefacts.quantisation import QuantisationReport
    from hubslice.artefacts.slice import Slice
    from hubslice.models.base import Model

Form = Literal["compact", "onnx", "int8"]
SAMPLES = 100  # pictures to calibrate with
LEAST_AGREEMENT = 0.8
ONNX = "model.onnx"
OURS = {
    "config.json",
    "preprocessor_config.json",
    SHAPES,
    WEIGHTS,
    ONNX,
    f"{ONNX}.data",
}  # what a conversion writes, and may replace
KEEP_SHAPES = "keep the shapes with slice.granularity: weight, or leave such layers out with slice.layers"


@dataclass(frozen=True)
class Converted:
    """What a conversion made. `parameters` and `size` (bytes of the weights, or of the graph) are before and after.

    Of a compact model `removed` counts units by the group that they were in, and `whole` are layers that could lose
    none, with the reason; of a graph `parity` tells how close it is to PyTorch, of a quantised one `quantisation`.
    """

    path: Path
    form: Form
    parameters: tuple[int, int]
    size: tuple[int, int]
    removed: Mapping[str, int]
    whole: Mapping[str, str]
    parity: ParityReport | None = None
    quantisation: QuantisationReport | None = None


def convert(
    model: str,
    form: Form,
    *,
    half: bool = False,
    dynamic: bool = False,
    data: str | None = None,
    samples: int = SAMPLES,
    min_agreement: float = LEAST_AGREEMENT,
    out: Path | None = None,
) -> Converted:
    """Make another form of a run's student, a model folder or a model on the Hub, in a folder of its own.

    compact: channels, heads and MLP features whose weights are zero are taken out; the result is a model folder. onnx:
    a graph for plain ONNX Runtime, in float16 inside where `half`. int8: a graph in 8-bit integers, calibrated with
    `samples` pictures of `data` or of the run's own training split, or `dynamic`; it must answer as the model does for
    the share `min_agreement` of other pictures. `out` defaults to a folder of the run, or beside
    the working directory's others.

    Raises:
        InputError: `out` holds something else, an option goes with another form, or there is nothing to calibrate with.
        SliceError: nothing can be taken out, or what the run's slice took out has grown again.
        ModelError: the model cannot be used.
        ParityError: the graph computes something else than the model.
    """
    from hubslice.models.folder import load_model

    if half and form != "onnx":
        raise InputError(f"--half is for --to onnx, not for --to {form}", hint="leave it out")
    if form != "int8" and (dynamic or data is not None):
        raise InputError(
            f"--{'dynamic' if dynamic else 'data'} is for --to int8, not for --to {form}", hint="leave it out"
        )
    ref = parse_ref(model, Path.cwd())
    target = out or _default(ref, form)
    check_free(target, OURS)
    fetched = fetch(ref)
    loaded = load_model(fetched.folder)
    loaded.poisoned = loaded.poisoned or fetched.poisoned
    before = sum(file.size for file in fetched.files if file.path.endswith(".safetensors"))
    with faults_told(f"writing {target}", target):
        draft = target.with_name(f".{target.name}{DRAFT}")
        shutil.rmtree(draft, ignore_errors=True)
        try:
            if form == "onnx":
                made = _to_onnx(loaded, draft, half)
            elif form == "int8":
                made = _to_int8(loaded, ref, draft, dynamic, data, samples, min_agreement)
            else:
                made = _to_compact(loaded, str(ref), _slice_of(ref), draft)
            swap(draft, target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return replace(made, path=target, size=(before, made.size[1]))


def _default(ref: Ref, form: Form) -> Path:
    """A folder of the run, or one in the working directory that is called after the model."""
    if isinstance(ref, LocalRef):
        return ref.path / form if ref.kind == "run" else Path(f"{ref.path.resolve().name}-{form}")
    return Path(f"{ref.repo_id.rpartition('/')[2]}-{form}")


def _slice_of(ref: Ref) -> Slice | None:
    from hubslice.artefacts.slice import Slice

    path = ref.path / SLICE if isinstance(ref, LocalRef) and ref.kind == "run" else None
    return Slice.load(path) if path is not None and path.is_file() else None


def _to_onnx(model: Model, folder: Path, half: bool) -> Converted:
    from hubslice.conversion.onnx import write_onnx

    parity = write_onnx(model, folder / ONNX, half=half)
    count = model.parameters
    return Converted(
        folder, "onnx", (count, count), (0, sum(path.stat().st_size for path in folder.iterdir())), {}, {}, parity
    )


def _to_int8(
    model: Model, ref: Ref, folder: Path, dynamic: bool, data: str | None, samples: int, least: float
) -> Converted:
    from hubslice.conversion.quantise import write_int8
    from hubslice.pipeline.calibration import pictures

    calibration, check = pictures(ref, model, data, samples)
    if calibration is None and not dynamic:
        raise InputError(
            f"{ref} is no run, so there are no pictures to calibrate with",
            hint="give some of what it is used on with --data, or use --dynamic",
        )
    quantisation = write_int8(
        model, folder / ONNX, calibration=None if dynamic else calibration, check=check, least=least
    )
    count = model.parameters
    size = (folder / ONNX).stat().st_size
    return Converted(folder, "int8", (count, count), (0, size), {}, {}, quantisation=quantisation)


def _to_compact(model: Model, name: str, slice_: Slice | None, folder: Path) -> Converted:
    from hubslice.conversion.compact import removable, without, zeros
    from hubslice.graph.channels import channel_map

    channels = channel_map(model)
    if slice_ is not None and model.shapes is None:
        _check_zero(model, name, channels, slice_)
    removed = removable(model, channels, zeros(model))
    if not removed and model.shapes is None:
        raise _nothing(model, name, channels)
    smaller = without(model, channels, removed)
    smaller.save(folder)
    return Converted(
        folder,
        "compact",
        (model.parameters, smaller.parameters),
        (0, (folder / WEIGHTS).stat().st_size),
        {group: len(units) for group, units in removed.items()},
        channels.whole,
    )


def _check_zero(model: Model, name: str, channels: ChannelMap, slice_: Slice) -> None:
    """Raise SliceError where units that the slice left nothing of are no longer zero."""
    from hubslice.conversion.compact import removable

    planned = removable(model, channels, slice_)
    grown = {
        group.name: count
        for group in channels.groups
        if group.name in planned and (count := _not_zero(model, group, planned[group.name]))
    }
    if grown:
        told = ", ".join(f"{count} of {layer}" for layer, count in list(grown.items())[:3])
        more = f" and {len(grown) - 3} layers more" if len(grown) > 3 else ""
        raise SliceError(
            f"{name}: {sum(grown.values())} channels that the slice took out are no longer zero in the student "
            f"({told}{more}): training let them grow again",
            hint="a compact student is made before training, with slice.irrelevant: compact in the recipe; with "
            "slice.irrelevant: freeze and slice.init: zero they stay zero and can be taken out afterwards",
        )


def _not_zero(model: Model, group: ChannelGroup, units: np.ndarray) -> int:
    """How many of the units have a parameter that is not zero."""
    parameters = dict(model.module.named_parameters())
    found = np.zeros(len(units), dtype=bool)
    for part in group.makes:
        if part.tensor in parameters:
            values = parameters[part.tensor].detach().movedim(part.axis, 0).numpy()[part.entries[units]]
            found |= values.reshape(len(units), -1).any(axis=1)
    return int(found.sum())


def _nothing(model: Model, name: str, channels: ChannelMap) -> SliceError:
    """Why there is nothing to take out: no unit is zero, or only such of layers that stay whole."""
    if not channels.groups:
        reason = next(iter(channels.whole.values()), "it has no convolutions or linear layers")
        return SliceError(f"nothing can be taken out of {name}: {reason}", hint=KEEP_SHAPES)
    weights = dict(model.module.named_parameters())
    idle = {
        layer: count
        for layer in channels.whole
        if (weight := weights.get(f"{layer}.weight")) is not None
        and (count := int((weight.detach().flatten(1) == 0).all(dim=1).sum()))
    }
    if idle:
        layer = next(iter(idle))
        return SliceError(
            f"{name}: {idle[layer]} outputs of {layer} are zero, but it stays whole: {channels.whole[layer]}",
            hint=KEEP_SHAPES,
        )
    return SliceError(
        f"no channel, head or feature of {name} is zero as a whole, so there is nothing to take out",
        hint="slice whole channels: slice.granularity: channel and slice.irrelevant: compact in the recipe",
    )
