"""shapes.json: the widths in which a compact model differs from the stock architecture of its config.json.

The file maps named modules to integers and contains nothing else: no code, no attribute that is not a width. A stock
network is built from config.json, resized to these widths, and then loads the weights strictly.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import Tensor, nn

from hubslice.core.artefact import Artefact
from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import message_of
from hubslice.files.config import LARGEST_FILE, LARGEST_NUMBER
from hubslice.files.names import SHAPES
from hubslice.models.calling import Call

# Names of a layer's widths, by its type; all other modules use those below.
LAYERS: tuple[tuple[type[nn.Module], tuple[str, ...]], ...] = (
    (nn.modules.conv._ConvNd, ("in_channels", "out_channels", "groups")),
    (nn.Linear, ("in_features", "out_features")),
    (nn.modules.batchnorm._BatchNorm, ("num_features",)),
)
HEADS = ("num_heads", "num_attention_heads", "n_heads")  # number of heads of an attention layer
HEADS_WIDTH = ("attn_dim", "all_head_size")  # total channels of all heads
FEATURES = ("num_features", "head_hidden_size", "in_features")  # input features of a new classifier
HINT = "the file was changed or belongs to other weights; save the model again, or choose another revision"

Width = Annotated[int, Field(strict=True, ge=1, le=LARGEST_NUMBER)]


class CompactShapes(Artefact):
    """New widths by module ("" is the whole network) and attribute; all others are those of the architecture."""

    format: Literal["hubslice-shapes-1"] = "hubslice-shapes-1"
    modules: dict[str, dict[str, Width]]

    def over(self, older: CompactShapes | None) -> CompactShapes:
        """Return these widths merged over those of `older`."""
        names = [*(older.modules if older else {}), *self.modules]
        old = older.modules if older else {}
        return CompactShapes(modules={name: old.get(name, {}) | self.modules.get(name, {}) for name in names})


def read_shapes(folder: Path) -> CompactShapes | None:
    """Return the shapes.json of a model's folder; None if it has none, as for stock models.

    Raises:
        ModelError: it is damaged, of another format, or contains something that is not a width.
    """
    path = folder / SHAPES
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{path} has {path.stat().st_size} bytes, more than widths need", hint=HINT)
        return CompactShapes.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(step)[:80] for step in first["loc"])
        raise ModelError(
            f"{path} does not describe a compact model: {f'{at}: ' if at else ''}{first['msg']}", hint=HINT
        ) from error


def widths(module: nn.Module) -> dict[str, dict[str, int]]:
    """Return all widths of a network that shapes.json may name, by module."""
    return {name: found for name, part in module.named_modules() if (found := _widths(part))}


def _widths(part: nn.Module) -> dict[str, int]:
    own = next((names for kind, names in LAYERS if isinstance(part, kind)), (*HEADS, *HEADS_WIDTH, *FEATURES))
    return {name: vars(part)[name] for name in own if type(vars(part).get(name)) is int}


def changes(before: Mapping[str, Mapping[str, int]], module: nn.Module) -> CompactShapes | None:
    """Return how the widths of `module` differ from those `before`; None if they do not."""
    found = {
        name: changed
        for name, now in widths(module).items()
        if (changed := {key: value for key, value in now.items() if before[name][key] != value})
    }
    return CompactShapes(modules=found) if found else None


def apply(module: nn.Module, shapes: CompactShapes, where: str) -> None:
    """Resize a stock network to the given widths, keeping the leading entries of its tensors; `where` is for messages.

    Raises:
        ModelError: a module or width is unknown, larger than the architecture's, or inconsistent with the others.
    """
    parts = dict(module.named_modules())
    for name, described in shapes.modules.items():
        told = name[:80] or "the network"
        if name not in parts:
            raise ModelError(f"{where}: {SHAPES} names the module {told!r}, which the architecture lacks", hint=HINT)
        known = _widths(parts[name])
        for attribute, value in described.items():
            if attribute not in known:
                raise ModelError(f"{where}: {SHAPES} sets {attribute[:80]!r} of {told}, which is no width", hint=HINT)
            if value > known[attribute]:
                raise ModelError(
                    f"{where}: {SHAPES} sets {attribute} of {told} to {value}, more than the {known[attribute]} of the "
                    "architecture",
                    hint=HINT,
                )
            setattr(parts[name], attribute, value)
        try:
            resize(parts[name])
        except ValueError as error:
            raise ModelError(
                f"{where}: {SHAPES} gives {told} impossible widths: {message_of(error)}", hint=HINT
            ) from error


def resize(layer: Any) -> None:
    """Truncate a layer's tensors to its widths.

    Raises:
        ValueError: the widths are inconsistent.
    """
    match layer:
        case nn.modules.conv._ConvNd():
            if layer.transposed or layer.in_channels % layer.groups or layer.out_channels % layer.groups:
                raise ValueError(
                    f"{layer.in_channels} to {layer.out_channels} channels in {layer.groups} groups"
                    f"{', transposed' * layer.transposed}"
                )
            sizes = {"weight": (layer.out_channels, layer.in_channels // layer.groups), "bias": (layer.out_channels,)}
        case nn.Linear():
            sizes = {"weight": (layer.out_features, layer.in_features), "bias": (layer.out_features,)}
        case nn.modules.batchnorm._BatchNorm():
            sizes = dict.fromkeys(("weight", "bias", "running_mean", "running_var"), (layer.num_features,))
        case _:
            return
    for name, size in sizes.items():
        tensor = getattr(layer, name)
        if tensor is not None:
            replace(layer, name, tensor.detach()[tuple(slice(length) for length in size)].clone())


def replace(layer: nn.Module, name: str, tensor: Tensor) -> None:
    """Replace a parameter (which stays one) or a buffer by a tensor."""
    old = getattr(layer, name)
    if isinstance(old, nn.Parameter):
        setattr(layer, name, nn.Parameter(tensor, requires_grad=old.requires_grad))
    else:
        setattr(layer, name, tensor)


@torch.no_grad()
def check_runs(network: nn.Module, inputs: Mapping[str, Tensor], where: str) -> None:
    """Run the network on these inputs: widths may match the weights but not each other.

    Raises:
        ModelError: the network fails.
    """
    try:
        Call(network, tuple(inputs)).eval()(*inputs.values())
    except Exception as error:  # networks with inconsistent parts may raise anything
        raise ModelError(
            f"{where}: with the widths of {SHAPES} the network does not run: {message_of(error)}",
            hint=HINT,
        ) from error
