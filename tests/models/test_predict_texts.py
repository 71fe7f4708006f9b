"""Answers to texts are those of the stock pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers

import hubslice
from hubslice.core.errors import InputError
from tests.deviation.sentences import MOODS, VOCABULARY, write_bert, write_tokenizer
from tests.images import square

TEXTS = ["the cat sat", "a", "", "the cat " * 40, "Naïve cat"]


def stock(folder: Path, texts: list[str]) -> list[dict[str, float]]:
    pipeline = transformers.pipeline("text-classification", model=str(folder), top_k=None, truncation=True)
    return [{each["label"]: each["score"] for each in told} for told in pipeline(texts, batch_size=1)]


def test_several_are_answered(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    found = hubslice.load(folder).predict(TEXTS)
    assert found.classes == MOODS
    for told, row, label in zip(stock(folder, TEXTS), found.probabilities.tolist(), found.labels, strict=True):
        assert dict(zip(MOODS, row, strict=True)) == pytest.approx(told, abs=1e-5)
        assert label == max(told, key=lambda name: told[name])


def test_a_decoder_needs_no_padding_token(tmp_path: Path) -> None:
    from transformers import GPT2Config, GPT2ForSequenceClassification

    write_tokenizer(tmp_path)
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 64}
    config = GPT2Config(vocab_size=len(VOCABULARY), id2label=dict(enumerate(MOODS)), **sizes)
    assert config.pad_token_id is None
    GPT2ForSequenceClassification(config).save_pretrained(tmp_path)
    texts = ["the cat sat", "a"]
    found = hubslice.load(tmp_path).predict(texts)
    for told, row in zip(stock(tmp_path, texts), found.probabilities.tolist(), strict=True):
        assert dict(zip(MOODS, row, strict=True)) == pytest.approx(told, abs=1e-5)


def test_one_text_is_one_answer(tmp_path: Path) -> None:
    assert len(hubslice.load(write_bert(tmp_path)).predict("the cat sat")) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (square("red", 0), "is no text"),
        (["a", 3], "text 1 is of type int"),
        ([], "there are no texts to predict"),
    ],
)
def test_what_is_no_text_is_named(given: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        hubslice.load(write_bert(tmp_path)).predict(given)
