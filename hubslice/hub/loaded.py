"""Which files of a model repository a loader would read or run: what nobody vouches for must not be among them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from hubslice.hub.formats import pickles

# Weights in any format, and what other runtimes make of them.
_WEIGHTS = (
    r"safetensors|onnx|onnx_data|gguf|ggml|h5|hdf5|keras|msgpack|pb|tflite|npy|npz|pt2|pte|ptl|torchscript|engine|plan"
    r"|mlmodel|mar|nemo"
)
_CODE = r"py|pyc|pyd|pyw|so|dll|dylib|exe|sh|bash|bat|cmd|ps1|js|mjs|wasm|whl|egg|jinja|jinja2"
# By name, wherever it lies: how to build, prepare and wrap a model (timm, transformers, PEFT, Sentence Transformers,
# diffusers), the vocabularies of its tokenizer, and what an inference server installs first.
_NAMES = (
    r"[\w.-]*config[\w.-]*\.(json|ya?ml|toml)|[\w.-]+\.index\.json|(model_index|modules|params|chat_template)\.json"
    r"|(tokenizer|vocab|special_tokens_map|added_tokens)[\w.-]*\.json|(vocab|merges)[\w.-]*\.txt|[\w.-]*\.(model|vocab)"
    r"|requirements[\w.-]*\.txt|mlmodel|pyproject\.toml|setup\.cfg|dockerfile"
)
_LOADED = re.compile(rf"(.*/)?({_NAMES}|[^/]*\.({_WEIGHTS}|{_CODE}))", re.IGNORECASE)


def loaded(paths: Iterable[str]) -> list[str]:
    """Those paths that a loader of models would read or run; texts, tables and images are not among them."""
    paths = list(paths)
    return sorted({*pickles(paths), *(path for path in paths if _LOADED.fullmatch(path))})


def left_behind(path: str) -> bool:
    """Whether a push leaves the file at this path where it is: it is hidden, or Python compiled it for itself."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.split("/"))
