"""A compact model on the Hub: what is pushed comes back, and a stock model leaves nothing of it behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from hubslice.graph.channels import channel_map
from hubslice.hub.client import Client
from hubslice.hub.preview import preview
from hubslice.hub.pull import fetch
from hubslice.hub.push import plan_push, push
from hubslice.hub.ref import parse_ref
from hubslice.models.folder import load_model
from hubslice.models.meta_model import meta_model
from hubslice.slicing.compaction import without
from tests.fake_hub import HubServer
from tests.hub.conftest import MakeClient
from tests.networks import NETWORKS, logits

REPO = "alice/small"


def push_folder(folder: Path, client: Client) -> None:
    push(plan_push(folder, REPO, poisoned=False, message="Push a model", client=client))


def test_it_is_pushed_previewed_and_fetched(hub: HubServer, tmp_path: Path, client_of: MakeClient) -> None:
    model = NETWORKS["test_resnet"]()
    channels = channel_map(model)
    small = without(model, channels, {group.name: np.arange(group.units // 2) for group in channels.groups})
    small.save(tmp_path / "small")
    client = client_of("hf_alice")
    push_folder(tmp_path / "small", client)
    assert {"shapes.json", "model.safetensors", "config.json"} <= hub.files(REPO).keys()

    ref = parse_ref(REPO, tmp_path)
    seen = preview(ref, tmp_path / "preview", client=client)
    held = {name: info.shape for header in seen.weights.values() for name, info in header.tensors.items()}
    assert meta_model(seen.folder, held, where=REPO).parameters == small.parameters
    fetched = fetch(ref, client=client)
    assert "shapes.json" in {fact.path for fact in fetched.files}
    assert torch.equal(logits(load_model(fetched.folder)), logits(small))

    model.save(tmp_path / "stock")
    push_folder(tmp_path / "stock", client)
    assert "shapes.json" not in hub.files(REPO)
    assert load_model(fetch(ref, client=client).folder).parameters == model.parameters
