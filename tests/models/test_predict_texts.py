"""Answers to texts are those of the stock pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import transformers

import hubslice
from hubslice.core.errors import InputError, ModelError
from tests.deviation.sentences import MOODS, VOCABULARY, write_bert, write_tokenizer
from tests.images import square

TEXTS = ["the cat sat", "a", "", "the cat " * 40, "Naïve cat"]


def write_plain_tokenizer(folder: Path) -> None:
    """One that gives no `token_type_ids`, which stock code then does not give the network."""
    backend = write_tokenizer(folder).backend_tokenizer
    names = ["input_ids", "attention_mask"]
    transformers.PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names).save_pretrained(folder)
    assert "token_type_ids" not in transformers.AutoTokenizer.from_pretrained(folder)("a")


def bert(folder: Path, kind: type[Any] = transformers.BertForSequenceClassification, **more: Any) -> Path:
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    kind(transformers.BertConfig(vocab_size=len(VOCABULARY), **sizes, **more)).save_pretrained(folder)
    write_tokenizer(folder)
    return folder


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

    write_plain_tokenizer(tmp_path)
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


def test_classes_that_do_not_exclude_each_other(tmp_path: Path) -> None:
    folder = bert(tmp_path, problem_type="multi_label_classification", id2label=dict(enumerate(MOODS)))
    found = hubslice.load(folder).predict(TEXTS[:2])
    for told, row in zip(stock(folder, TEXTS[:2]), found.probabilities.tolist(), strict=True):
        assert dict(zip(MOODS, row, strict=True)) == pytest.approx(told, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        (transformers.BertForTokenClassification, {}, "values for one text, and has 2 classes"),
        (transformers.BertForSequenceClassification, {"num_labels": 1, "problem_type": "regression"}, "not classes"),
    ],
)
def test_what_gives_no_classes_is_named(kind: type[Any], more: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=told):
        hubslice.load(bert(tmp_path, kind, **more)).predict("the cat sat")


def test_a_text_without_tokens_is_named(tmp_path: Path) -> None:
    folder = write_bert(tmp_path)
    model = hubslice.load(folder)
    model.modality.tokenizer.post_processor = None
    model.modality.tokenizer._tokenizer.post_processor = None
    with pytest.raises(InputError, match="the text '' has no tokens"):
        model.predict(["the cat", ""])


def test_the_tokenizer_goes_along(tmp_path: Path) -> None:
    model = hubslice.load(write_bert(tmp_path / "a"))
    model.save(tmp_path / "b")
    again = hubslice.load(tmp_path / "b")
    assert again.predict(TEXTS).logits.equal(model.predict(TEXTS).logits)
    assert len(model.fresh(1).predict("the cat")) == 1
