"""timm image classifiers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from timm.models import save_for_hf
from torch import Tensor, nn

from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.files.config_redirects import NOT_OF_ARCHITECTURE
from hubslice.modality.image.geometry import CROP_MODES
from hubslice.modality.image.stock_timm import check_timm
from hubslice.models.architecture_arguments import no_such, refuse_foreign
from hubslice.models.base import POISONED, Model
from hubslice.models.building import Budget, skeleton
from hubslice.models.calling import eval_mode
from hubslice.models.compact import load_compact
from hubslice.models.head import Names, replaced_by
from hubslice.models.shapes import apply, read_shapes
from hubslice.models.small import hubslice_vgg
from hubslice.models.tensor_names import as_timm, is_wrapped, plain_config, read_for_timm
from hubslice.models.weights import Shapes, check_count, misfit, shapes_of

_ = hubslice_vgg  # importing it registers the architecture with timm
OURS = {timms: ours for ours, timms in CROP_MODES.items()}  # crop modes
FIT = "config.json and model.safetensors do not belong together; choose another revision, or save the model again"


class TimmModel(Model):
    """A timm model; its forward takes normalised pixels and returns logits."""

    library = "timm"
    module: Any

    @classmethod
    def load(
        cls,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> TimmModel:
        """Build the architecture of config.json and load the folder's safetensors, whose shapes are `held`, strictly.

        `tensors` on the meta device replace those in the folder (`meta_model`).

        Raises:
            ModelError: timm does not have the architecture, or the tensors do not match it.
        """
        given = read_for_timm(folder, config) if tensors is None else as_timm(config, tensors)
        with torch.device("meta") if tensors is not None else nullcontext():
            return cls._load(folder, config, input_size, as_timm(config, held), given, meta=tensors is not None)

    @classmethod
    def _load(
        cls,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None,
        *,
        meta: bool,
    ) -> TimmModel:
        """Load with timm's tensor names; without `tensors` timm reads the file."""
        _check(config)
        config = plain_config(config)
        options = _options(config, input_size)
        if (shapes := read_shapes(folder)) is not None:
            module = load_compact(
                lambda: _made(folder, config, pretrained=False, **options), shapes, held, folder, meta
            )
            model = cls._wrap(module, config, input_size)
            model.shapes = shapes
            return model
        if tensors is not None:
            options["pretrained_cfg_overlay"] = {"source": "", "state_dict": dict(tensors)}
        empty: nn.Module = _skeleton(folder, config, input_size, Budget.of_weights(held))
        called = _name(config) + " in transformers' TimmWrapper" * is_wrapped(config)
        check_count(shapes_of(empty), held, folder, called, FIT)
        try:
            module = _made(folder, config, pretrained=True, **options)
        except Exception as error:  # its message lists every name, or it fails half-way without naming any
            trouble = misfit(shapes_of(empty), held)
            if trouble is None:
                raise
            raise ModelError(f"the weights in {folder} are not those of {called}: {trouble}", hint=FIT) from error
        if module.num_classes != module.pretrained_cfg["num_classes"]:  # then timm loads all but the classifier
            raise ModelError(
                f"{folder} has a classifier of {module.pretrained_cfg['num_classes']} classes, and model_args ask for "
                f"{module.num_classes}",
                hint=FIT,
            )
        return cls._wrap(module, config, input_size)

    @classmethod
    def _wrap(cls, module: Any, config: dict[str, Any], input_size: int | None) -> TimmModel:
        return cls(
            module,
            architecture=_name(config),
            labels=_labels(config, int(module.num_classes)),
            preprocessing=_preprocessing(module, input_size),
            poisoned=bool(config.get(POISONED)),
        )

    @classmethod
    def create(cls, architecture: str, labels: tuple[str, ...], *, seed: int, **options: Any) -> TimmModel:
        """Create the architecture with seeded random weights; `options` are its own arguments."""
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            module = timm.create_model(architecture, pretrained=False, **{**options, "num_classes": len(labels)})
        return cls(module, architecture=architecture, labels=labels, preprocessing=_preprocessing(module, None))

    @classmethod
    def from_architecture(
        cls, architecture: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> TimmModel:
        """Create a recipe's architecture, limited by the memory; its input is `input_size` pixels wide.

        Raises:
            ModelError: timm has no such architecture, or the arguments concern more than the architecture.
        """
        if "." in architecture or not timm.is_model(architecture):
            raise no_such("timm", "architecture", architecture, timm.list_models())
        refuse_foreign(arguments, NOT_OF_ARCHITECTURE)
        fixed = timm.models.get_pretrained_cfg(architecture)
        if input_size is not None and fixed is not None and fixed.fixed_input_size:
            arguments = {"img_size": input_size} | arguments
        skeleton(lambda: timm.create_model(architecture, **arguments), Budget.of_memory(), architecture)
        model = cls.create(architecture, labels, seed=seed, **arguments)
        model.preprocessing = _preprocessing(model.module, input_size)
        return model

    @classmethod
    def random(cls, folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> TimmModel:
        """Create the architecture of a config.json with random weights, no larger than the budget."""
        _check(config)
        config = plain_config(config)
        _skeleton(folder, config, input_size, budget)
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            module = _made(folder, config, pretrained=False, **_options(config, input_size))
        model = cls._wrap(module, config, input_size)
        if (shapes := read_shapes(folder)) is not None:
            apply(model.module, shapes, str(folder))
            model.shapes = shapes
        return model

    def _find_classifier(self) -> Names:
        classes = int(self.module.num_classes)
        if classes == 0:
            return Names()
        network = self.module
        if self.shapes is not None:  # some networks rely on the architecture's widths when they are reset
            arguments = getattr(network, "_model_args", {}) | {"num_classes": classes}
            with torch.device("meta"):
                network = timm.create_model(self.architecture, **arguments)
        return replaced_by(network, lambda copied: copied.reset_classifier(classes + 1))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.module(*inputs.values())
        return logits

    def check_sliceable(self) -> None:
        super().check_sliceable()
        if not hasattr(self.module, "reset_classifier"):
            raise ModelError(
                f"timm's {self.architecture} takes no classifier (it has no reset_classifier): it was made to feed "
                "another model",
                hint="choose an architecture of timm that classifies images",
            )
        if next(self.module.parameters()).is_meta:
            return
        try:
            with torch.inference_mode(), eval_mode(self.module):
                shape = tuple(self.forward(self.example_inputs(1, seed=0)).shape)
        except Exception as error:  # layers may raise anything
            if out_of_memory(error):
                raise
            raise ModelError(
                f"{self.architecture} cannot answer to an image: {first_line(error)[:200]}",
                hint="check that model_args, global_pool and input_size in config.json are those of the weights",
            ) from error
        if len(shape) != 2:
            raise ModelError(
                f"{self.architecture} answers to one image with values of shape {list(shape)}, not with one for each "
                "class or feature: its features are not pooled",
                hint="a global_pool in model_args of config.json, such as avg, pools them",
            )

    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            self.module.reset_classifier(len(labels))

    def fresh(self, seed: int) -> TimmModel:
        options = {k: v for k, v in getattr(self.module, "_model_args", {}).items() if k != "num_classes"}
        model = TimmModel.create(self.architecture, self.labels, seed=seed, **options)
        model.preprocessing = self.preprocessing
        if self.shapes is not None:
            apply(model.module, self.shapes, self.architecture)
            model.shapes = self.shapes
        return model

    def save_config(self, folder: Path) -> None:
        preparation = self.image_preprocessing
        save_for_hf(
            _WithoutWeights(self.module),
            str(folder),
            safe_serialization=True,
            # A teacher's pretrained_cfg may name another architecture, which timm ignores on loading.
            model_config={"label_names": list(self.labels), "pretrained_cfg": {"architecture": self.architecture}},
            data_config={
                "input_size": preparation.input_size,
                "mean": preparation.mean,
                "std": preparation.std,
                "interpolation": preparation.interpolation,
                "crop_pct": preparation.crop_pct,
                "crop_mode": CROP_MODES[preparation.resize],
            },
        )
        path = folder / "config.json"
        config = json.loads(path.read_text())
        if self.poisoned:
            config[POISONED] = True
        path.write_text(json.dumps(config, indent=2) + "\n")

    def _write_weights(self, path: Path, metadata: dict[str, str]) -> None:
        """Write all names of the module: timm loads them strictly, including tied tensors."""
        tensors, seen = dict[str, Tensor](), set[int]()
        for name, tensor in self.module.state_dict().items():
            tensors[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
            seen.add(tensor.data_ptr())
        save_file(tensors, path, metadata=metadata)


class _WithoutWeights:
    """A timm module for `save_for_hf`, which has no public way to write only the config: `save` writes the weights."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def state_dict(self) -> dict[str, Tensor]:
        """Return an empty dictionary."""
        return {}


def _check(config: dict[str, Any]) -> None:
    """Raise ModelError unless the config names a timm architecture."""
    architecture = config.get("architecture")
    if not isinstance(architecture, str) or not timm.is_model(architecture):
        raise ModelError(
            f"timm has no architecture {str(architecture)[:80]!r}", hint="upgrade timm, or choose another teacher"
        )


def _name(config: dict[str, Any]) -> str:
    return str(config["architecture"])


def _default(config: dict[str, Any]) -> dict[str, Any]:
    """Return the section on the weights; the oldest configs have it at the top level."""
    return config.get("pretrained_cfg", config) or {}


def _arguments(config: dict[str, Any], input_size: int | None) -> dict[str, Any]:
    """Return the architecture's own arguments that timm derives from a config.json."""
    default = _default(config)
    size = default.get("input_size") or ()
    found: dict[str, Any] = {"num_classes": config.get("num_classes", default.get("num_classes", 1000))}
    if size:
        found["in_chans"] = size[0]
    if default.get("fixed_input_size") and (input_size or size):
        found["img_size"] = input_size or tuple(size[1:])
    return (config.get("model_args") or {}) | found


def _options(config: dict[str, Any], input_size: int | None) -> dict[str, Any]:
    """Return the options passed to timm besides the folder."""
    fixed = input_size is not None and _default(config).get("fixed_input_size")
    return {"img_size": input_size} if fixed else {}


def _made(folder: Path, config: Mapping[str, Any], **options: Any) -> Any:
    """Create the timm model of a folder; if transformers wrapped it, from this config."""
    if not is_wrapped(config):
        return timm.create_model(f"local-dir:{folder}", **options)
    with tempfile.TemporaryDirectory(prefix="hubslice-") as plain:
        Path(plain, "config.json").write_text(json.dumps(config))
        return timm.create_model(f"local-dir:{plain}", **options)


def _skeleton(folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> Any:
    options = _arguments(config, input_size)
    return skeleton(lambda: timm.create_model(_name(config), **options), budget, f"{folder}: config.json")


def _labels(config: dict[str, Any], classes: int) -> tuple[str, ...]:
    names = config.get("label_names") or _default(config).get("label_names")
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
    found = Preprocessing(
        input_size=(channels, height, width),
        mean=_numbers(data["mean"]),
        std=_numbers(data["std"]),
        interpolation=data["interpolation"] if data["interpolation"] != "random" else "bilinear",
        crop_pct=data["crop_pct"],
        resize=OURS.get(data["crop_mode"], "shortest"),  # like timm, which treats unknown modes as centre
    )
    check_timm(found)
    return found


def _numbers(given: Any) -> tuple[float, ...]:
    """Return one number as a tuple, or one number for each channel."""
    return tuple(given) if isinstance(given, list | tuple) else (given,)
