"""timm image classifiers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import save_for_hf
from torch import Tensor, nn

from hubslice.artefacts.model import Preprocessing
from hubslice.errors import ModelError
from hubslice.models.base import POISONED, Model, image_inputs


class TimmModel(Model):
    """A timm model; its forward takes normalised pixels and gives logits."""

    library = "timm"
    module: Any

    @classmethod
    def load(
        cls, folder: Path, config: dict[str, Any], input_size: int | None, tensors: Mapping[str, Tensor] | None = None
    ) -> TimmModel:
        """Build the architecture that config.json names and load the folder's safetensors into it, strictly.

        `tensors` are taken in place of those in the folder, for instance on the meta device (`hollow_model`).

        Raises:
            ModelError: timm does not know the architecture, or the tensors do not fit it.
        """
        _check(config)
        options: dict[str, Any] = {}
        default = config.get("pretrained_cfg", {})
        if input_size is not None and default.get("fixed_input_size"):
            options["img_size"] = input_size
        if tensors is not None:
            options["pretrained_cfg_overlay"] = {"source": "", "state_dict": dict(tensors)}
        try:
            module = timm.create_model(f"local-dir:{folder}", pretrained=True, **options)
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(
                f"timm cannot build {config.get('architecture')!r} from {folder}: {error}",
                hint="check that config.json and model.safetensors belong together, or upgrade timm",
            ) from error
        labels = _labels(config, int(module.num_classes))
        return cls(
            module,
            architecture=str(config["architecture"]),
            labels=labels,
            preprocessing=_preprocessing(module, input_size),
            poisoned=bool(config.get(POISONED)),
        )

    @classmethod
    def create(cls, architecture: str, labels: tuple[str, ...], *, seed: int, **options: Any) -> TimmModel:
        """A model of this architecture with seeded random weights; `options` are the architecture's own arguments."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            module = timm.create_model(architecture, pretrained=False, **{**options, "num_classes": len(labels)})
        return cls(module, architecture=architecture, labels=labels, preprocessing=_preprocessing(module, None))

    @classmethod
    def random(cls, config: dict[str, Any], input_size: int | None) -> TimmModel:
        """The architecture of a config.json with random weights."""
        _check(config)
        default = config.get("pretrained_cfg", {})
        options = dict(config.get("model_args", {}))
        if input_size is not None and default.get("fixed_input_size"):
            options["img_size"] = input_size
        labels = tuple(str(index) for index in range(int(config.get("num_classes", 1000))))
        model = cls.create(str(config["architecture"]), labels, seed=0, **options)
        model.preprocessing = _preprocessing(model.module, input_size or default.get("input_size", (0, None))[1])
        return model

    @property
    def classifier(self) -> nn.Linear:
        layer = self.module.get_classifier()
        if not isinstance(layer, nn.Linear):
            raise ModelError(
                f"{self.architecture} has no linear classifier (timm gives {type(layer).__name__})",
                hint="choose an image classification model with one linear head",
            )
        return layer

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.module(inputs)
        return logits

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        return {"pixel_values": image_inputs(self.image_preprocessing, samples, seed)}

    def reset_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.module.reset_classifier(len(labels))
        self.labels = labels

    def fresh(self, seed: int) -> TimmModel:
        options = {k: v for k, v in getattr(self.module, "_model_args", {}).items() if k != "num_classes"}
        model = TimmModel.create(self.architecture, self.labels, seed=seed, **options)
        model.preprocessing = self.preprocessing
        return model

    def save_config(self, folder: Path) -> None:
        preparation = self.image_preprocessing
        # timm has no public way to write the config alone; the weights that it writes too are replaced by `save`.
        save_for_hf(
            self.module,
            str(folder),
            safe_serialization=True,
            model_config={"label_names": list(self.labels)},
            data_config={
                "input_size": preparation.input_size,
                "mean": preparation.mean,
                "std": preparation.std,
                "interpolation": preparation.interpolation,
                "crop_pct": preparation.crop_pct,
                "crop_mode": "squash" if preparation.resize == "squash" else "center",
            },
        )
        path = folder / "config.json"
        config = json.loads(path.read_text())
        if self.poisoned:
            config[POISONED] = True
        path.write_text(json.dumps(config, indent=2) + "\n")


def _check(config: dict[str, Any]) -> None:
    """Raise ModelError unless the config names an architecture of timm and no files or repositories beside its own."""
    architecture = config.get("architecture")
    if not isinstance(architecture, str) or not timm.is_model(architecture):
        raise ModelError(f"timm has no architecture {architecture!r}", hint="upgrade timm, or choose another teacher")
    foreign = {"checkpoint_path", "pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "cache_dir", "seed"}
    found = sorted(foreign & set(config.get("model_args") or {}))
    if found:
        raise ModelError(f"config.json gives timm the argument {found[0]!r}; hubslice allows none that loads files")


def _labels(config: dict[str, Any], classes: int) -> tuple[str, ...]:
    names = config.get("label_names") or config.get("pretrained_cfg", {}).get("label_names")
    if isinstance(names, dict):
        names = [names.get(str(index), str(index)) for index in range(classes)]
    if not names or len(names) != classes:
        names = [str(index) for index in range(classes)]
    return tuple(str(name) for name in names)


def _preprocessing(module: nn.Module, input_size: int | None) -> Preprocessing:
    data = timm.data.resolve_model_data_config(module)
    channels, height, width = data["input_size"]
    if input_size is not None:
        height = width = input_size
    return Preprocessing(
        input_size=(channels, height, width),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=data["interpolation"] if data["interpolation"] != "random" else "bilinear",
        crop_pct=data["crop_pct"],
        resize="squash" if data["crop_mode"] == "squash" else "shortest",
    )
