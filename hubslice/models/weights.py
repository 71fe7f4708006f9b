"""A folder's weights against the model that its config.json describes: what is there, what fits, what is a number."""

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

_MOST_PER_TENSOR = 100  # of a file for each of the model: experts, say, are saved one by one and held as one
STATISTICS = ("running_mean", "running_var")  # buffers of normalisation layers that training measures

Shapes = Mapping[str, tuple[int, ...]]


def held_shapes(folder: Path) -> Shapes:
    """The shapes of all tensors in the folder's model.safetensors or in the shards that its index names.

    Raises:
        ModelError: there is neither, or one is damaged.
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
    """The name of the folder's model.safetensors, or those of the shards that its index names; no config names others.

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
    """The tensors in the folder's weight files, by the files' names for them.

    Raises:
        ModelError: there are no weights.
    """
    found: dict[str, Tensor] = {}
    for name in weight_files(folder):
        found |= load_file(folder / name)
    return found


def shapes_of(module: nn.Module) -> Shapes:
    """The shapes of what the module would save."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def check_count(expected: Shapes, held: Shapes, folder: Path, model: str, hint: str) -> None:
    """Refuse files with far more tensors than the model: libraries would read and rename each before they complain.

    Raises:
        ModelError: they have; how they differ is told.
    """
    if len(held) > _MOST_PER_TENSOR * len(expected) + 1000:
        raise ModelError(f"the weights in {folder} are not those of {model}: {misfit(expected, held)}", hint=hint)


def misfit(expected: Shapes, held: Shapes) -> str | None:
    """How the held tensors differ from the expected ones, in words; None if they do not."""
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
    """The three kinds of trouble with numbers and first names; `wrong` are names with shape found and expected."""
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
    """Refuse weights that are not numbers: whatever is computed with them is worth nothing. 100 MB take about 0.05 s.

    Bounds may be infinite, where nothing is cut off; parameters and running statistics may not.

    Raises:
        ModelError: a tensor holds NaN or infinities.
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
    """Tensors of these shapes on the meta device."""
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
