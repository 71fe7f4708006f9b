"""How many tokens text classifiers of several kinds take."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers
from transformers import DistilBertConfig, RobertaConfig

from hubslice.deviation.text.encoding import encode
from hubslice.deviation.text.predictors import is_cut, open_text, open_text_pair
from hubslice.models.opening import OpenedModel, open_model
from tests.deviation.sentences import VOCABULARY, write_tokenizer

SIZES = {"num_labels": 2, "vocab_size": len(VOCABULARY), "pad_token_id": 0}
KINDS = {
    "distilbert": (
        DistilBertConfig(dim=8, n_layers=1, n_heads=1, hidden_dim=8, max_position_embeddings=20, **SIZES),
        20,
    ),
    "roberta": (
        RobertaConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=8,
            type_vocab_size=1,
            max_position_embeddings=20,
            **SIZES,
        ),
        19,  # counted from behind the padding's number, 0
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_text_is_answered(tmp_path: Path, kind: str) -> None:
    """One more token would have no position."""
    config, longest = KINDS[kind]
    transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    write_tokenizer(tmp_path)
    loaded = open_model(str(tmp_path))
    assert isinstance(loaded, OpenedModel)
    opened = open_text(loaded, "cpu")
    pair, facts = open_text_pair(opened, opened, None)
    assert facts[0].tokens == longest
    assert pair.a.logs([encode("x y " * 50)]).shape == (1, 2)
    assert is_cut(pair, "x " * (longest - 1))
    assert not is_cut(pair, "x " * (longest - 2))
    with pytest.raises((IndexError, RuntimeError)):
        opened.run({name: [5] * (longest + 1) for name in opened.inputs})
