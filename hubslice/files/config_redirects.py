"""Find entries of a model's JSON that make a stock library run code, read another file, or contact the Hub.

Entries that affect which weights are loaded are refused. Entries that only affect speed are removed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from hubslice.core.errors import ModelError
from hubslice.files.names import WEIGHTS

ATTENTION = frozenset({"attn_implementation", "_attn_implementation", "_attn_implementation_internal"})
EXPERTS = frozenset({"experts_implementation", "_experts_implementation", "_experts_implementation_internal"})
# Implementations in PyTorch itself; any other name refers to code of another package, or of a repository.
BUILT_IN = frozenset({"eager", "sdpa", "batched_mm", "grouped_mm"})
# Code that a network does not need: compiled kernels, fused layers, pipelines.
OPTIONAL = frozenset({"use_kernels", "kernel_config", "fusion_config", "custom_pipelines", "custom_generate"})
# The form in which the library's code returns results; parts of a network rely on each other's default form.
FORM = frozenset({"return_dict", "use_return_dict"})
CODE = frozenset({"auto_map", "trust_remote_code"})
# Files that replace those that are read and checked.
REDIRECTS = frozenset(
    {"transformers_weights", "configuration_files", "fast_tokenizer_files", "gguf_file", "init_inputs"}
)
QUANTIZED = frozenset({"quantization_config", "compression_config"})
# Arguments of timm.create_model that concern files, or how strictly they are loaded, not the architecture.
NOT_OF_ARCHITECTURE = frozenset(
    {"cache_dir", "checkpoint_path", "feature_cfg", "features_only", "kwargs_filter", "pretrained", "pretrained_cfg"}
    | {"pretrained_cfg_overlay", "pretrained_filter_fn", "pretrained_model_args", "pretrained_strict", "seed"}
)
_SOURCE = re.compile(r"(hf[-_]hub|local-dir):", re.IGNORECASE)  # prefixes of model names in timm
_HINT = "mend the file, or choose another revision"


def check_followed(content: dict[str, Any], file: str) -> None:
    """Check that no entry at any depth refers to code, to other weights, or to another repository.

    `file` is its name in messages.

    Raises:
        ModelError: an entry does.
    """
    for key, value in walk(content):
        if key in CODE and value:
            raise ModelError(
                f"{file} asks for code of its own ({key}); hubslice runs no code from model repositories",
                hint="choose a model whose class timm or transformers ships",
            )
        if key in REDIRECTS and value and value != WEIGHTS:
            raise ModelError(
                f"{file} has {key}: {_told(value)}, which names other files in place of the usual ones; hubslice reads "
                "the files that it checks, and no others",
                hint=f"take {key} out, and give the files their usual names such as {WEIGHTS}",
            )
        if key in QUANTIZED and value:
            raise ModelError(
                f"{file} has {key}: {_told(value)}; hubslice loads weights that are plain numbers, not quantised ones",
                hint="choose the model from which it was quantised",
            )
        if key == "model_args" and isinstance(value, dict) and (named := sorted(NOT_OF_ARCHITECTURE & value.keys())):
            raise ModelError(
                f"{file} gives timm the argument {named[0]!r}; hubslice allows none that decides what is loaded",
                hint=_HINT,
            )
        if isinstance(value, str) and (_SOURCE.match(value) or (key == "backbone" and "/" in value)):
            raise ModelError(
                f"{file} has {key}: {_told(value)}, a network in another repository or folder; hubslice follows no "
                "name out of a model",
                hint="save the model with a description of its whole network, such as backbone_config",
            )


def without_optional(content: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Remove entries that name code the network does not need; returns the rest, and a sentence on each one removed."""
    told: list[str] = []
    kept = _kept(content, told)
    return kept, tuple(dict.fromkeys(told))


def walk(content: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """Yield every entry at any depth with its key; items of a list have the list's key."""
    todo: list[tuple[str, object]] = list(content.items())
    while todo:
        key, value = todo.pop()
        yield key, value
        if isinstance(value, dict):
            todo += value.items()
        elif isinstance(value, list):
            todo += ((key, entry) for entry in value)


def _kept(content: dict[str, Any], told: list[str]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in content.items():
        if key in CODE | REDIRECTS | QUANTIZED | FORM:
            continue  # checked above: nothing is nested in it
        if key in ATTENTION | EXPERTS:
            if not _built_in(value):
                what = "attention" if key in ATTENTION else "experts"
                told.append(f"{key}: {_told(value)} names code from elsewhere; {what} is computed by PyTorch instead")
                continue
        elif key in OPTIONAL and value:
            told.append(f"{key}: {_told(value)} names code from elsewhere, which was left out")
            continue
        kept[key] = _kept(value, told) if isinstance(value, dict) else value
    return kept


def _built_in(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_built_in, value.values()))
    return value is None or (isinstance(value, str) and value in BUILT_IN)


def _told(value: object) -> str:
    """Return a value as one line without terminal control characters."""
    return ascii(value)[:80]
