"""How much of a student its teacher gives away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hubslice.artefacts.exposure import Exposure, Mixture
from hubslice.errors import LineageError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from hubslice.pipeline.lineage import open_model
from hubslice.pipeline.publish import check_free, whole_folder
from hubslice.progress import Reporter
from hubslice.recipe.exposure import GOAL

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from hubslice.models.base import Model

FACTS, PICTURE = "exposure.json", "exposure.png"
BATCH = 64


def exposure(
    model: str, teacher: str, data: Path, *, input_size: int | None, device: str, out: Path | None, reporter: Reporter
) -> Exposure:
    """Measure it; see `hubslice.api.ancestry.exposure`."""
    from hubslice.data.given import open_given
    from hubslice.device import resolve_device
    from hubslice.models.folder import load_model

    started = time.perf_counter()
    if out is not None:
        check_free(out, {FACTS, PICTURE})
    where = resolve_device(device)
    loaded = load_model(fetch(parse_ref(model, Path.cwd())).folder, input_size=input_size)
    given = open_given(data, loaded.image_preprocessing)
    with reporter.track("Mix student and teacher", None, ""):
        mixed, _ = mix(loaded, _tensors(teacher, set(loaded.module.state_dict())), given, GOAL, where)
    if all(layer.bits is None for layer in mixed.layers):
        raise LineageError(
            f"{model} has no layer whose name and shape {teacher} has, too",
            hint="name its teacher; of a compact student no layer may be left in the teacher's shape",
        )
    seconds = round(time.perf_counter() - started, 2)
    found = Exposure(model=model, teacher=teacher, data=given.source, seconds=seconds, **facts_of(mixed))
    if out is not None:
        _write(found, out)
    return found


class Pictures(Protocol):
    """Pictures of one size."""

    def __len__(self) -> int: ...

    def pixels(self, start: int, stop: int) -> Tensor:
        """Pictures `start` to `stop`, float32 in [0, 1], [stop - start, C, H, W]."""
        ...


def mix(
    model: Model, teacher: Mapping[str, np.ndarray], pictures: Pictures, goal: float, device: torch.device
) -> tuple[Mixture, np.ndarray]:
    """What the model gives away to whoever has the teacher's tensors; and answers int64 [1 + points, pictures].

    The first row of the answers is the model's, the others are those of the mixtures along the curve. The model keeps
    its weights.
    """
    import numpy as np
    import torch

    from hubslice.ancestry.exposure import changes, curve, groups_of, needed, shared

    student = {name: tensor.detach().clone() for name, tensor in model.module.state_dict().items()}
    known = shared(student, teacher)
    groups = groups_of(student, model.classifier_parameters())
    layers = changes(student, known, groups)
    network = model.module.eval().to(device)
    told: list[np.ndarray] = []

    def answers() -> Tensor:
        with torch.inference_mode():
            starts = range(0, len(pictures), BATCH)
            parts = [pictures.pixels(start, min(start + BATCH, len(pictures))).to(device) for start in starts]
            found = torch.cat([model.logits(part).argmax(1).cpu() for part in parts])
        told.append(found.numpy())
        return found

    points = tuple(curve(network, student, known, groups, layers, answers))
    enough = needed(points, goal)
    mixed = Mixture(
        inputs=len(pictures),
        goal=goal,
        start=points[0].agreement,
        weights_needed=enough.weights,
        bits_needed=enough.bits,
        layers=tuple(layers),
        curve=points,
    )
    return mixed, np.stack(told)


def facts_of(mixed: Mixture) -> dict[str, Any]:
    """The fields of a mixture, for a fact sheet that says more."""
    return {name: getattr(mixed, name) for name in Mixture.model_fields}


def _tensors(model: str, names: set[str]) -> dict[str, np.ndarray]:
    """The teacher's floating-point tensors of these names, float32."""
    from hubslice.ancestry.layers import numbers
    from hubslice.artefacts.tensor_parts import Piece

    held = open_model(model)
    wanted = [
        name for name, info in held.infos.items() if name in names and info.dtype in ("F64", "F32", "F16", "BF16")
    ]
    read = held.read([Piece(name, 0, held.infos[name].size) for name in wanted])
    infos = [held.infos[name] for name in wanted]
    return {
        name: numbers(data, info.dtype).reshape(info.shape)
        for name, data, info in zip(wanted, read, infos, strict=True)
    }


def _write(found: Exposure, folder: Path) -> None:
    from hubslice.card.plot_exposure import plot_exposure

    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        plot_exposure(found, draft / PICTURE)
