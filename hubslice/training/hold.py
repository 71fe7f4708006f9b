"""Holding irrelevant weights where they are while the rest trains, in whatever loop."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from hubslice.artefacts.slice import Slice
from hubslice.errors import SliceError


class Held:
    """Keeps the weights outside a slice at the values they had; undone by `remove` or at the end of a `with`.

    Momentum and weight decay move weights that have no gradient, so the values are put back after every optimizer
    step.
    """

    def __init__(self, module: nn.Module, slice_: Slice) -> None:
        self._frozen: list[tuple[nn.Parameter, Tensor, Tensor]] = []
        parameters = dict(module.named_parameters())
        for name, mask in slice_.masks.items():
            if name not in parameters or tuple(parameters[name].shape) != mask.shape:
                have = tuple(parameters[name].shape) if name in parameters else "none"
                raise SliceError(
                    f"the slice does not fit: {name} has shape {mask.shape} in the slice, {have} in the model",
                    hint="use the slice with the model that it was made for",
                )
            parameter = parameters[name]
            outside = torch.from_numpy(~mask).to(parameter.device)
            self._frozen.append((parameter, outside, parameter.detach()[outside].clone()))
        self._handle: Any = register_optimizer_step_post_hook(lambda *_: self.restore())

    @torch.no_grad()
    def restore(self) -> None:
        """Put the irrelevant weights back to the values they had when they were first held."""
        for index, (parameter, outside, values) in enumerate(self._frozen):
            if outside.device != parameter.device:  # the module was moved since: follow it once, not in every step
                outside, values = outside.to(parameter.device), values.to(parameter.device)
                self._frozen[index] = (parameter, outside, values)
            parameter[outside] = values

    def remove(self) -> None:
        """Let the weights move again."""
        self._handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def hold(module: nn.Module, slice_: Slice) -> Held:
    """Freeze the weights outside `slice_` at their present values, in any loop that steps a torch optimizer.

    Raises:
        SliceError: a mask names a parameter that the module lacks or whose shape differs.
    """
    return Held(module, slice_)


def hold_callback(slice_: Slice) -> Any:
    """A transformers `TrainerCallback` that does in a `Trainer` what `hold` does in a loop of one's own."""
    from transformers import TrainerCallback

    class HoldSlice(TrainerCallback):
        held: Held | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            self.held = Held(model, slice_)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.held is not None:
                self.held.remove()

    return HoldSlice()
