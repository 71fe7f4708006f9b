"""Mix a student's weights with its teacher's, and measure how often the mixture predicts like the student."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubslice.ancestry.opening import open_model
from hubslice.artefacts.exposure import Mixture

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from hubslice.files.tensor_parts import Tensors
    from hubslice.modality.modality import Samples
    from hubslice.models.base import Model


BATCH = 64


def mix(
    model: Model, teacher: Mapping[str, np.ndarray], samples: Samples, goal: float, device: torch.device
) -> tuple[Mixture, np.ndarray]:
    """Return the model's exposure given the teacher's tensors, and predictions int64 [1 + points, samples].

    The first row of the predictions is the model's, the others are those along the curve of layers, along the leading
    bits with the teacher, and along those without it. The model's weights are restored.
    """
    import numpy as np
    import torch

    from hubslice.ancestry.exposure import changes, curve, groups_of, mixture, shared
    from hubslice.ancestry.leading_bits import leading
    from hubslice.modality.modality import placed

    student = {name: tensor.detach().clone() for name, tensor in model.module.state_dict().items()}
    known = shared(student, teacher)
    groups = groups_of(student, model.classifier_parameters())
    layers = changes(student, known, groups)
    network = model.module.eval().to(device)
    told: list[np.ndarray] = []

    def answers() -> Tensor:
        with torch.inference_mode():
            starts = range(0, len(samples), BATCH)
            parts = [placed(samples.encoded(start, start + BATCH), device) for start in starts]
            found = torch.cat([model.answer(part).argmax(1).cpu() for part in parts])
        told.append(found.numpy())
        return found

    network.load_state_dict(student)
    right = answers()
    points = list(curve(network, student, known, groups, layers, right, answers))
    below, alone = (list(leading(network, student, having, right, answers)) for having in (known, {}))
    network.load_state_dict(student)
    return mixture(len(samples), goal, layers, points, below, alone), np.stack(told)


def facts_of(mixed: Mixture) -> dict[str, Any]:
    """Return the fields of a mixture, for an artefact with further fields."""
    return {name: getattr(mixed, name) for name in Mixture.model_fields}


def tensors_of(student: Model, teacher: Path, input_size: int | None) -> dict[str, np.ndarray]:
    """Return the floating-point tensors of the teacher in a folder by the student's names, float32.

    `input_size` in pixels is that of the student's images, to which the library resizes position embeddings.

    Raises:
        ModelError: the teacher cannot be used.
    """
    from hubslice.models.folder import load_model
    from hubslice.models.libraries import library_called

    if not library_called(student.library).fits_positions:
        return named_tensors(student, open_model(str(teacher)))
    state = load_model(teacher, input_size=input_size).module.state_dict()
    return {name: tensor.float().numpy() for name, tensor in state.items() if tensor.is_floating_point()}


def named_tensors(student: Model, held: Tensors) -> dict[str, np.ndarray]:
    """Return the floating-point tensors read through `held`, by the student's names, float32."""
    import torch

    from hubslice.ancestry.layers import numbers
    from hubslice.files.tensor_parts import Piece
    from hubslice.models.libraries import library_called

    infos = {name: info for name, info in held.infos.items() if info.dtype in ("F64", "F32", "F16", "BF16")}
    read = held.read([Piece(name, 0, info.size) for name, info in infos.items()])
    tensors = {
        name: torch.from_numpy(numbers(data, info.dtype).reshape(info.shape))
        for (name, info), data in zip(infos.items(), read, strict=True)
    }
    found = library_called(student.library).named(student.module, tensors, Path(held.name))
    return {name: tensor.numpy() for name, tensor in found.items() if tensor.is_floating_point()}
