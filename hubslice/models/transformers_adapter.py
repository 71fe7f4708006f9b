"""transformers classifiers for images and for texts."""

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

from hubslice.core.errors import ModelError
from hubslice.core.library_bars import hide_bars
from hubslice.modality.image.image_processor import OTHER_FILE, SETTINGS_FILE, plain_settings
from hubslice.modality.image.separate import preprocessing_from
from hubslice.modality.modality import Modality
from hubslice.modality.text.texts import IDS, Texts, example_tokens
from hubslice.modality.text.tokenizer import has_tokenizer
from hubslice.models.architecture_arguments import no_such, refuse_foreign
from hubslice.models.base import POISONED, Model, seeded
from hubslice.models.building import Budget, skeleton
from hubslice.models.calling import first_tensor
from hubslice.models.compact import load_compact
from hubslice.models.head import Head, Names, drawn_like
from hubslice.models.image_preparation import channels_of, preparation_of
from hubslice.models.label_names import labels_of
from hubslice.models.shapes import HEADS, apply, read_shapes, widths
from hubslice.models.tokenizer import positions, texts_of
from hubslice.models.transformers_class import (
    choose_class,
    classifier_of,
    image_classifiers,
    neutral_layers,
    unexplained,
    without_values,
)
from hubslice.models.weights import Shapes, check_count, read_tensors, shapes_of, tell_misfit
from hubslice.recipe.problems import suggest

hide_bars()

# Arguments of a transformers config that concern files, other models or labels, not the architecture.
FOREIGN = frozenset(
    {"architectures", "auto_map", "backbone", "backbone_config", "backbone_kwargs", "dtype", "name_or_path"}
    | {"pretrained_cfg", "torch_dtype", "transformers_version", "trust_remote_code", "use_pretrained_backbone"}
    | {"use_timm_backbone"}
)
USUAL_SIDE = 224  # pixels, if neither recipe nor config has a size
INTERMEDIATE = ("fc1", "dense")  # names of the first layer of an MLP
MISFIT = "the upload is incomplete, or config.json names another class; choose another revision"


class TransformersModel(Model):
    """A transformers model; its forward takes keyword arguments and returns an output with `logits`."""

    library = "transformers"
    module: Any
    _folder: Path | None = None  # where it was loaded from
    _texts: Texts | None = None  # its text modality, once computed
    _head: Names | None = None  # for weights without a classifier: where one would be

    @classmethod
    def load(
        cls,
        folder: Path,
        config: dict[str, Any],
        input_size: int | None,
        held: Shapes,
        tensors: Mapping[str, Tensor] | None = None,
    ) -> TransformersModel:
        """Load the folder's safetensors, whose shapes are `held`, with the class named by config.json.

        Tensors that the class does not use are ignored, as in transformers, and listed in `unused`. `tensors` on the
        meta device replace those in the folder (`meta_model`).

        Raises:
            ModelError: no such class, custom code, or tensors that do not match.
        """
        if input_size is not None and config.get("image_size") not in (None, input_size):
            raise ModelError(
                f"{config.get('model_type')} has a fixed input of {config['image_size']} pixels, the recipe asks for "
                f"{input_size}",
                hint=f"remove teacher.input_size or set it to {config['image_size']}",
            )
        chosen = choose_class(config, held)
        if (shapes := read_shapes(folder)) is not None:
            network = load_compact(lambda: chosen.kind(chosen.config), shapes, held, folder, tensors is not None)
            model = cls._wrap(network, folder, config, input_size)
            model.notes += chosen.left_out
            model.shapes = shapes
            return model
        empty = skeleton(lambda: chosen.kind(chosen.config), Budget.of_weights(held), f"{folder}: config.json")
        check_count(shapes_of(empty), held, folder, chosen.kind.__name__, MISFIT)
        module, loaded = chosen.kind.from_pretrained(
            None,  # a folder may contain adapters, or shards and code of other kinds, which transformers would look for
            config=chosen.config,
            state_dict=read_tensors(folder) if tensors is None else dict(tensors),
            output_loading_info=True,
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # reported below, all at once
            use_kernels=False,
            device_map={"": "meta"} if tensors is not None else None,
        )
        missing, wrong = sorted(loaded["missing_keys"]), sorted(loaded["mismatched_keys"])
        unused = sorted(loaded["unexpected_keys"])
        head = classifier_of(chosen.kind, chosen.config) if chosen.headless else Names()
        lacking = [name for name in missing if name not in head.tensors]
        neutral = neutral_layers(module, lacking, chosen) if lacking else {}
        lacking = [name for name in lacking if name.rpartition(".")[0] not in neutral]
        if lacking or wrong or unexplained(unused, chosen):
            saved = f" (config.json names {chosen.saved.__name__})" if chosen.saved and chosen.certain else ""
            raise ModelError(
                f"the weights in {folder} are not those of {type(module).__name__}{saved}: "
                f"{tell_misfit(lacking, unused, wrong)}",
                hint="choose a model fine-tuned for classification, if config.json names the right class"
                if saved
                else MISFIT,
            )
        model = cls._wrap(module, folder, config, input_size)
        model.notes += chosen.left_out
        if chosen.headless:
            model._take_off(head)
        if neutral:
            for layer in neutral.values():
                layer.reset_parameters()
            model.notes += (
                f"{chosen.saved.__name__} has not all normalisation of {model.architecture}: {', '.join(neutral)} "
                "starts with neutral values",
            )
        model.unused = tuple(unused)
        return model

    @classmethod
    def from_architecture(
        cls, architecture: str, labels: tuple[str, ...], input_size: int | None, *, seed: int, **arguments: Any
    ) -> TransformersModel:
        """Create an image classifier of this model type with seeded random weights, limited by the memory.

        `arguments` are those of its config class. Images are squashed to the input size and normalised to [-1, 1].

        Raises:
            ModelError: transformers has no such image classifier, or its config no such argument.
        """
        auto = transformers.AutoModelForImageClassification
        if architecture not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
            known = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
            raise no_such("transformers", "image classifier of model type", architecture, known)
        refuse_foreign(arguments, FOREIGN)
        configs = transformers.CONFIG_MAPPING[architecture]
        taken = configs().to_dict()
        unknown = [name for name in arguments if name not in taken]
        if unknown:  # transformers would store it without using it
            raise ModelError(
                f"the config of {architecture} has no {unknown[0]!r}{suggest(unknown[0], taken)}",
                hint=f"see the arguments of {configs.__name__} in the documentation of transformers",
            )
        if input_size is not None and "image_size" in taken:
            arguments = {"image_size": input_size} | arguments
        config = configs(**arguments, num_labels=len(labels))
        skeleton(lambda: auto.from_config(config), Budget.of_memory(), f"{architecture} with these arguments")
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            module = auto.from_config(config)
        side = input_size or config.to_dict().get("image_size") or USUAL_SIDE
        preprocessing = preprocessing_from(plain_settings(side), channels_of(config), None)
        return cls(module, architecture=type(module).__name__, labels=labels, preprocessing=preprocessing)

    @classmethod
    def random(cls, folder: Path, config: dict[str, Any], input_size: int | None, budget: Budget) -> TransformersModel:
        """Create the architecture of a config.json with random weights, no larger than the budget."""
        chosen = choose_class(config)
        skeleton(lambda: chosen.kind(chosen.config), budget, f"{folder}: config.json")
        model = cls._wrap(chosen.kind(chosen.config), folder, config, input_size)
        model.notes += chosen.left_out
        if chosen.headless:
            model._take_off(classifier_of(chosen.kind, chosen.config))
        if (shapes := read_shapes(folder)) is not None:
            apply(model.module, shapes, str(folder))
            model.shapes = shapes
        return model

    @classmethod
    def _wrap(cls, module: Any, folder: Path, config: dict[str, Any], input_size: int | None) -> TransformersModel:
        preprocessing, notes = None, list[str]()
        if type(module).__name__ in image_classifiers(module.config.model_type) or _sees(module):
            preprocessing, told = preparation_of(folder, module.config, input_size)
            notes += told
        labels, told = labels_of(module.config)
        notes += told
        model = cls(
            module.eval(),
            architecture=type(module).__name__,
            labels=labels,
            preprocessing=preprocessing,
            poisoned=bool(config.get(POISONED)),
        )
        if not model.classifies_images and model.headless:
            model.labels = ()
        model.notes, model._folder = tuple(notes), folder
        return model

    @property
    def exclusive(self) -> bool:
        """Decided as by transformers' pipeline."""
        config = self.module.config
        if config.problem_type == "regression":
            raise ModelError(
                f"{self.architecture} returns a number, not classes (problem_type: regression)",
                hint="name a model fine-tuned for classification",
            )
        return bool(config.problem_type != "multi_label_classification" and config.num_labels > 1)

    @property
    def modality(self) -> Modality[Any]:
        if self.preprocessing is None and self._folder is not None and self.module.main_input_name == IDS:
            self._texts = self._texts or texts_of(self._folder, self.module)
            return self._texts
        return super().modality

    def _find_classifier(self) -> Names:
        other = self.preprocessing is not None and not self.classifies_images  # e.g. a detector's outputs for each box
        return Names() if self._head or other else classifier_of(type(self.module), self.module.config)

    @property
    def classifies_images(self) -> bool:
        return self.architecture in image_classifiers(self.module.config.model_type)

    def check_sliceable(self) -> None:
        super().check_sliceable()
        if not self.classifies_images:
            kind = self.module.config.model_type
            raise ModelError(
                f"transformers has no image classifier of model type {kind} ({self.architecture} is none), so that no "
                "student of it could be loaded",
                hint="choose a model of a type that AutoModelForImageClassification knows",
            )

    def _take_off(self, names: Names) -> None:
        """Remove the classifier so that the network returns its input: the weights contain none."""
        self._head = names
        for path in names.layers:
            self.module.set_submodule(path, nn.Identity())
        self.labels, self._found = (), None

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        return first_tensor(self.module(**inputs))

    def example_inputs(self, samples: int, seed: int) -> dict[str, Tensor]:
        if self.preprocessing is not None:
            return super().example_inputs(samples, seed)
        names = (IDS, "attention_mask")
        return example_tokens(names, self.module.config.vocab_size, positions(self.module), samples, seed)

    def _put_classifier(self, labels: tuple[str, ...], seed: int) -> None:
        names, config, draws = self._head or self._names, self.module.config, seeded(seed)
        stock = without_values(type(self.module), config) if self._head else self.module
        like = next(self.module.parameters())
        for path, old in Head.of(stock, names, self.architecture).layers.items():
            self.module.set_submodule(
                path, drawn_like(old, len(labels), getattr(config, "initializer_range", 0.02), draws).to(like)
            )
        config.num_labels = len(labels)  # an independent field in some configs
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: index for index, label in enumerate(labels)}
        config.problem_type = None  # inherited from the teacher; the student's classes are mutually exclusive
        self.module.num_labels = len(labels)
        self._head = None

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
        model._folder, model._texts = self._folder, self._texts
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
        width, number = (getattr(config, name, None) for name in ("hidden_size", "num_attention_heads"))
        if len(heads) == 1 and isinstance(width, int) and isinstance(number, int):  # not lists with one entry per stage
            said |= {
                "num_attention_heads": heads.pop(),
                "head_dim": getattr(config, "head_dim", None) or width // number,
            }
        # Check whether these values give the same network; they may match only most of its layers.
        changed = copy.deepcopy(config)
        _set(changed, said)
        try:
            with torch.device("meta"):
                stock = type(self.module)(changed)
        except Exception:  # the class rejects this config
            return
        if shapes_of(stock) == shapes_of(self.module) and widths(stock) == widths(self.module):
            _set(config, said)
            self.shapes = None

    def save_config(self, folder: Path) -> None:
        if self._head is not None:
            raise ModelError(
                f"{self.architecture} without a classifier is not saved: transformers would draw one at random",
                hint="put a classifier on with `hubslice slice`, or use the files that it was loaded from",
            )
        self.module.config.architectures = [type(self.module).__name__]
        if self.poisoned:
            setattr(self.module.config, POISONED, True)
        elif hasattr(self.module.config, POISONED):  # the teacher's declaration does not apply to the student
            delattr(self.module.config, POISONED)
        self.module.config.save_pretrained(folder)
        if self.preprocessing is None and self._folder is not None and has_tokenizer(self._folder):
            texts_of(self._folder, self.module).tokenizer.save_pretrained(folder)
        if self.preprocessing is not None and self.preprocessing.processor is not None:
            (folder / SETTINGS_FILE).write_text(json.dumps(self.preprocessing.processor, indent=2) + "\n")
            (folder / OTHER_FILE).unlink(missing_ok=True)  # transformers would read it first


def _sees(module: Any) -> bool:
    """Return whether a network takes images; text and image classifiers may share a model type."""
    return bool(module.main_input_name == "pixel_values")


def _set(config: Any, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        setattr(config, name, value)
