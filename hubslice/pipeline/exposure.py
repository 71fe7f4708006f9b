"""How much of a student its teacher gives away."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hubslice.artefacts.exposure import BaselineExposure, Exposure, Mixture
from hubslice.errors import LineageError, ModelError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import parse_ref
from hubslice.pipeline.lineage import open_model
from hubslice.pipeline.origin import origin_of
from hubslice.pipeline.publish import check_free, whole_folder
from hubslice.progress import Reporter
from hubslice.recipe.exposure import GOAL

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from hubslice.artefacts.tensor_parts import Tensors
    from hubslice.models.base import Model

FACTS, PICTURE = "exposure.json", "exposure.png"
BATCH = 64
FEW = 0.5  # share of the weights below which a teacher whose names are in doubt is warned of


def exposure(
    model: str,
    teacher: str | None,
    data: Path,
    *,
    input_size: int | None,
    device: str,
    out: Path | None,
    reporter: Reporter,
) -> Exposure:
    """Measure it; see `hubslice.api.ancestry.exposure`."""
    from hubslice.data.given import open_given
    from hubslice.device import resolve_device
    from hubslice.models.folder import load_model

    started = time.perf_counter()
    if out is not None:
        check_free(out, {FACTS, PICTURE})
    where = resolve_device(device)
    origin = origin_of(model)
    if teacher is None and origin.teacher is None:
        raise LineageError(
            f"no teacher is named, and {model} is not a run that holds its own",
            hint="hubslice lineage MODEL --exposure --teacher TEACHER --data PICTURES",
        )
    loaded = load_model(fetch(parse_ref(model, Path.cwd()), reporter=reporter).folder, input_size=input_size)
    given = open_given(data, loaded.image_preprocessing)
    known, doubt = _tensors(teacher or str(origin.teacher), loaded)
    teacher = teacher or origin.named
    with reporter.track("Mix student and teacher", None, ""):
        mixed, _ = mix(loaded, known, given, GOAL, where)
    if not mixed.shared:
        raise LineageError(
            f"{model} has no layer whose name and shape {teacher} has, too{f'; {doubt}' if doubt else ''}",
            hint="name its teacher; of a compact student no layer may be left in the teacher's shape",
        )
    baseline = None
    if origin.baseline is not None:
        tuned = load_model(origin.baseline, input_size=input_size)
        with reporter.track(f"Mix {origin.title} and teacher", None, ""):
            beside, _ = mix(tuned, known, open_given(data, tuned.image_preprocessing), GOAL, where)
        baseline = BaselineExposure(title=origin.title, **facts_of(beside))
    found = Exposure(
        model=model,
        teacher=teacher,
        data=given.source,
        baseline=baseline,
        warnings=(_doubtful(teacher, mixed.shared, doubt),) if doubt and mixed.shared < FEW else (),
        seconds=round(time.perf_counter() - started, 2),
        **facts_of(mixed),
    )
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

    The first row of the answers is the model's, the others are those along the curve of layers, along the leading bits
    with the teacher, and along those without it. The model keeps its weights.
    """
    import numpy as np
    import torch

    from hubslice.ancestry.exposure import changes, curve, groups_of, mixture, shared
    from hubslice.ancestry.leading import leading

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

    network.load_state_dict(student)
    right = answers()
    points = list(curve(network, student, known, groups, layers, right, answers))
    below, alone = (list(leading(network, student, having, right, answers)) for having in (known, {}))
    network.load_state_dict(student)
    return mixture(len(pictures), goal, layers, points, below, alone), np.stack(told)


def facts_of(mixed: Mixture) -> dict[str, Any]:
    """The fields of a mixture, for a fact sheet that says more."""
    return {name: getattr(mixed, name) for name in Mixture.model_fields}


def tensors_of(student: Model, teacher: Path, input_size: int | None) -> dict[str, np.ndarray]:
    """The floating-point tensors of the teacher in a folder by the student's names, float32.

    `input_size` in pixels is that of the student's pictures: position embeddings of timm's models are fitted to it.

    Raises:
        ModelError: the teacher cannot be used.
    """
    from hubslice.models.folder import load_model

    if student.library == "transformers":
        return _named(student, open_model(str(teacher)))
    state = load_model(teacher, input_size=input_size).module.state_dict()
    return {name: tensor.float().numpy() for name, tensor in state.items() if tensor.is_floating_point()}


def _tensors(teacher: str, student: Model) -> tuple[dict[str, np.ndarray], str | None]:
    """As `tensors_of`, for a teacher by name; and why its names may be none of the student's though it is the teacher.

    A file alone, and what is no network, has no other names than those in its files.
    """
    path = Path(teacher).expanduser()
    doubt = "a file does not say how its network would name them"
    if path.suffix != ".safetensors" or not path.is_file():
        try:
            return tensors_of(student, fetch(parse_ref(teacher, Path.cwd())).folder, _side(student)), None
        except ModelError as error:
            doubt = error.headline
    return _named(student, open_model(teacher)), f"its names are those in its file: {doubt}"


def _named(student: Model, held: Tensors) -> dict[str, np.ndarray]:
    import torch

    from hubslice.ancestry.layers import numbers
    from hubslice.artefacts.tensor_parts import Piece
    from hubslice.models.named import named_as

    infos = {name: info for name, info in held.infos.items() if info.dtype in ("F64", "F32", "F16", "BF16")}
    read = held.read([Piece(name, 0, info.size) for name, info in infos.items()])
    tensors = {
        name: torch.from_numpy(numbers(data, info.dtype).reshape(info.shape))
        for (name, info), data in zip(infos.items(), read, strict=True)
    }
    found = named_as(student, tensors, Path(held.name))
    return {name: tensor.numpy() for name, tensor in found.items() if tensor.is_floating_point()}


def _side(student: Model) -> int:
    return student.image_preprocessing.input_size[1]


def _doubtful(teacher: str, shared: float, doubt: str) -> str:
    return (
        f"only {shared:.0%} of the weights lie in layers that {teacher} has by name and shape, and {doubt}; "
        "the exposure may be far higher"
    )


def _write(found: Exposure, folder: Path) -> None:
    from hubslice.card.plot_exposure import plot_exposure

    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        plot_exposure(found, draft / PICTURE)
