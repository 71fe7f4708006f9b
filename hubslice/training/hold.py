"""Hold irrelevant weights at their values while the rest trains, in any training loop."""

from __future__ import annotations

from collections import defaultdict
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError

# Name parts added by wrappers: DataParallel and DistributedDataParallel, torch.compile, FSDP, activation checkpointing.
WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


class Held:
    """Keeps the weights outside a slice at their values; undone by `remove` or at the end of a `with`.

    Momentum and weight decay move weights without a gradient, so the values are restored after every optimizer step.
    Names are looked up unchanged, then without the parts that `torch.compile` and data parallelism add, so that the
    module, or parts of it, may be wrapped before or after.
    """

    def __init__(self, module: nn.Module, slice_: Slice) -> None:
        self._module = module
        self._frozen: dict[str, tuple[Tensor, Tensor]] = {}
        parameters = _Named(module)
        for name, mask in slice_.masks.items():
            parameter = parameters.find(name)
            if parameter is None or tuple(parameter.shape) != mask.shape:
                have = "none" if parameter is None else tuple(parameter.shape)
                raise SliceError(
                    f"the slice does not fit: {name} has shape {mask.shape} in the slice, {have} in the model",
                    hint="use the slice with the model that it was made for"
                    if not _sharded(module)
                    else "the model's parameters are sharded over processes: hold works with DistributedDataParallel",
                )
            if hasattr(parameter, "full_tensor"):  # a DTensor, of which this process has a part
                raise SliceError(
                    f"{name} is sharded over processes, so that no process can put its weights back",
                    hint="train with DistributedDataParallel, or without fully_shard",
                )
            outside = torch.from_numpy(~mask).to(parameter.device)
            self._frozen[name] = outside, parameter.detach()[outside].clone()
        self._handle: Any = register_optimizer_step_post_hook(lambda *_: self.restore())

    @torch.no_grad()
    def restore(self) -> None:
        """Restore the irrelevant weights to the values they had when they were first held."""
        parameters = _Named(self._module)  # moving a module can replace parameters, compiling a part can rename them
        for name, (outside, values) in self._frozen.items():
            parameter = parameters.find(name)
            if parameter is None:
                raise SliceError(
                    f"{name} is held and not in the model any more",
                    hint="hold the weights again after the model was changed",
                )
            if outside.device != parameter.device:  # the module was moved: follow it once, not in every step
                outside, values = outside.to(parameter.device), values.to(parameter.device)
                self._frozen[name] = outside, values
            parameter[outside] = values

    def remove(self) -> None:
        """Let the weights train again."""
        self._handle.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class _Named:
    """A module's parameters by name, with or without wrappers."""

    def __init__(self, module: nn.Module) -> None:
        self._exact = dict(module.named_parameters())
        self._plain: dict[str, list[nn.Parameter]] = defaultdict(list)
        for name, parameter in self._exact.items():
            self._plain[_plain(name)].append(parameter)

    def find(self, name: str) -> nn.Parameter | None:
        """Return the parameter of this name; None if there is none, or several that differ only in wrappers."""
        if name in self._exact:
            return self._exact[name]
        alike = self._plain.get(_plain(name), [])
        return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    """Return the name without the parts added by wrappers."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _sharded(module: nn.Module) -> bool:
    """Return whether parameters were flattened or emptied for sharding: FSDP, or DeepSpeed's ZeRO."""
    flat = any(name.rpartition(".")[2] == "_flat_param" for name, _ in module.named_parameters())
    return flat or any(hasattr(parameter, "ds_shape") for parameter in module.parameters())


def hold(module: nn.Module, slice_: Slice) -> Held:
    """Freeze the weights outside `slice_` at their current values, in any loop that uses a torch optimizer.

    The module may be compiled by `torch.compile`, or wrapped in DataParallel or DistributedDataParallel.

    Raises:
        SliceError: a mask names a parameter that the module lacks, whose shape differs, or that is sharded.
    """
    return Held(module, slice_)


def hold_callback(slice_: Slice) -> Any:
    """Return a transformers `TrainerCallback` that does in a `Trainer` what `hold` does in a custom loop."""
    from transformers import TrainerCallback

    class HoldSlice(TrainerCallback):
        held: Held | None = None

        def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            self.held = Held(model, slice_)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if self.held is not None:
                self.held.remove()

    return HoldSlice()
