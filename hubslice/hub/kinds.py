"""The purpose of a model repository's files, and the reasons why some are skipped."""

from __future__ import annotations

import re
from typing import Final, Literal

from hubslice.files.names import CARD, INDEX
from hubslice.hub.formats import PICKLE_INDEX, is_training_state, pickles

Kind = Literal["weights", "config", "tokenizer", "card"]

_TOKENIZER: Final = re.compile(
    r"(tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json"
    r"|vocab\.txt|merges\.txt|(tokenizer|spiece|sentencepiece\.bpe)\.model"
)
_CARD: Final = re.compile(re.escape(CARD) + r"|LICEN[CS]E(\.\w+)?")
_OTHER_FORMATS: Final = (".h5", ".msgpack", ".onnx", ".onnx.data", ".gguf", ".tflite", ".ot", ".mlmodel", ".npz")


def kind_of(path: str) -> Kind:
    """Return the purpose of a file that is used."""
    if path in (INDEX, PICKLE_INDEX) or path.endswith(".safetensors") or pickles([path]):
        return "weights"
    if _TOKENIZER.fullmatch(path):
        return "tokenizer"
    return "card" if _CARD.fullmatch(path) else "config"


def why_skipped(path: str) -> str:
    """Return why a file of the repository is skipped."""
    if is_training_state(path):
        return "state of a training"
    if pickles([path]):
        return "pickle, which can run code"
    if path.endswith(".py"):
        return "code, which is never run"
    if path.endswith(_OTHER_FORMATS):
        return "weights in another format"
    if path.endswith(".safetensors"):
        return "weights of something else"
    return "not needed"
