"""Compact models whose description was changed, and models that cannot be made compact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from hubslice.artefacts.slice import Slice
from hubslice.graph.channels import channel_map
from hubslice.models.folder import load_model
from hubslice.models.timm_adapter import TimmModel
from hubslice.slicing.compaction import without
from tests.faults.conftest import Refused
from tests.faults.odd_models import BRANCHES
from tests.networks import LABELS
from tests.run.quick import quick_run
from tests.terminal.conftest import Hubslice

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compact ViT and a compact convolutional network, which hold no common module."""
    folder = tmp_path_factory.mktemp("compact")
    for name in ("test_vit", "test_efficientnet"):
        model = TimmModel.create(name, LABELS, seed=0)
        channels = channel_map(model)
        without(model, channels, {group.name: np.arange(group.units // 2) for group in channels.groups}).save(
            folder / name
        )
    return folder


Change = Callable[[dict[str, Any]], object]


def setting(module: str, **widths: object) -> Change:
    return lambda told: told["modules"].setdefault(module, {}).update(widths)


FC1 = "blocks.0.mlp.fc1"
TAMPERED: dict[str, tuple[Change, str]] = {
    "another width": (setting(FC1, out_features=95), "have not the widths of its shapes.json: "),
    "a width left out": (lambda told: told["modules"].pop(FC1), f"{FC1}.weight is [96, 64] instead of [192, 64]"),
    "larger than the architecture": (setting(FC1, out_features=193), "to 193, more than the 192 of the architecture"),
    "a head more": (setting("blocks.0.attn", num_heads=2), "with the widths of shapes.json the network does not run"),
    "negative": (setting(FC1, out_features=-1), f"modules.{FC1}.out_features: Input should be greater than or equal"),
    "zero": (setting(FC1, out_features=0), "Input should be greater than or equal to 1"),
    "huge": (setting(FC1, out_features=2**62), "Input should be less than or equal to 16777216"),
    "beyond all integers": (setting(FC1, out_features=10**4000), "Input should be"),
    "text": (setting(FC1, out_features="96"), "Input should be a valid integer"),
    "a fraction": (setting(FC1, out_features=96.0), "Input should be a valid integer"),
    "yes": (setting(FC1, out_features=True), "Input should be a valid integer"),
    "a list": (setting(FC1, out_features=[96]), "Input should be a valid integer"),
    "unknown attribute": (setting(FC1, weight=3), f"sets 'weight' of {FC1}, which is no width"),
    "an attribute that is code": (setting("", forward=3), "sets 'forward' of the network, which is no width"),
    "a private attribute": (setting("blocks.0", __class__=3), "sets '__class__' of blocks.0, which is no width"),
    "another layer's attribute": (setting(FC1, groups=1), f"sets 'groups' of {FC1}, which is no width"),
    "unknown module": (setting("blocks.99", num_heads=1), "names the module 'blocks.99', which the architecture lacks"),
    "unknown format": (lambda told: told.update(format="hubslice-shapes-2"), "format: Input should be"),
    "unknown entry": (lambda told: told.update(code="print()"), "code: Extra inputs are not permitted"),
    "no modules": (lambda told: told.pop("modules"), "modules: Field required"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_changed_description_is_refused(what: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    change, says = TAMPERED[what]
    folder = Path(shutil.copytree(good / "test_vit", tmp_path / "model"))
    told = json.loads((folder / "shapes.json").read_text())
    change(told)
    (folder / "shapes.json").write_text(_json(told))
    refuse(folder, refused, says, "hint: the file was changed or belongs to other weights")


def _json(value: object) -> str:
    import sys

    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(10_000)
    try:
        return json.dumps(value)
    finally:
        sys.set_int_max_str_digits(limit)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "Invalid JSON"),
        (b"{nonsense", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "Input should be an object"),
        (b" " * (2**25 + 1), "bytes, more than widths need"),
    ],
    ids=["empty", "broken", "nested", "bytes", "list", "large"],
)
def test_a_damaged_description_is_refused(
    content: bytes, says: str, good: Path, tmp_path: Path, refused: Refused
) -> None:
    folder = Path(shutil.copytree(good / "test_vit", tmp_path / "model"))
    (folder / "shapes.json").write_bytes(content)
    refuse(folder, refused, says, f"{folder / 'shapes.json'}")


def refuse(folder: Path, refused: Refused, *says: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    out = folder.parent / "out"
    refused("convert", str(folder), "--to", "onnx", "--out", str(out), code=2, says=says)
    assert not out.exists()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model"]


def test_pull_refuses_it_as_well(good: Path, tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(good / "test_vit", tmp_path / "model"))
    (folder / "shapes.json").write_text('{"format": "hubslice-shapes-1", "modules": {"x": {}}}')
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=("names the module 'x'", "hint: "))
    (folder / "shapes.json").unlink()
    says = ("the weights in", "are not those of test_vit", "of another shape")
    refused("pull", str(folder), "--out", str(tmp_path / "out2"), code=2, says=says)


def test_impossible_groups_are_refused(good: Path, tmp_path: Path, refused: Refused) -> None:
    folder = Path(shutil.copytree(good / "test_efficientnet", tmp_path / "model"))
    told = json.loads((folder / "shapes.json").read_text())
    told["modules"]["blocks.3.0.conv_dw"]["groups"] = 7
    (folder / "shapes.json").write_text(json.dumps(told))
    refuse(folder, refused, "gives blocks.3.0.conv_dw impossible widths: 64 to 64 channels in 7 groups")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_of_a_compact_model_are_checked_as_others_are(
    value: float, good: Path, tmp_path: Path, refused: Refused
) -> None:
    folder = Path(shutil.copytree(good / "test_vit", tmp_path / "model"))
    tensors = load_file(folder / "model.safetensors")
    tensors["head.bias"][0] = value
    save_file(tensors, folder / "model.safetensors")
    refuse(folder, refused, "values that are not finite numbers (head.bias")


def test_nothing_to_take_out(tmp_path: Path, refused: Refused) -> None:
    TimmModel.create("test_resnet", LABELS, seed=0).save(tmp_path / "model")
    says = ("no channel, head or feature of", "is zero as a whole", "hint: slice whole channels: slice.granularity")
    refuse_compact(tmp_path, refused, *says)


def test_zero_channels_of_a_layer_that_stays_whole(tmp_path: Path, refused: Refused) -> None:
    model = TimmModel.create("test_vit", LABELS, seed=0)
    with torch.no_grad():
        model.module.patch_embed.proj.weight[:5] = 0
    model.save(tmp_path / "model")
    says = (
        "5 outputs of patch_embed.proj are zero, but it stays whole: ",
        "tied to the parameter",
        "slice.granularity: weight",
    )
    refuse_compact(tmp_path, refused, *says, "slice.layers")


def test_a_network_that_cannot_be_traced(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("an operation without gradient")

    monkeypatch.setattr("hubslice.graph.channels.find_ties", fail)
    TimmModel.create(BRANCHES, LABELS, seed=0).save(tmp_path / "model")
    says = ("nothing can be taken out of", "the network cannot be traced (RuntimeError: an operation without gradient)")
    refuse_compact(tmp_path, refused, *says, "hint: keep the shapes with slice.granularity: weight")


def refuse_compact(folder: Path, refused: Refused, *says: str) -> None:
    out = folder / "out"
    refused("convert", str(folder / "model"), "--to", "compact", "--out", str(out), code=2, says=says)
    assert sorted(path.name for path in folder.iterdir()) == ["model"]


def test_what_conversion_did_not_write_is_not_replaced(good: Path, tmp_path: Path, refused: Refused) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("years of work")
    command = ("convert", str(good / "test_vit"), "--to", "compact", "--out")
    refused(*command, str(out), code=2, says=("holds thesis.tex", "hint: choose another folder with --out"))
    refused(*command, str(out / "thesis.tex"), code=2, says=("is a file, not a folder", "hint: choose another folder"))
    assert (out / "thesis.tex").read_text() == "years of work"


def test_a_parity_gate_that_fails_writes_nothing(
    good: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubslice.graph.deployable.HALF_TOLERANCE", 1e-9)
    command = ("convert", str(good / "test_efficientnet"), "--to", "fp16", "--out", str(tmp_path / "out"))
    refused(*command, code=1, says=("model.onnx differs from PyTorch by", "hint: use --to onnx"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run whose slice judges every other unit irrelevant, though in its student they are not zero."""
    folder = Path(shutil.copytree(quick_run(), tmp_path / "run"))
    model = load_model(folder / "student")
    masks = {n: np.ones(tuple(p.shape), dtype=bool) for n, p in model.module.named_parameters()}
    for group in channel_map(model).groups:
        for part in group.makes:
            if part.tensor in masks:
                np.moveaxis(masks[part.tensor], part.axis, 0)[part.entries[::2]] = False
    (folder / "slice.safetensors").unlink()  # a link into the steps
    Slice(masks, "test").save(folder / "slice.safetensors")
    return folder


@pytest.mark.slow
def test_channels_that_grew_again(run: Path, refused: Refused) -> None:
    says = (
        "channels that the slice took out are no longer zero in the student",
        "of conv1.0",
        "slice.irrelevant: compact",
    )
    refused("convert", str(run), "--to", "compact", code=2, says=says)
    assert not (run / "compact").exists()


@pytest.mark.slow
def test_channels_that_stayed_zero_are_taken_out(run: Path, hubslice: Hubslice) -> None:
    model, slice_ = load_model(run / "student"), Slice.load(run / "slice.safetensors")
    with torch.no_grad():
        for name, parameter in model.module.named_parameters():
            parameter[torch.from_numpy(~slice_.masks[name])] = 0
    shutil.rmtree(run / "student")
    model.save(run / "student")
    (run / "student" / "report.json").write_bytes((run / "report.json").read_bytes())
    code, stdout, stderr = hubslice("convert", str(run), "--to", "compact", "--json")
    assert (code, stderr) == (0, "")
    told = json.loads(stdout)
    assert told["path"] == str(run / "compact")
    assert told["parameters"]["after"] < 0.5 * told["parameters"]["before"]
    assert told["bytes"]["after"] < 0.5 * told["bytes"]["before"]
    assert told["removed"]["layer4.0.conv2"] == 48
    small = load_model(run / "compact")
    inputs = model.example_inputs(2, 0)
    with torch.no_grad():
        torch.testing.assert_close(small.forward(inputs), model.forward(inputs), rtol=1e-4, atol=1e-5)
    assert hubslice("convert", str(run), "--to", "compact").code == 0  # again: its own folder is replaced
    code, stdout, _ = hubslice("convert", str(run / "compact"), "--to", "compact", "--out", str(run.parent / "again"))
    assert code == 0
    assert "compact" in stdout
