"""Tiny text classifiers: BERT with random weights, and graphs that count letters, made without any exporter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyz"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCABULARY = (*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), "the", "cat", "sat")
MOODS = ("glad", "sad", "calm")
LONGEST = 48  # tokens

_RNG = np.random.default_rng(3)
# Moods by tokens, counted: the second model is a little more easily sad.
COUNTED = _RNG.normal(0, 1, (len(VOCABULARY), len(MOODS))).astype(np.float32)
SADDER = COUNTED + np.array([0, 0.02, 0], np.float32)


def write_tokenizer(folder: Path, *, lower: bool = True) -> BertTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: at for at, word in enumerate(VOCABULARY)}
    tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=lower, model_max_length=LONGEST)
    tokenizer.save_pretrained(folder)
    return tokenizer


def write_bert(
    folder: Path, *, labels: tuple[str, ...] = MOODS, noise: float = 0.0, lower: bool = True, tokenizer: bool = True
) -> Path:
    """A classifier of random weights, the same for all but `noise`, with its tokenizer."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        max_position_embeddings=LONGEST,
        initializer_range=0.4,
        id2label=dict(enumerate(labels)),
        **sizes,
    )
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(1)
        model = BertForSequenceClassification(config)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += noise * torch.randn_like(parameter)
    model.save_pretrained(folder)
    if tokenizer:
        write_tokenizer(folder, lower=lower)
    return folder


def write_counter(path: Path, table: np.ndarray = COUNTED, *, softmax: bool = False, length: int | None = None) -> Path:
    """A graph whose logits are the sum of `table` [tokens, classes] over a text's tokens, padding left out."""
    size = length or "length"
    output = "probabilities" if softmax else "logits"
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("Unsqueeze", ["attention_mask", "last"], ["wide"]),
        helper.make_node("Cast", ["wide"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["rows", "mask"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "middle"], ["counted"], keepdims=0),
        helper.make_node("MatMul", ["counted", "same"], ["plain" if softmax else "logits"]),
    ]
    if softmax:
        nodes += [helper.make_node("Softmax", ["plain"], ["probabilities"], axis=1)]
    constants = {
        "table": table.astype(np.float32),
        "last": np.array([2]),
        "middle": np.array([1]),
        "same": np.eye(table.shape[1], dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "counter",
        [helper.make_tensor_value_info(n, TensorProto.INT64, ["n", size]) for n in ("input_ids", "attention_mask")],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", table.shape[1]])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_config(folder: Path, labels: tuple[str, ...] = MOODS) -> None:
    """What a graph's labels are read from."""
    about = {"architectures": ["BertForSequenceClassification"], "model_type": "bert"}
    (folder / "config.json").write_text(json.dumps(about | {"id2label": dict(enumerate(labels))}))


def sentences(count: int, seed: int = 0) -> list[str]:
    """Words of random letters with some that are known."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        words = ["".join(rng.choice(list(LETTERS), int(rng.integers(2, 6)))) for _ in range(int(rng.integers(3, 7)))]
        words[int(rng.integers(len(words)))] = str(rng.choice(["the", "Cat", "sat"]))
        found.append(" ".join(words))
    return found
