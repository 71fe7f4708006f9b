"""A transformers model to the Hub and back."""

from __future__ import annotations

from pathlib import Path

import torch
from huggingface_hub import HfApi
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, BertForSequenceClassification


def tiny() -> BertForSequenceClassification:
    config = BertConfig(
        vocab_size=40, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, num_labels=3
    )
    return BertForSequenceClassification(config).eval()


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def round_trip(folder: Path) -> None:
    model = tiny()
    model.save_pretrained(folder)
    api = HfApi()
    api.create_repo("alice/bert-student")
    api.upload_folder(repo_id="alice/bert-student", folder_path=folder)
    assert same(model, AutoModelForSequenceClassification.from_pretrained("alice/bert-student"))
    assert HfApi(token=False).model_info("alice/bert-student").library_name == "transformers"


def own_push(folder: Path) -> None:
    model = tiny()
    model.push_to_hub("alice/bert-pushed", private=True)
    assert same(model, AutoModelForSequenceClassification.from_pretrained("alice/bert-pushed"))
    assert AutoConfig.from_pretrained("alice/bert-pushed").num_labels == 3
