"""Text classifiers of whatever homes with their tokenizers, opened to be asked about the same texts."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hubslice.artefacts.deviation import ComparedModel
from hubslice.artefacts.model import FileFact
from hubslice.core.device import exact_arithmetic
from hubslice.core.errors import DiffError, ModelError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.deviation.judge import Outputs, outputs_of
from hubslice.deviation.labels import share
from hubslice.deviation.text_judge import TextJudge, TextPair, Tokens, answer
from hubslice.files.config import read_object
from hubslice.graph.classifier import answering
from hubslice.graph.content_hash import graph_hash
from hubslice.hub.formats import CONFIG
from hubslice.models.added_tokens import check_added_tokens
from hubslice.models.building import trouble_with

IDS, MASK, TYPES = "input_ids", "attention_mask", "token_type_ids"
FILLING = {IDS: 0, MASK: 1, TYPES: 0}  # of an input that the tokenizer does not give
KINDS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
TOKENIZER_CONFIG = "tokenizer_config.json"
TOKENIZER = ("tokenizer.json", TOKENIZER_CONFIG, "vocab.txt", "vocab.json")  # one of them is there
BESIDE = (
    *("merges.txt", "added_tokens.json", "special_tokens_map.json"),
    *("tokenizer.model", "spiece.model", "sentencepiece.bpe.model"),
)
LARGEST = 1 << 27  # bytes of a tokenizer's file; the largest vocabularies take a quarter of that
USUAL = 512  # tokens, where neither the tokenizer nor the model limits them
ABSURD = 10**6  # transformers writes a huge number where a tokenizer has no limit
PROBES = ("one", "a short text", "Two sentences. They are no longer than that!")


@dataclass(frozen=True)
class OpenedText:
    """A text classifier that is loaded; a graph may have neither labels nor tokenizer of its own."""

    name: str
    kind: Literal["hub", "folder", "run", "onnx"]
    fingerprint: str
    labels: tuple[str, ...] | None
    tokenizer: Any  # None: that of the other model
    inputs: tuple[str, ...]
    longest: int | None  # tokens that the model takes, where it says
    run: Callable[[Tokens], np.ndarray]
    outputs: Outputs | None = None  # None: to be recognised


def is_text_config(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of a text classifier of transformers."""
    names = config.get("architectures") or ()
    return any(str(name).endswith("ForSequenceClassification") for name in names)


def is_text_graph(inputs: Collection[Any]) -> bool:
    """Whether a graph's inputs are token ids, and nothing that is not known."""
    names = {value.name for value in inputs}
    return IDS in names and names <= FILLING.keys() and all(value.type in KINDS for value in inputs)


def open_text_folder(
    text: str, kind: Literal["hub", "folder", "run", "onnx"], folder: Path, files: Collection[FileFact], device: str
) -> OpenedText:
    """The classifier in a folder.

    Raises:
        ModelError: it cannot be loaded.
    """
    from hubslice.models.folder import load_model

    model = load_model(folder)
    module: Any = model.module.to(device)
    taken = inspect.signature(module.forward).parameters
    tokenizer = _tokenizer(folder)

    def run(tokens: Tokens) -> np.ndarray:
        import torch

        with torch.inference_mode(), exact_arithmetic(device):
            tensors = {name: torch.tensor([values], device=device) for name, values in tokens.items()}
            found: np.ndarray = module(**tensors).logits.float().cpu().numpy()
            return found

    digest = hashlib.sha256(json.dumps(sorted((file.path, file.sha256) for file in files)).encode()).hexdigest()
    inputs = tuple(name for name in FILLING if name in taken)
    return OpenedText(text, kind, digest, model.labels, tokenizer, inputs, _positions(module), run, "logits")


def open_text_graph(text: str, path: Path, runtime: Any) -> OpenedText:
    """The classifier of a graph; tokenizer and labels are read from files beside it, if there are any."""
    inputs = {value.name: value for value in runtime.get_inputs()}
    batch, length = (size if isinstance(size, int) and size > 0 else None for size in inputs[IDS].shape)
    names = [value.name for value in runtime.get_outputs()]
    wanted = ["logits"] if "logits" in names else names
    about = read_object(path.with_name(CONFIG), str(path.parent)) if path.with_name(CONFIG).is_file() else {}
    named = about.get("id2label") or {}
    tokenizer = _tokenizer(path.parent)

    def run(tokens: Tokens) -> np.ndarray:
        nonlocal wanted
        feeds = {}
        for name, values in tokens.items():
            padding = [0] * ((length or len(values)) - len(values))
            feeds[name] = np.array([[*values, *padding]] * (batch or 1), KINDS[inputs[name].type])
        given = dict(zip(wanted, runtime.run(wanted, feeds), strict=True))
        wanted = [answering(text, given, batch or 1, len(labels) if labels else None)]
        found: np.ndarray = given[wanted[0]][:1]
        return found

    digest = hashlib.sha256(f"{graph_hash(path)}{json.dumps(named, sort_keys=True)}".encode())
    if tokenizer is not None:
        digest.update(_content(tokenizer))
    labels = tuple(str(named[key]) for key in sorted(named, key=int)) or None
    return OpenedText(text, "onnx", digest.hexdigest(), labels, tokenizer, tuple(inputs), length, run)


def open_text_pair(
    a: OpenedText, b: OpenedText, mapped: Mapping[str, str] | str | None
) -> tuple[TextPair, tuple[ComparedModel, ComparedModel]]:
    """Both models to be asked, and what is told of them.

    Raises:
        DiffError: labels differ and nothing says how to bring them together, or neither has a tokenizer, or labels.
        ModelError: one cannot be used.
    """
    judges, facts = [], []
    for own, other in ((a, b), (b, a)):
        tokenizer, labels = own.tokenizer or other.tokenizer, own.labels or other.labels
        if tokenizer is None:
            raise DiffError(
                f"neither {a.name} nor {b.name} has a tokenizer: texts cannot become token ids",
                hint="put tokenizer.json and tokenizer_config.json beside one of them, or name a model folder that has "
                "them",
            )
        if labels is None:
            raise DiffError(
                f"neither {a.name} nor {b.name} says what its classes are called",
                hint="put config.json beside one of them, or name a model folder as the other",
            )
        judge = _judge(own, tokenizer, labels, own.longest or other.longest)
        judges.append(judge)
        described = own.tokenizer is not None
        facts.append(
            ComparedModel(
                model=own.name,
                kind=own.kind,
                fingerprint=own.fingerprint,
                input_size=None,
                tokens=judge.longest,
                outputs=judge.outputs,
                described=described,
            )
        )
    shared = share((a.name, b.name), judges[0].labels, judges[1].labels, mapped)
    return TextPair(judges[0], judges[1], shared), (facts[0], facts[1])


def _judge(own: OpenedText, tokenizer: Any, labels: tuple[str, ...], positions: int | None) -> TextJudge:
    own_limit = int(tokenizer.model_max_length) if tokenizer.model_max_length < ABSURD else None
    longest = min(limit for limit in (own_limit, positions, None if own_limit or positions else USUAL) if limit)

    def tokens(text: str) -> Tokens:
        told = tokenizer(text, truncation=True, max_length=longest)
        size = len(told[IDS])
        return {name: told[name] if name in told else [FILLING[name]] * size for name in own.inputs}

    def count(text: str) -> int:
        return len(tokenizer(text, truncation=False, verbose=False)[IDS])

    _check_tokenizer(own.name, tokens, count)
    outputs = own.outputs
    if outputs is None:
        probed = [answer(own.name, own.run, tokens(text)) for text in PROBES]
        outputs = outputs_of(np.concatenate(probed))
    return TextJudge(own.name, labels, tokens, count, longest, own.run, outputs)


def _check_tokenizer(name: str, tokens: Callable[[str], Tokens], count: Callable[[str], int]) -> None:
    """Let the tokenizer encode short texts: transformers checks few of its settings before it is used.

    Raises:
        ModelError: it cannot.
    """
    try:
        for text in PROBES:
            tokens(text), count(text)
    except Exception as error:  # whatever it raises over odd settings
        if out_of_memory(error):
            raise
        raise ModelError(
            f"the tokenizer for {name} cannot encode a short text: {first_line(error)[:300]}",
            hint=f"mend {TOKENIZER_CONFIG}, or choose another revision",
        ) from error


def _tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder, None where there is none.

    Raises:
        ModelError: it is damaged, custom code, or far larger than any.
    """
    if not any((folder / name).is_file() for name in TOKENIZER):
        return None
    _check_sizes(folder)
    from transformers import AutoTokenizer, PreTrainedConfig

    from hubslice.models.transformers_class import read_stock

    if (folder / TOKENIZER_CONFIG).is_file():
        read_object(folder / TOKENIZER_CONFIG, str(folder))
    check_added_tokens(folder)
    config = read_object(folder / CONFIG, str(folder)) if (folder / CONFIG).is_file() else {}
    with trouble_with(folder, "transformers"):
        known = read_stock(config) if "model_type" in config else PreTrainedConfig()
        return AutoTokenizer.from_pretrained(folder, config=known, trust_remote_code=False, local_files_only=True)


def _check_sizes(folder: Path) -> None:
    for path in (folder / name for name in (*TOKENIZER, *BESIDE)):
        if path.is_file() and (size := path.stat().st_size) > LARGEST:
            raise ModelError(
                f"{path} has {size / (1 << 20):,.0f} MiB, and a tokenizer's file may have {LARGEST >> 20}",
                hint="save the tokenizer again, or choose another revision",
            )


def _content(tokenizer: Any) -> bytes:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    text = backend.to_str() if backend is not None else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    return str(text).encode()


def _positions(module: Any) -> int | None:
    """Tokens for which the model has positions; RoBERTa and its kin count them from behind the padding's."""
    most = getattr(module.config, "max_position_embeddings", None)
    tables = [part for name, part in module.named_modules() if name.endswith("position_embeddings")]
    padding = next((part.padding_idx for part in tables if getattr(part, "padding_idx", None) is not None), None)
    return most if most is None or padding is None else most - padding - 1
