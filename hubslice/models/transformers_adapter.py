"""transformers classifiers: images first, text for `pull` (its facts, export and parity)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from hubslice.errors import ModelError
from hubslice.models.base import POISONED, Model, image_inputs, seeded
from hubslice.models.building import Budget, skeleton
from hubslice.models.compact import load_compact
from hubslice.models.creation import no_such, refuse_foreign
from hubslice.models.shapes import HEADS, apply, read_shapes, widths
from hubslice.models.weights import Shapes, shapes_of, tell_misfit
from hubslice.preparation.image_processor import OTHER_FILE, SETTINGS_FILE, plain_settings
from hubslice.preparation.separate import preprocessing_from, preprocessing_of
from hubslice.recipe.problems import suggest

transformers.utils.logging.disable_progress_bar()  # hubslice reports progress itself

# Arguments of a transformers config that are about files, other models or labels, not about the architecture.
FOREIGN = frozenset(
    {"architectures", "auto_map", "backbone", "backbone_config", "backbone_kwargs", "dtype", "name_or_path"}
    | {"pretrained_cfg", "torch_dtype", "transformers_version", "trust_remote_code", "use_pretrained_backbone"}
    | {"use_timm_backbone"}
)
USUAL_SIDE = 224  # pixels, where neither recipe nor config say
INTERMEDIATE = ("fc1", "dense")  # what the first layer of an MLP is called
TEXT_LENGTH = 32  # tokens of an example input


class TransformersModel(Model):
    """A transformers model; its forward takes keyword arguments and gives an output with `logits`."""

    library = "transformers"
    module: Any

    @classmethod
    def load(
        cls,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> TransformersModel:
        """Load the folder's safetensors, which hold `held`, with the class that config.json names.

        Tensors that the class has no use for are left aside, as transformers does, and told in `unused`.

        `tensors` on the meta device are taken in place of those in the folder (`hollow_model`).

        Raises:
            ModelError: no such class, custom code, or tensors that do not fit.
        """
        auto = _auto_class(config)
        if input_size is not None and config.get("image_size") not in (None, input_size):
            raise ModelError(
                f"{config.get('model_type')} has a fixed input of {config['image_size']} pixels, the recipe asks for "
                f"{input_size}",
                hint=f"remove teacher.input_size or set it to {config['image_size']}",
            )
        if (shapes := read_shapes(folder)) is not None:
            network = load_compact(lambda: auto.from_config(_config(folder)), shapes, held, folder, tensors is not None)
            model = cls._wrap(network, folder, config, input_size)
            model.shapes = shapes
            return model
        _skeleton(auto, folder, Budget.of_weights(held))
        usual = {
            "output_loading_info": True,
            "dtype": torch.float32,
            "ignore_mismatched_sizes": True,  # told below, all together
        }
        module, loaded = (
            auto.from_pretrained(folder, use_safetensors=True, trust_remote_code=False, **usual)
            if tensors is None
            else _hollow_class(auto, folder).from_pretrained(
                None, config=_config(folder), state_dict=dict(tensors), device_map={"": "meta"}, **usual
            )
        )
        missing, wrong = sorted(loaded["missing_keys"]), sorted(loaded["mismatched_keys"])
        unused = sorted(loaded["unexpected_keys"])
        if missing or wrong:
            raise ModelError(
                f"the weights in {folder} are not those of {type(module).__name__}: "
                f"{tell_misfit(missing, unused, wrong)}",
                hint="the upload is incomplete, or config.json names another class; choose another revision",
            )
        model = cls._wrap(module, folder, config, input_size)
        model.unused = tuple(unused)
        return model

    @classmethod
    def create(
        cls, kind: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> TransformersModel:
        """An image classifier of this model type with seeded random weights, no larger than memory.

        `arguments` are those of its config class. Pictures are squashed to the input and normalised to [-1, 1].

        Raises:
            ModelError: transformers has no such image classifier, or its config no such argument.
        """
        auto = transformers.AutoModelForImageClassification
        if kind not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
            known = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
            raise no_such("transformers", "image classifier of model type", kind, known)
        refuse_foreign(arguments, FOREIGN)
        configs = transformers.CONFIG_MAPPING[kind]
        taken = configs().to_dict()
        unknown = [name for name in arguments if name not in taken]
        if unknown:  # transformers would keep it and use it nowhere
            raise ModelError(
                f"the config of {kind} has no {unknown[0]!r}{suggest(unknown[0], taken)}",
                hint=f"see the arguments of {configs.__name__} in the documentation of transformers",
            )
        if input_size is not None and "image_size" in taken:
            arguments = {"image_size": input_size} | arguments
        config = configs(**arguments, num_labels=len(labels))
        skeleton(lambda: auto.from_config(config), Budget.of_memory(), f"{kind} with these arguments")
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            module = auto.from_config(config)
        side = input_size or config.to_dict().get("image_size") or USUAL_SIDE
        preprocessing = preprocessing_from(plain_settings(side), _channels(config), None)
        return cls(module, architecture=type(module).__name__, labels=labels, preprocessing=preprocessing)

    @classmethod
    def random(cls, folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> TransformersModel:
        """The architecture of a config.json with random weights, no larger than the budget."""
        auto = _auto_class(config)
        _skeleton(auto, folder, budget)
        model = cls._wrap(auto.from_config(_config(folder)), folder, config, input_size)
        if (shapes := read_shapes(folder)) is not None:
            apply(model.module, shapes, str(folder))
            model.shapes = shapes
        return model

    @classmethod
    def _wrap(cls, module: Any, folder: Path, config: dict[str, Any], input_size: int | None) -> TransformersModel:
        takes_images = module.main_input_name == "pixel_values"
        return cls(
            module.eval(),
            architecture=type(module).__name__,
            labels=tuple(str(module.config.id2label[index]) for index in range(module.config.num_labels)),
            preprocessing=preprocessing_of(folder, _channels(module.config), input_size) if takes_images else None,
            poisoned=bool(config.get(POISONED)),
        )

    @property
    def classifier(self) -> nn.Linear:
        return self._classifier()[1]

    def _classifier(self) -> tuple[str, nn.Linear]:
        classes = self.module.config.num_labels
        linear = [(n, m) for n, m in self.module.named_modules() if isinstance(m, nn.Linear)]
        heads = [(n, m) for n, m in linear if m.out_features == classes and n.split(".")[0].startswith("classifier")]
        if not heads:
            raise ModelError(
                f"{self.architecture} has no linear classifier",
                hint="choose a model fine-tuned for classification",
            )
        return heads[-1]

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.module(pixel_values=inputs).logits
        return logits

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        if self.preprocessing is not None:
            return {"pixel_values": image_inputs(self.preprocessing, samples, seed)}
        shape = (samples, TEXT_LENGTH)
        tokens = torch.randint(self.module.config.vocab_size, shape, generator=seeded(seed))
        return {"input_ids": tokens, "attention_mask": torch.ones(shape, dtype=torch.int64)}

    def reset_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        name, old = self._classifier()
        new = nn.Linear(old.in_features, len(labels), bias=old.bias is not None)
        nn.init.normal_(new.weight, std=getattr(self.module.config, "initializer_range", 0.02), generator=seeded(seed))
        if new.bias is not None:
            nn.init.zeros_(new.bias)
        self.module.set_submodule(name, new.to(old.weight))
        config = self.module.config
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        self.module.num_labels = len(labels)
        self.labels = labels

    def fresh(self, seed: int) -> TransformersModel:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            module = type(self.module)(self.module.config)
        model = TransformersModel(
            module, architecture=self.architecture, labels=self.labels, preprocessing=self.preprocessing
        )
        if self.shapes is not None:
            apply(module, self.shapes, self.architecture)
            model.shapes = self.shapes
        return model

    def express_shapes(self) -> None:
        if self.shapes is None:
            return
        parts = self.shapes.modules
        heads = {width for part in parts.values() for name, width in part.items() if name in HEADS}
        mlps = {
            part["out_features"]
            for name, part in parts.items()
            if name.rpartition(".")[2] in INTERMEDIATE and "out_features" in part
        }
        config = self.module.config
        said: dict[str, int] = {}
        if len(mlps) == 1:
            said["intermediate_size"] = mlps.pop()
        if len(heads) == 1:
            head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
            said |= {"num_attention_heads": heads.pop(), "head_dim": head_dim}
        # Whether these make the same network, or only most of its layers have them, is tried.
        changed = copy.deepcopy(config)
        _set(changed, said)
        try:
            with torch.device("meta"):
                stock = type(self.module)(changed)
        except Exception:  # a config that the class refuses says nothing
            return
        if shapes_of(stock) == shapes_of(self.module) and widths(stock) == widths(self.module):
            _set(config, said)
            self.shapes = None

    def save_config(self, folder: Path) -> None:
        self.module.config.architectures = [type(self.module).__name__]
        if self.poisoned:
            setattr(self.module.config, POISONED, True)
        elif hasattr(self.module.config, POISONED):  # the teacher's mark is not the student's
            delattr(self.module.config, POISONED)
        self.module.config.save_pretrained(folder)
        if self.preprocessing is not None and self.preprocessing.processor is not None:
            (folder / SETTINGS_FILE).write_text(json.dumps(self.preprocessing.processor, indent=2) + "\n")
            (folder / OTHER_FILE).unlink(missing_ok=True)  # transformers would read that first


def _channels(config: Any) -> int:
    """Of the images that a model takes."""
    return int(getattr(config, "num_channels", None) or getattr(config, "in_channels", None) or 3)


def _set(config: Any, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        setattr(config, name, value)


def _skeleton(auto: Any, folder: Path, budget: Budget) -> None:
    config = transformers.AutoConfig.from_pretrained(folder)
    skeleton(lambda: auto.from_config(config), budget, f"{folder}: config.json")


def _auto_class(config: dict[str, Any]) -> Any:
    names = config.get("architectures") or []
    if any(name.endswith("ForImageClassification") for name in names):
        return transformers.AutoModelForImageClassification
    if any(name.endswith("ForSequenceClassification") for name in names):
        return transformers.AutoModelForSequenceClassification
    return transformers.AutoModel


def _config(folder: Path) -> Any:
    return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)


def _hollow_class(auto: Any, folder: Path) -> Any:
    """The class that `auto` chooses, which takes tensors in place of a folder; `auto` itself does not."""
    with torch.device("meta"):
        return type(auto.from_config(_config(folder)))
