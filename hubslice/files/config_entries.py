"""The value types accepted for the entries of a model's JSON files that hubslice reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from hubslice.core.errors import ModelError


@dataclass(frozen=True)
class Kind:
    """A type of values; `words` completes "it must be". Null and missing entries are always allowed."""

    words: str
    holds: Callable[[Any], bool]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _number(value: object) -> bool:
    return _whole(value) or (isinstance(value, float) and isfinite(value))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _length(value: Any) -> bool:
    """Return whether it is a length. Tokenizers without a limit have 1e30, and some files write it as 1e+30."""
    return _number(value) and value >= 1 and value == int(value)


def _every(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def _name(value: object) -> bool:
    return isinstance(value, str | int | float)


def _classes(value: object) -> bool:
    """Return whether it maps unique numbers to names."""
    if not isinstance(value, dict) or not all(re.fullmatch(r"-?[0-9]{1,9}", key) for key in value):
        return False
    return len({int(key) for key in value}) == len(value) and all(map(_name, value.values()))


TEXT = Kind("a text", _text)
TEXTS = Kind("a list of texts", _every(_text))
TABLE = Kind("a table", lambda value: isinstance(value, dict))
NUMBER = Kind("a number", _number)
WHOLE = Kind("a whole number", _whole)
SWITCH = Kind("true or false", lambda value: isinstance(value, int) and value in (0, 1))
PER_CHANNEL = Kind("a number, or a list of numbers", lambda value: _number(value) or _every(_number)(value))
IMAGE = Kind("a list of three whole numbers", lambda value: _every(_whole)(value) and len(value) == 3)
SIDE = Kind("left or right", lambda value: value in ("left", "right"))
LENGTH = Kind("a whole number of tokens, at least 1", _length)
CLASSES = Kind("a table from the number of each class to its name", _classes)
NAMES = Kind(
    "a list of class names, or a table of them",
    lambda value: _every(_name)(value) or (isinstance(value, dict) and all(map(_name, value.values()))),
)
RESAMPLING = Kind("a whole number or a text", lambda value: _whole(value) or _text(value))

_WEIGHTS: Mapping[str, Kind] = {  # timm's pretrained_cfg; at the top level in its oldest configs
    "crop_mode": TEXT,
    "crop_pct": NUMBER,
    "fixed_input_size": SWITCH,
    "input_size": IMAGE,
    "interpolation": TEXT,
    "label_names": NAMES,
    "mean": PER_CHANNEL,
    "min_input_size": IMAGE,
    "num_classes": WHOLE,
    "std": PER_CHANNEL,
    "test_input_size": IMAGE,
}
_CONFIG: Mapping[str, Kind] = {
    **_WEIGHTS,
    "architecture": TEXT,
    "architectures": TEXTS,
    "id2label": CLASSES,
    "initializer_range": NUMBER,
    "label2id": TABLE,
    "max_position_embeddings": WHOLE,
    "model_args": TABLE,
    "model_type": TEXT,
    "num_channels": WHOLE,
    "num_labels": WHOLE,
    "pretrained_cfg": TABLE,
    "vocab_size": WHOLE,
}
_PROCESSOR: Mapping[str, Kind] = {
    "crop_pct": NUMBER,
    "do_center_crop": SWITCH,
    "do_flip_channel_order": SWITCH,
    "do_normalize": SWITCH,
    "do_pad": SWITCH,
    "do_rescale": SWITCH,
    "do_resize": SWITCH,
    "feature_extractor_type": TEXT,
    "image_mean": PER_CHANNEL,
    "image_processor": TABLE,
    "image_processor_type": TEXT,
    "image_std": PER_CHANNEL,
    "include_top": SWITCH,
    "resample": RESAMPLING,
    "rescale_factor": NUMBER,
    "rescale_offset": SWITCH,
}
_TOKENIZER: Mapping[str, Kind] = {
    "max_len": LENGTH,
    "model_input_names": TEXTS,
    "model_max_length": LENGTH,
    "padding_side": SIDE,
    "tokenizer_class": TEXT,
    "truncation_side": SIDE,
}
# By file, then by section of the file; "" is the top level.
KINDS: Mapping[str, Mapping[str, Mapping[str, Kind]]] = {
    "config.json": {"": _CONFIG, "pretrained_cfg": _WEIGHTS, "model_args": {"num_classes": WHOLE}},
    "preprocessor_config.json": {"": _PROCESSOR},
    "processor_config.json": {"": _PROCESSOR, "image_processor": _PROCESSOR},
    "tokenizer_config.json": {"": _TOKENIZER},
}


def check_entries(content: Mapping[str, Any], name: str, file: str) -> None:
    """Check that all entries of the file of this name have an accepted type; `file` is its name in messages.

    Raises:
        ModelError: an entry has another type.
    """
    for part, kinds in KINDS.get(name, {}).items():
        held = content.get(part) if part else content
        for key, kind in kinds.items():
            value = held.get(key) if isinstance(held, dict) else None
            if value is not None and not kind.holds(value):
                told = f"{part}.{key}" if part else key
                raise ModelError(
                    f"{file} has {told}: {ascii(value)[:80]}; it must be {kind.words}",
                    hint="mend the file, or choose another revision",
                )
