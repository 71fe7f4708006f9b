"""Load the tokenizer of a model folder and determine the text inputs of its network."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hubslice.core.errors import ModelError
from hubslice.files.config import read_object
from hubslice.hub.formats import CONFIG
from hubslice.modality.text.added_tokens import check_added_tokens
from hubslice.modality.text.texts import FILLING, Texts
from hubslice.modality.text.tokenizer import PROBES, SETTINGS, check_encodes, check_sizes, has_tokenizer, limit_of
from hubslice.models.building import trouble_with


def read_tokenizer(folder: Path) -> Any:
    """Return the tokenizer of a folder as transformers loads it, None if there is none.

    Raises:
        ModelError: it is damaged, custom code, or far larger than any tokenizer.
    """
    if not has_tokenizer(folder):
        return None
    check_sizes(folder)
    from transformers import AutoTokenizer, PreTrainedConfig

    from hubslice.models.transformers_class import read_stock

    if (folder / SETTINGS).is_file():
        read_object(folder / SETTINGS, str(folder))
    check_added_tokens(folder)
    config = read_object(folder / CONFIG, str(folder)) if (folder / CONFIG).is_file() else {}
    with trouble_with(folder, "transformers"):
        known = read_stock(config) if "model_type" in config else PreTrainedConfig()
        return AutoTokenizer.from_pretrained(folder, config=known, trust_remote_code=False, local_files_only=True)


def texts_of(folder: Path, module: Any) -> Texts:
    """Return the text modality of a transformers network loaded from a folder.

    Raises:
        ModelError: the folder has no tokenizer, or one that cannot encode texts.
    """
    tokenizer = read_tokenizer(folder)
    if tokenizer is None:
        raise ModelError(
            f"{folder} has no tokenizer: texts cannot become token ids",
            hint="put tokenizer.json and tokenizer_config.json beside its config.json",
        )
    check_encodes(str(folder), tokenizer)
    return Texts(tokenizer, given_to(inputs_of(module), tokenizer), limit_of(tokenizer, positions(module)))


def inputs_of(module: Any) -> tuple[str, ...]:
    """Return the names of the inputs that a network can take."""
    taken = inspect.signature(module.forward).parameters
    return tuple(name for name in FILLING if name in taken)


def given_to(inputs: Sequence[str], tokenizer: Any) -> tuple[str, ...]:
    """Return the inputs that transformers gives a network which can do without: those that the tokenizer returns."""
    told = tokenizer(PROBES[0])
    return tuple(name for name in inputs if name in told)


def positions(module: Any) -> int | None:
    """Return the number of tokens that a network has positions for; RoBERTa's start after the padding index."""
    most: int | None = getattr(module.config, "max_position_embeddings", None)
    tables = [part for name, part in module.named_modules() if name.endswith("position_embeddings")]
    padding = next((part.padding_idx for part in tables if getattr(part, "padding_idx", None) is not None), None)
    return most if most is None or padding is None else most - padding - 1
