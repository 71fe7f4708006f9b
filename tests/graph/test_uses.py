"""How often weights are used: against torch's own counter of multiplications."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hubslice.graph.export import export_onnx
from hubslice.graph.neuron_map import map_neurons
from hubslice.graph.uses import count_uses
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import TeacherParams


@pytest.mark.slow
@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet"])
def test_uses_make_up_all_multiplications(name: str, tmp_path: Path) -> None:
    model = create_model(TeacherParams(model=name, weights="random", input_size=64), 0)
    graph = tmp_path / "model.onnx"
    export_onnx(model.module, model.example_inputs(2, 0), graph)
    uses = count_uses(model, map_neurons(model.module, graph))
    sizes = {parameter: tensor.numel() for parameter, tensor in model.module.named_parameters()}
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model.forward({"pixel_values": torch.rand(1, 3, 64, 64)})
    assert sum(times * sizes[parameter] for parameter, times in uses.items()) == counter.get_total_flops() // 2
    assert uses[next(reversed(sizes)).replace("bias", "weight")] == 1  # the classifier's
