"""Attention with more or fewer than four axes: what it computes, and that networks with it export and are mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from timm.models.nest import Nest
from timm.models.twins import Twins
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from hubslice.graph.attention import FourAxes
from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.parity import check_parity
from tests.graph.architectures import Architecture, from_timm, images, randomised

SHAPES = [  # of query, key and mask
    ((4, 5, 6), (4, 7, 6), None),
    ((4, 5, 6), (4, 7, 6), (4, 5, 7)),
    ((5, 6), (7, 6), (5, 7)),
    ((2, 3, 4, 5, 6), (2, 3, 4, 7, 6), None),
    ((2, 3, 4, 5, 6), (2, 3, 4, 7, 6), (5, 7)),
    ((2, 3, 4, 5, 6), (2, 3, 4, 7, 6), (4, 1, 7)),
    ((2, 3, 4, 5, 6), (2, 3, 4, 7, 6), (3, 4, 5, 7)),
    ((2, 3, 4, 5, 6), (2, 3, 4, 7, 6), (2, 1, 4, 5, 7)),
    ((2, 2, 2, 3, 4, 5, 6), (2, 2, 2, 3, 4, 7, 6), (3, 1, 5, 7)),
]


@pytest.mark.parametrize(("queries", "keys", "masks"), SHAPES)
def test_any_rank_gives_what_torch_gives(
    queries: tuple[int, ...], keys: tuple[int, ...], masks: tuple[int, ...] | None
) -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(shape, generator=generator) for shape in (queries, keys, (*keys[:-1], 8)))
    mask = None if masks is None else torch.randn(masks, generator=generator)
    ranks, first = [], []

    class Seen(TorchFunctionMode):
        """Outside of the other mode, so below it: what reaches torch."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is functional.scaled_dot_product_attention:
                ranks.extend(kwargs[name].ndim for name in ("query", "key", "value"))
                first.append(len(kwargs["query"]))
            return func(*args, **(kwargs or {}))

    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    with Seen(), FourAxes():
        found = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    assert ranks == [4, 4, 4]
    assert first[0] % (queries[0] if len(queries) > 2 else 1) == 0  # the samples stay on the first axis
    torch.testing.assert_close(found, expected)


def test_what_torch_refuses_it_refuses_in_its_own_words() -> None:
    with FourAxes(), pytest.raises(TypeError, match="scaled_dot_product_attention"):
        functional.scaled_dot_product_attention(1, 2, 3)  # type: ignore[arg-type]


class Windows(nn.Module):
    """Attention within windows, over tokens [N, heads, windows, tokens, features], or of one head; causal or not."""

    def __init__(self, *, one_head: bool = False, causal: bool = False, scale: float | None = None) -> None:
        super().__init__()
        self.stem, self.out = nn.Conv2d(3, 8, 4, stride=4), nn.Linear(8, 8)
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))
        self.fc = nn.Linear(8, 3)
        self.one_head, self.causal, self.scale = one_head, causal, scale

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x).flatten(2).mT
        parts = [part(tokens) for part in (self.query, self.key, self.value)]
        if not self.one_head:
            parts = [part.unflatten(2, (2, 4)).unflatten(1, (4, 4)).permute(0, 3, 1, 2, 4) for part in parts]
        seen = functional.scaled_dot_product_attention(*parts, is_causal=self.causal, scale=self.scale)
        if not self.one_head:
            seen = seen.permute(0, 2, 3, 1, 4).flatten(3).flatten(1, 2)
        found: Tensor = self.fc((tokens + self.out(seen)).mean(1))
        return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", [Windows(), Windows(one_head=True), Windows(causal=True), Windows(scale=0.3)], ids=lambda m: ""
)
def test_attention_within_windows_exports_with_parity(module: nn.Module, tmp_path: Path) -> None:
    make = images(16)
    path = tmp_path / "model.onnx"
    export_onnx(randomised(module), make(2), path)
    check_parity(module, path, make(3))
    neurons = map_neurons(module, path)
    assert neurons.unmapped == ()
    assert len(neurons.layers) == 6


HIERARCHIES = [
    from_timm("hiera_tiny_224", 64, img_size=64, embed_dim=24, num_heads=1, stages=(1, 1, 1, 1)),
    Architecture(
        "nest",
        lambda: Nest(32, num_levels=2, embed_dims=(16, 32), num_heads=(2, 2), depths=(1, 1), num_classes=3),
        images(32),
    ),
    Architecture(
        "twins",
        lambda: Twins(
            32,
            embed_dims=(16, 16),
            num_heads=(2, 2),
            mlp_ratios=(2, 2),
            depths=(2, 2),
            sr_ratios=(2, 1),
            wss=(4, 4),
            num_classes=3,
        ),
        images(32),
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", HIERARCHIES, ids=lambda each: each.name)
def test_networks_of_timm_with_windows_export_with_parity(architecture: Architecture, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = randomised(architecture.build()).eval()
    export_onnx(module, architecture.inputs(2), tmp_path / "model.onnx")
    check_parity(module, tmp_path / "model.onnx", architecture.inputs(3))
    assert map_neurons(module, tmp_path / "model.onnx").layers
