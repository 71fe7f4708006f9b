"""What `hubslice convert --to int8` refuses: told with the cause, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import Refused
from tests.verbs.detect.small import between, clean, write_model

FAULTS: dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    "nothing to calibrate with": (
        ("int8",),
        2,
        ("model is no run, so there are no images to calibrate with", "--data", "--dynamic"),
    ),
    "one image": (
        ("int8", "--data", "one.npy"),
        2,
        ("one.npy holds one image; one is needed to calibrate with and another to check",),
    ),
    "no images": (("int8", "--data", "nowhere"), 2, ("there is nothing at nowhere",)),
    "data for another form": (
        ("onnx", "--data", "clean.npy"),
        2,
        ("--data is for --to int8 or pruned or distilled, not for --to onnx",),
    ),
    "a dynamic compact model": (("compact", "--dynamic"), 2, ("--dynamic is for --to int8, not for --to compact",)),
    "calibrated with black": (
        ("int8", "--data", "dark.npy"),
        1,
        ("in 8 bits hubslice_vgg answers as before for only", "80% are wanted", "--samples", "--min-agreement"),
    ),
    "somebody's folder": (("int8", "--data", "clean.npy", "--out", "busy"), 2, ("busy holds thesis.tex",)),
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
    np.save(tmp_path / "clean.npy", clean(20))
    np.save(tmp_path / "one.npy", clean(1))
    rows = np.random.default_rng(0).permutation(80)
    images = between(80)
    images[rows[:40]] = 0  # those that it will be calibrated with
    np.save(tmp_path / "dark.npy", images)
    (tmp_path / "busy").mkdir()
    (tmp_path / "busy/thesis.tex").write_text("years of work")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    refused("convert", "model", "--to", *arguments, code=code, says=says)
    assert sorted(tmp_path.rglob("*")) == before
