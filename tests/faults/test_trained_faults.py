"""What `hubslice convert --to pruned` and `--to distilled` refuse: told with the cause, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Refused
from tests.images import write_folder
from tests.verbs.detect.small import clean, write_model

FAULTS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "no images": (("pruned",), 2, ("model is no run, so there are no images to teach and to check with", "--data")),
    "too few": (("pruned", "--data", "few"), 2, ("few holds 3 images; five are the least",)),
    "an array": (("pruned", "--data", "clean.npy"), 2, ("clean.npy is an array of pixels", "give image files")),
    "all weights": (("pruned", "--data", "images", "--sparsity", "1"), 2, ("--sparsity 1 is not between 0 and 1",)),
    "another form's option": (("onnx", "--epochs", "3"), 2, ("--epochs is for --to pruned or distilled",)),
    "into nothing": (("distilled", "--data", "images"), 2, ("needs the smaller model", "--into resnet10t")),
    "into what is not there": (
        ("distilled", "--data", "images", "--into", "resnet1x"),
        2,
        ("resnet1x", "architecture of timm"),
    ),
    "an argument without value": (
        ("distilled", "--data", "images", "--into", "hubslice_vgg", "--argument", "widths"),
        2,
        ("--argument widths is not NAME=VALUE",),
    ),
    "an argument that cannot be": (
        ("distilled", "--data", "images", "--into", "hubslice_vgg", "--argument", "widths={}"),
        2,
        ("--argument widths is neither a number, a word, nor a list", "widths=[16,32]"),
    ),
    "too much pruned": (
        ("pruned", "--data", "images", "--sparsity", "0.99", "--min-agreement", "1"),
        1,
        ("model does for only", "100% are wanted", "--epochs 3", "--min-agreement"),
    ),
}


@pytest.mark.parametrize(("arguments", "code", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    refused: Refused,
    arguments: tuple[str, ...],
    code: int,
    says: tuple[str, ...],
) -> None:
    write_model(tmp_path / "model")
    write_folder(tmp_path / "images", 40)
    write_folder(tmp_path / "few", 3)
    np.save(tmp_path / "clean.npy", clean(20))
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    refused("convert", "model", "--to", *arguments, code=code, says=says)
    assert sorted(tmp_path.rglob("*")) == before
