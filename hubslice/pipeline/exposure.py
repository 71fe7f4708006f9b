"""How much of a student its teacher gives away."""

from __future__ import annotations

import time
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from hubslice.artefacts.base import DRAFT
from hubslice.artefacts.exposure import Exposure
from hubslice.errors import LineageError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from hubslice.machine import faults_told
from hubslice.pipeline.lineage import open_model
from hubslice.pipeline.publish import check_free, swap
from hubslice.progress import Reporter

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

FACTS, PICTURE = "exposure.json", "exposure.png"
GOAL = 0.94  # matching predictions, as the paper reports
BATCH = 64


def exposure(
    model: str, teacher: str, data: Path, *, input_size: int | None, device: str, out: Path | None, reporter: Reporter
) -> Exposure:
    """Measure it; see `hubslice.api.exposure`."""
    import torch

    from hubslice.ancestry.exposure import changes, curve, groups_of, needed, shared
    from hubslice.data.given import open_given
    from hubslice.device import resolve_device
    from hubslice.models.folder import load_model

    started = time.perf_counter()
    if out is not None:
        check_free(out, {FACTS, PICTURE})
    where = resolve_device(device)
    loaded = load_model(fetch(parse_ref(model, Path.cwd())).folder, input_size=input_size)
    given = open_given(data, loaded.image_preprocessing)
    student = {name: tensor.detach().clone() for name, tensor in loaded.module.state_dict().items()}
    known = shared(student, _tensors(teacher, set(student)))
    if not known:
        raise LineageError(
            f"{model} has no layer whose name and shape {teacher} has, too",
            hint="name its teacher; of a compact student no layer may be left in the teacher's shape",
        )
    groups = groups_of(student, loaded.classifier_parameters())
    layers = changes(student, known, groups)
    network = loaded.module.to(where)

    def answers() -> Tensor:
        with torch.inference_mode():
            starts = range(0, len(given), BATCH)
            parts = [given.pixels(start, min(start + BATCH, len(given))).to(where) for start in starts]
            return torch.cat([loaded.logits(part).argmax(1).cpu() for part in parts])

    with reporter.track("Mix student and teacher", None, ""):
        points = tuple(curve(network, student, known, groups, layers, answers))
    enough = needed(points, GOAL)
    found = Exposure(
        model=model,
        teacher=teacher,
        data=given.source,
        inputs=len(given),
        goal=GOAL,
        start=points[0].agreement,
        weights_needed=enough.weights,
        bits_needed=enough.bits,
        layers=tuple(layers),
        curve=points,
        seconds=round(time.perf_counter() - started, 2),
    )
    if out is not None:
        _write(found, out)
    return found


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

    draft = folder.with_name(f".{folder.name}{DRAFT}")
    with faults_told(f"writing {folder}", folder):
        rmtree(draft, ignore_errors=True)
        try:
            draft.mkdir(parents=True)
            found.save(draft / FACTS)
            plot_exposure(found, draft / PICTURE)
            swap(draft, folder)
        finally:
            rmtree(draft, ignore_errors=True)
