"""The profile on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.numpy import save_file

from hubslice.artefacts.profile import NC, SNAC, TKNC, Criterion, Profile
from hubslice.core.errors import RunError

PROFILE = Profile({"a": np.array([1, 2**40]), "b.c": np.array([0])}, 2**41, SNAC, "CPUExecutionProvider", "m", "d")


def test_save_and_load(tmp_path: Path) -> None:
    PROFILE.save(tmp_path / "p.safetensors")
    loaded = Profile.load(tmp_path / "p.safetensors")
    assert {name: count.tolist() for name, count in loaded.counts.items()} == {"a": [1, 2**40], "b.c": [0]}
    assert (loaded.samples, loaded.criterion, loaded.provider) == (2**41, SNAC, "CPUExecutionProvider")
    assert (loaded.model, loaded.data, loaded.neurons) == ("m", "d", 3)


def test_what_is_no_profile(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    with pytest.raises(RunError, match="cannot be read as a profile"):
        Profile.load(path)
    path.write_bytes(b"nonsense")
    with pytest.raises(RunError, match="cannot be read as a profile"):
        Profile.load(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(RunError, match="not a profile of this version"):
        Profile.load(path)


def test_criteria() -> None:
    assert [str(criterion) for criterion in (NC, TKNC, SNAC)] == ["nc > 0.5", "tknc, k = 10", "snac, k = 2"]
    with pytest.raises(ValidationError):
        Criterion(name="snac", k=0)
