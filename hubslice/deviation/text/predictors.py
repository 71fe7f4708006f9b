"""Open text classifiers from any source with their tokenizers, for predicting the same texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hubslice.artefacts.deviation import ComparedModel
from hubslice.core.device import exact_arithmetic
from hubslice.core.errors import DiffError
from hubslice.deviation.labels import share
from hubslice.deviation.predictor import Outputs, Pair, Predictor, called, outputs_of
from hubslice.deviation.text.encoding import decode
from hubslice.deviation.text.inputs import text_inputs
from hubslice.files.config import read_object
from hubslice.graph.classifier import answering
from hubslice.graph.content_hash import graph_hash
from hubslice.hub.formats import CONFIG
from hubslice.modality.text.texts import FILLING, IDS, Texts
from hubslice.modality.text.tokenizer import PROBES, Tokens, check_encodes, content_of, limit_of
from hubslice.models.opening import Kind, OpenedModel
from hubslice.models.tokenizer import given_to, inputs_of, positions, read_tokenizer

KINDS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}


@dataclass(frozen=True)
class TextPredictor(Predictor):
    """`run` returns its output float [1, classes] for a text's tokens, which `reader` makes.

    Texts are processed one at a time, without padding: a dynamically quantised model has one scale for the whole batch,
    and the result for a seed must not depend on the others.
    """

    one: ClassVar[str] = "text"

    reader: Texts
    run: Callable[[Tokens], np.ndarray]

    def call(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([_answer(self.name, self.run, self.reader.tokens(decode(text))) for text in inputs])


def _answer(name: str, run: Callable[[Tokens], np.ndarray], tokens: Tokens) -> np.ndarray:
    length = max(map(len, tokens.values()), default=0)
    hint = "is its tokenizer the one that it was trained with? Else make the model again"
    return called(name, run, tokens, f"a text of {length} tokens", hint)


def seen_by(readers: Sequence[Texts], text: str) -> Hashable:
    """Return the models' view of a text: its tokens."""
    return tuple(tuple((name, tuple(values)) for name, values in reader.tokens(text).items()) for reader in readers)


def is_cut(pair: Pair[TextPredictor], text: str) -> bool:
    """Return whether a model truncates the text."""
    return any(each.reader.count(text) > each.reader.longest for each in (pair.a, pair.b))


@dataclass(frozen=True)
class OpenedText:
    """A loaded text classifier; a graph may have neither labels nor a tokenizer."""

    name: str
    kind: Kind
    fingerprint: str
    labels: tuple[str, ...] | None
    tokenizer: Any  # None: the other model's is used
    inputs: tuple[str, ...]
    longest: int | None  # maximum tokens of the model, if known
    run: Callable[[Tokens], np.ndarray]
    outputs: Outputs | None = None  # None: to be determined


def is_text_graph(inputs: Collection[Any]) -> bool:
    """Return whether a graph's inputs are token ids and other known text inputs only."""
    names = {value.name for value in inputs}
    return IDS in names and names <= FILLING.keys() and all(value.type in KINDS for value in inputs)


def open_text(opened: OpenedModel, device: str) -> OpenedText:
    """The text classifier.

    Raises:
        ModelError: it takes something else than texts, or its tokenizer is damaged.
    """
    model = opened.model
    model.check_answers()
    module: Any = model.module.to(device)
    tokenizer = read_tokenizer(opened.fetched.folder)

    def run(tokens: Tokens) -> np.ndarray:
        import torch

        with torch.inference_mode(), exact_arithmetic(device):
            tensors = {name: torch.tensor([values], device=device) for name, values in tokens.items()}
            found: np.ndarray = model.forward(tensors).float().cpu().numpy()
            return found

    found = inputs_of(module), positions(module)
    return OpenedText(opened.name, opened.kind, opened.fingerprint, model.labels, tokenizer, *found, run, "logits")


def open_text_graph(text: str, path: Path, runtime: Any) -> OpenedText:
    """Open the classifier of a graph; tokenizer and labels are read from files beside it, if there are any."""
    inputs = {value.name: value for value in runtime.get_inputs()}
    batch, length = (size if isinstance(size, int) and size > 0 else None for size in inputs[IDS].shape)
    names = [value.name for value in runtime.get_outputs()]
    wanted = ["logits"] if "logits" in names else names
    about = read_object(path.with_name(CONFIG), str(path.parent)) if path.with_name(CONFIG).is_file() else {}
    named = about.get("id2label") or {}
    tokenizer = read_tokenizer(path.parent)

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
        digest.update(content_of(tokenizer))
    labels = tuple(str(named[key]) for key in sorted(named, key=int)) or None
    return OpenedText(text, "onnx", digest.hexdigest(), labels, tokenizer, tuple(inputs), length, run)


def open_text_pair(
    a: OpenedText, b: OpenedText, mapped: Mapping[str, str] | str | None
) -> tuple[Pair[TextPredictor], tuple[ComparedModel, ComparedModel]]:
    """Pair both models, and return their facts.

    Raises:
        DiffError: labels differ and no option reconciles them, or neither has a tokenizer, or labels.
        ModelError: a model cannot be used.
    """
    predictors, facts = [], []
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
        predictor = _predictor(own, tokenizer, labels, own.longest or other.longest)
        predictors.append(predictor)
        described = own.tokenizer is not None
        facts.append(
            ComparedModel(
                model=own.name,
                kind=own.kind,
                fingerprint=own.fingerprint,
                input_size=None,
                tokens=predictor.reader.longest,
                outputs=predictor.outputs,
                described=described,
            )
        )
    shared = share((a.name, b.name), predictors[0].labels, predictors[1].labels, mapped)
    kind = text_inputs(partial(seen_by, [predictor.reader for predictor in predictors]))
    return Pair(predictors[0], predictors[1], shared, kind, chunk=1), (facts[0], facts[1])


def _predictor(own: OpenedText, tokenizer: Any, labels: tuple[str, ...], most: int | None) -> TextPredictor:
    check_encodes(own.name, tokenizer)
    inputs = own.inputs if own.kind == "onnx" else given_to(own.inputs, tokenizer)  # a graph needs all of them
    reader = Texts(tokenizer, inputs, limit_of(tokenizer, most))
    check_encodes(own.name, lambda text: (reader.tokens(text), reader.count(text)))
    outputs = own.outputs
    if outputs is None:
        probed = [_answer(own.name, own.run, reader.tokens(text)) for text in PROBES]
        outputs = outputs_of(np.concatenate(probed))
    return TextPredictor(own.name, labels, outputs, reader, own.run)
