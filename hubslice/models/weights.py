"""Compare a folder's weights with the model of its config.json: missing tensors, shapes, non-finite values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.names import INDEX, WEIGHTS
from hubslice.files.tensor_header import HeaderError, read_header
from hubslice.hub.formats import check_weights, shards

_MOST_PER_TENSOR = 100  # tensors in files per tensor of the model: experts may be stored separately and loaded as one
STATISTICS = ("running_mean", "running_var")  # buffers of normalisation layers, measured in training

Shapes = Mapping[str, tuple[int, ...]]


def held_shapes(folder: Path) -> Shapes:
    """Return the shapes of all tensors in the folder's model.safetensors or in the shards named by its index.

    Raises:
        ModelError: there is neither, or a file is damaged.
    """
    name = WEIGHTS
    try:
        found: dict[str, tuple[int, ...]] = {}
        for name in weight_files(folder):
            found |= {tensor: info.shape for tensor, info in read_header(folder / name).tensors.items()}
    except HeaderError as error:
        raise ModelError(
            f"{folder / name} is damaged or not safetensors: {message_of(error)}",
            hint="save or download the weights again",
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(
            f"{folder} cannot be read as a model: {type(error).__name__}: {message_of(error)}", hint="download it again"
        ) from error
    return found


def weight_files(folder: Path) -> list[str]:
    """Return the folder's model.safetensors, or the shards named by its index; config.json cannot name others.

    Raises:
        ModelError: there is neither.
    """
    names = {path.name for path in folder.iterdir() if path.is_file()}
    if not names & {WEIGHTS, INDEX}:
        raise ModelError(
            f"{folder} has no safetensors weights", hint="convert the weights to safetensors; pickles are not loaded"
        )
    first = check_weights(names, str(folder), on_hub=False)
    return [first] if first == WEIGHTS else sorted(shards(folder / first, str(folder), on_hub=False))


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Return the tensors in the folder's weight files, by their names in the files.

    Raises:
        ModelError: there are no weights.
    """
    found: dict[str, Tensor] = {}
    for name in weight_files(folder):
        found |= load_file(folder / name)
    return found


def shapes_of(module: nn.Module) -> Shapes:
    """Return the shapes of the module's state dict."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def check_count(expected: Shapes, held: Shapes, folder: Path, model: str, hint: str) -> None:
    """Refuse files with far more tensors than the model: libraries would load and rename them all before failing.

    Raises:
        ModelError: there are too many; the message lists the differences.
    """
    if len(held) > _MOST_PER_TENSOR * len(expected) + 1000:
        raise ModelError(f"the weights in {folder} are not those of {model}: {misfit(expected, held)}", hint=hint)


def misfit(expected: Shapes, held: Shapes) -> str | None:
    """Describe how the held tensors differ from the expected ones; None if they do not."""
    return tell_misfit(
        sorted(expected.keys() - held.keys()),
        sorted(held.keys() - expected.keys()),
        [
            (name, held[name], expected[name])
            for name in sorted(expected.keys() & held.keys())
            if held[name] != expected[name]
        ],
    )


def tell_misfit(
    missing: Sequence[str], unexpected: Sequence[str], wrong: Sequence[tuple[str, Sequence[int], Sequence[int]]]
) -> str | None:
    """Describe the three kinds of mismatch with counts and first names.

    `wrong` has names with the shape found and the shape expected.
    """
    parts = []
    if missing:
        parts.append(f"{_count(missing)} missing ({_first(missing)})")
    if unexpected:
        parts.append(f"{_count(unexpected)} unexpected ({_first(unexpected)})")
    if wrong:
        shown = [f"{name} is {list(found)} instead of {list(wanted)}" for name, found, wanted in wrong]
        parts.append(f"{_count(wrong)} of another shape ({_first(shown)})")
    return ", ".join(parts) or None


def check_finite(module: nn.Module, folder: Path) -> None:
    """Refuse weights that are not finite: results computed from them are meaningless. 100 MB take about 0.05 s.

    Bounds may be infinite, meaning that nothing is clipped; parameters and running statistics may not.

    Raises:
        ModelError: a tensor contains NaN or infinities.
    """
    bad = []
    bounds = {name for name, _ in module.named_buffers() if not name.endswith(STATISTICS)}
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        if not bool((~torch.isnan(tensor) if name in bounds else torch.isfinite(tensor)).all()):
            nan, infinite = int(torch.isnan(tensor).sum()), int(torch.isinf(tensor).sum())
            bad.append(f"{name}: {nan} NaN and {infinite} infinite of {tensor.numel()}")
    if bad:
        raise ModelError(
            f"{_count(bad)} of {folder} hold values that are not finite numbers ({_first(bad)})",
            hint="the weights are damaged, or their training diverged; choose another revision or train again",
        )


def _count(what: Sequence[object]) -> str:
    return f"{len(what)} tensor{'s' * (len(what) != 1)}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def on_meta(shapes: Shapes) -> dict[str, torch.Tensor]:
    """Return tensors of these shapes on the meta device."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
