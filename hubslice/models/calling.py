"""Call a model with named inputs and return its logits, for timm and transformers alike."""

from __future__ import annotations

import contextlib
import copy
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn


class Call(nn.Module):
    """Wrap `module` as a function of positional tensors, in the order of `names`, that returns one tensor.

    Tensors are passed by keyword if `forward` has parameters of all these names (transformers), else by position
    (timm). The result is the output's `logits` if it has them, else its first tensor.
    """

    def __init__(self, module: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self.names = names
        accepted = inspect.signature(module.forward).parameters
        named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
        self.by_keyword = all(name in accepted and accepted[name].kind in named for name in names)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Return the module's output, usually logits [N, classes]."""
        if self.by_keyword:
            return first_tensor(self.module(**dict(zip(self.names, tensors, strict=True))))
        return first_tensor(self.module(*tensors))


def first_tensor(result: Any) -> torch.Tensor:
    """Return the `logits` of a module's output, else its first tensor."""
    if isinstance(result, torch.Tensor):
        return result
    logits = getattr(result, "logits", None)
    if isinstance(logits, torch.Tensor):
        return logits
    for value in result.values() if isinstance(result, Mapping) else result:
        if isinstance(value, torch.Tensor):
            return value
    raise TypeError(f"a {type(result).__name__} without tensors came out of the model")


@torch.inference_mode()
def in_float64(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """Run the module in float64 and eval mode on `inputs` by name; None if it fails, for example by mixing types."""
    wide = [tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs.values()]
    try:
        found: torch.Tensor = Call(copy.deepcopy(module).double(), tuple(inputs)).eval()(*wide)
    except Exception:  # libraries may raise anything
        return None
    return found


@contextlib.contextmanager
def eval_mode(module: nn.Module) -> Iterator[None]:
    """Switch to eval mode in the block, then restore each submodule's mode (a frozen BatchNorm stays in eval)."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
