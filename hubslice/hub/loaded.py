"""Recognise files that a model loader would read or run, which must be covered by a lock or signature."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hubslice.hub.formats import pickles

# Weights in any format, including those of other runtimes.
_WEIGHTS = (
    r"safetensors|onnx|onnx_data|gguf|ggml|h5|hdf5|keras|msgpack|pb|tflite|npy|npz|pt2|pte|ptl|torchscript|engine|plan"
    r"|mlmodel|mar|nemo"
)
_CODE = r"py|pyc|pyd|pyw|so|dll|dylib|exe|sh|bash|bat|cmd|ps1|js|mjs|wasm|whl|egg|jinja|jinja2"
# By name, in any folder: how to build, prepare and wrap a model (timm, transformers, PEFT, Sentence Transformers,
# diffusers), the vocabularies of its tokenizer, and the requirements that an inference server installs first.
_NAMES = (
    r"[\w.-]*config[\w.-]*\.(json|ya?ml|toml)|[\w.-]+\.index\.json|(model_index|modules|params|chat_template)\.json"
    r"|(tokenizer|vocab|special_tokens_map|added_tokens)[\w.-]*\.json|(vocab|merges)[\w.-]*\.txt|[\w.-]*\.(model|vocab)"
    r"|requirements[\w.-]*\.txt|mlmodel|pyproject\.toml|setup\.cfg|dockerfile"
)
_LOADED = re.compile(rf"(.*/)?({_NAMES}|[^/]*\.({_WEIGHTS}|{_CODE}))", re.IGNORECASE)


def loaded(paths: Iterable[str]) -> list[str]:
    """Return the paths that a model loader would read or run, which excludes texts, tables and images."""
    paths = list(paths)
    return sorted({*pickles(paths), *(path for path in paths if _LOADED.fullmatch(path))})


def left_behind(path: str) -> bool:
    """Return whether a push excludes the file: it is hidden, or bytecode compiled by Python."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.split("/"))
