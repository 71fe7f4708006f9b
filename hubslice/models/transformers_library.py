"""transformers: recognise its models, load them with plain code, and name their tensors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hubslice.models.library import Adapter, Library, Lines

if TYPE_CHECKING:
    from torch import Tensor, nn


class Transformers(Library):
    """transformers, with its image classification classes."""

    name: ClassVar = "transformers"
    entries: ClassVar = frozenset({"architectures", "model_type"})
    prefix: ClassVar = "transformers:"
    files: ClassVar = ("preprocessor_config.json",)
    lines: ClassVar = Lines(
        setup="""\
import torch
from PIL import Image, ImageOps
from transformers import AutoImageProcessor, AutoModelForImageClassification

processor = AutoImageProcessor.from_pretrained({home})
model = AutoModelForImageClassification.from_pretrained({home}).eval()

""",
        answer="""\
{read}with torch.inference_mode():
    probabilities = model(**processor(image, return_tensors="pt")).logits.softmax(dim=1)[0]
best = int(probabilities.argmax())
print(model.config.id2label[best], float(probabilities[best]))
""",
        exception="`pipeline(...)` of transformers drops the alpha channel instead",
    )

    def adapter(self) -> Adapter:
        from hubslice.models.transformers_adapter import TransformersModel

        return TransformersModel

    def stock(self, folder: Path) -> nn.Module:
        from transformers import AutoModelForImageClassification

        network: nn.Module = AutoModelForImageClassification.from_pretrained(
            folder, use_kernels=False, local_files_only=True
        )
        return network

    def named(self, network: Any, tensors: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
        """Return the tensors that the network's class would load, as float32, by its names.

        transformers renames tensors on loading, adds the prefix to a base model, and initialises tensors that are
        missing or have another shape: those are left out.
        """
        import torch

        from hubslice.models.building import trouble_with

        with torch.random.fork_rng(devices=()), trouble_with(source, self.name):
            loaded, told = type(network).from_pretrained(
                None,
                config=network.config,
                state_dict=dict(tensors),
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                dtype=torch.float32,
                use_kernels=False,
            )
        drawn = {*told["missing_keys"], *(name for name, *_ in told["mismatched_keys"])}
        return {name: tensor for name, tensor in loaded.state_dict().items() if name not in drawn}
