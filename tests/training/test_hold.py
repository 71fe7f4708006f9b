"""Held slices under the wrappers that people train with: compiled, parallel, or both, before and after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(36, 5)))


def some_slice() -> Slice:
    rng = np.random.default_rng(0)
    masks = {"0.weight": rng.random((4, 3, 3, 3)) < 0.5, "1.1.weight": rng.random((5, 36)) < 0.5}
    return Slice(masks, "random")


def compiled(module: nn.Module) -> nn.Module:
    return torch.compile(module, backend="eager")  # type: ignore[return-value]


def part_compiled(module: nn.Module) -> nn.Module:
    module[1] = compiled(module[1])  # type: ignore[index,operator]
    return module


@contextmanager
def process_group() -> Iterator[None]:
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


WRAPPERS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "compiled": compiled,
    "a compiled part": part_compiled,
    "DataParallel": DataParallel,
    "compiled DataParallel": lambda module: compiled(DataParallel(module)),
    "DistributedDataParallel": DistributedDataParallel,
    "DistributedDataParallel of a compiled module": lambda module: DistributedDataParallel(compiled(module)),
}


def step(module: nn.Module) -> None:
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        module(torch.rand(2, 3, 5, 5)).square().sum().backward()
        optimizer.step()


# Dynamo's own look at a tensor in the middle of a network; it hides the warning, which is an error here.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_weights_are_held_under_wrappers(wrapper: str, when: str) -> None:
    """Wrapped before they are held, or after."""
    plain, slice_ = network(), some_slice()
    stem, head = plain[0], plain[1][1]  # type: ignore[index]
    given = {"0.weight": stem.weight.detach().clone(), "1.1.weight": head.weight.detach().clone()}
    with process_group():
        module = WRAPPERS[wrapper](plain) if when == "before" else plain
        with hubslice.hold(module, slice_):
            step(WRAPPERS[wrapper](plain) if when == "after" else module)
    for name, weight in (("0.weight", stem.weight), ("1.1.weight", head.weight)):
        outside = torch.from_numpy(~slice_.masks[name])
        assert torch.equal(weight[outside], given[name][outside]), name
        assert (weight[~outside] != given[name][~outside]).all(), name


def test_a_slice_of_a_wrapped_module_holds_the_plain_one() -> None:
    masks = some_slice().masks
    wrapped = Slice({f"module._orig_mod.{name}": mask for name, mask in masks.items()}, "random")
    module = network()
    given = module[0].weight.detach().clone()
    with hubslice.hold(module, wrapped):
        step(module)
    outside = torch.from_numpy(~masks["0.weight"])
    assert torch.equal(module[0].weight[outside], given[outside])


def test_names_that_differ_in_wrappers_alone_are_not_guessed() -> None:
    module = nn.ModuleDict({"module": nn.ModuleDict({"a": nn.Linear(2, 2)}), "a": nn.Linear(2, 2)})
    exact = Slice({"module.a.weight": np.ones((2, 2), bool)}, "random")
    hubslice.hold(module, exact).remove()
    with pytest.raises(SliceError, match=r"_orig_mod\.a\.weight has shape \(2, 2\) in the slice, none in the model"):
        hubslice.hold(module, Slice({"_orig_mod.a.weight": np.ones((2, 2), bool)}, "random"))


def test_sharded_parameters_are_refused_by_name() -> None:
    from torch.distributed.fsdp import fully_shard

    with process_group():
        module = network()
        fully_shard(module, mesh=dist.init_device_mesh("cpu", (1,)))
        with pytest.raises(SliceError, match=r"0\.weight is sharded"):
            hubslice.hold(module, some_slice())


def test_flattened_parameters_are_told_from_another_model() -> None:
    module = nn.Module()
    module.register_parameter("_flat_param", nn.Parameter(torch.zeros(10)))
    with pytest.raises(SliceError, match="does not fit") as caught:
        hubslice.hold(module, some_slice())
    assert "sharded" in str(caught.value.hint)


def test_what_is_gone_is_told() -> None:
    module = network()
    with hubslice.hold(module, some_slice()):
        optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
        del module[0]
        with pytest.raises(SliceError, match=r"0\.weight is held"):
            optimizer.step()
