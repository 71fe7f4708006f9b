"""Choose the transformers class for a config.json by its model type and the tensors in its weights.

An image model gets its type's image classifier class, whatever head it was saved with: the student will have this stock
class. If the weights contain no classifier for it, the model is `headless`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import transformers
from torch import nn
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, MODEL_MAPPING_NAMES

from hubslice.files.config import checked_copy
from hubslice.files.config_redirects import without_optional
from hubslice.models.head import Names, resized_between
from hubslice.models.weights import Shapes

_NORMALISATION = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class Chosen:
    """The stock class and its config; `headless` if the weights are known to contain no classifier for it.

    `certain` means that the config itself names a class, so that tensors that do not belong to `kind` belong to another
    head. `saved` is that class, if it differs from `kind`; if none is named, the model type's backbone. `left_out` are
    sentences about entries of the config that its object does not have.
    """

    kind: Any
    config: Any
    headless: bool
    certain: bool
    saved: Any = None
    left_out: tuple[str, ...] = ()


def choose_class(config: dict[str, Any], held: Shapes | None = None) -> Chosen:
    """Return the class for a config.json; `held` are the shapes of its weights, if known."""
    kept, left_out = without_optional(config)
    return replace(_choose(_read(kept), config, held), left_out=left_out)


def read_stock(config: dict[str, Any]) -> Any:
    """Return transformers' config object for a checked config.json, without the entries that name code."""
    return _read(without_optional(config)[0])


def _read(kept: dict[str, Any]) -> Any:
    with checked_copy({"config.json": kept}) as folder:
        return transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _choose(read: Any, config: Mapping[str, Any], held: Shapes | None) -> Chosen:
    kinds = image_classifiers(read.model_type)
    named = [found for name in config.get("architectures") or [] if (found := _registered(str(name), config))]
    for kind in named:
        if kind.__name__ in kinds:
            return Chosen(kind, read, headless=False, certain=True)
    if named and not (kinds and _takes_images(named[0], config)):
        return Chosen(named[0], read, headless=False, certain=True)
    if not kinds:
        with torch.device("meta"):
            return Chosen(type(transformers.AutoModel.from_config(read)), read, headless=False, certain=False)
    classes = [getattr(transformers, kind) for kind in kinds]
    if named and held is None:
        return Chosen(classes[0], read, headless=True, certain=True, saved=named[0])
    for kind in classes:
        if held is None or classifier_of(kind, read).tensors <= held.keys():
            return Chosen(kind, read, headless=False, certain=bool(named))
    return Chosen(classes[0], read, headless=True, certain=bool(named), saved=named[0] if named else _backbone(read))


def image_classifiers(model_type: str) -> tuple[str, ...]:
    """Return the names of transformers' image classifiers for a model type, the default first."""
    found = MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.get(model_type, ())
    return (found,) if isinstance(found, str) else tuple(found)


def classifier_of(kind: Any, config: Any) -> Names:
    """Return the layers and tensors that depend on the number of labels; empty without a classifier."""
    return resized_between(_with_labels(kind, config, 2), _with_labels(kind, config, 3))


def neutral_layers(module: nn.Module, missing: Iterable[str], chosen: Chosen) -> dict[str, Any]:
    """Return the normalisation layers before the classifier, by path, that the backbone's class does not have.

    Layers that the saved class also has are excluded: weights that lack those are incomplete.
    """
    found: dict[str, Any] = {}
    if not chosen.headless or chosen.saved is None:
        return found
    for name in _foreign(missing, chosen):
        path = name.rpartition(".")[0]
        layer = module.get_submodule(path)
        if isinstance(layer, _NORMALISATION):
            found[path] = layer
    return found


def unexplained(unused: Sequence[str], chosen: Chosen) -> list[str]:
    """Return unused tensors that may be a classifier under another name: no class identifies them."""
    if chosen.certain or not chosen.headless:
        return []
    return list(unused) if chosen.saved is None else _foreign(unused, chosen)


def _foreign(names: Iterable[str], chosen: Chosen) -> list[str]:
    """Return the names that are not tensors of the saved class."""
    prefix = f"{chosen.kind.base_model_prefix}."
    own = {name.removeprefix(prefix) for name in without_values(chosen.saved, chosen.config).state_dict()}
    return [name for name in names if name.removeprefix(prefix) not in own]


def without_values(kind: Any, config: Any) -> Any:
    """Build the network of a class on the meta device."""
    with torch.device("meta"):
        return kind(config)


def _with_labels(kind: Any, config: Any, labels: int) -> Any:
    other = copy.deepcopy(config)
    other.num_labels = labels
    return without_values(kind, other)


def _registered(name: str, config: Mapping[str, Any]) -> Any:
    """Return the class of this name, if transformers has it for the config's model type."""
    found = getattr(transformers, name, None) if name.isidentifier() else None
    if not isinstance(found, type) or not issubclass(found, transformers.PreTrainedModel):
        return None
    own = getattr(getattr(found, "config_class", None), "model_type", None)
    return found if own == config.get("model_type") else None


def _backbone(config: Any) -> Any:
    """Return the class of a model type without any head; None if there are none or several."""
    name = MODEL_MAPPING_NAMES.get(config.model_type)
    return getattr(transformers, name, None) if isinstance(name, str) else None


def _takes_images(kind: Any, config: Mapping[str, Any]) -> bool:
    """Return whether a class other than an image classifier can be the backbone of one."""
    base = MODEL_MAPPING_NAMES.get(str(config.get("model_type")))
    return kind.main_input_name == "pixel_values" or kind.__name__ in ((base,) if isinstance(base, str) else base or ())
