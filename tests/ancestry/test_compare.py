"""Children are found in every form, strangers never, and formulas that all share prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hubslice.ancestry.compare import compare, sample
from hubslice.artefacts.lineage import Comparison
from hubslice.hub.tensors import open_file
from tests.ancestry.small import Arrays, nameless, rewired, tuned, weights, write

PARENT = weights(0)


def int8(arrays: Arrays) -> Arrays:
    scaled = {
        name: w / np.abs(w).reshape(len(w), -1).max(1).reshape(-1, *[1] * (w.ndim - 1)) for name, w in arrays.items()
    }
    return {name: np.round(127 * w).astype(np.int8) for name, w in scaled.items()}


def sliced(arrays: Arrays, share: float) -> Arrays:
    return {
        name: np.where(np.random.default_rng(1).random(w.shape) < share, 0, w).astype(np.float32)
        for name, w in arrays.items()
    }


CHILDREN: dict[str, Callable[[], Arrays]] = {
    "tuned": lambda: tuned(PARENT, 1),
    "tuned much": lambda: tuned(PARENT, 1, change=1.5),
    "half": lambda: {name: w.astype(np.float16) for name, w in tuned(PARENT, 1).items()},
    "int8": lambda: int8(tuned(PARENT, 1)),
    "a tenth left": lambda: sliced(tuned(PARENT, 1), 0.9),
    "bf16": lambda: tuned(PARENT, 1),
    "F8_E4M3": lambda: tuned(PARENT, 1),
    "F8_E5M2": lambda: tuned(PARENT, 1),
    "thinned": lambda: rewired(tuned(PARENT, 1), 2, 0.6),
    "permuted": lambda: rewired(tuned(PARENT, 1), 2, 1),
}


# Forms that NumPy has no numbers for.
ROUNDED = {"bf16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2}


def judged(place: Path, child: Arrays, candidate: Arrays, form: str = "") -> Comparison:
    mine, theirs = write(place / "mine", nameless(child, 3)), write(place / "theirs", nameless(candidate, 4))
    if form in ROUNDED:
        rounded = {name: torch.from_numpy(w).to(ROUNDED[form]) for name, w in nameless(child, 3).items()}
        save_file(rounded, mine / "model.safetensors")
    return compare(sample(open_file(mine / "model.safetensors")), open_file(theirs / "model.safetensors"))


@pytest.mark.parametrize("form", CHILDREN)
def test_children_are_told_from_strangers(tmp_path: Path, form: str) -> None:
    child = CHILDREN[form]()
    found = judged(tmp_path, child, PARENT, form)
    assert (found.verdict, found.score is not None and found.score > (found.threshold or 1)) == ("descendant", True)
    for seed in (8, 9):
        stranger = judged(tmp_path, child, weights(seed), form)
        assert stranger.verdict != "descendant"


def test_layers_are_named_with_their_partners(tmp_path: Path) -> None:
    found = judged(tmp_path, tuned(PARENT, 1), PARENT)
    shapes = {(layer.shape, layer.aligned) for layer in found.layers}
    assert shapes == {((24, 3, 5, 5), False), ((24, 24, 3, 3), False), ((32, 24, 3, 3), False), ((40, 32, 3, 3), False)}
    assert found.compared > 0.9
    assert all(layer.correlation == pytest.approx(1 / np.sqrt(1.09), abs=0.03) for layer in found.layers)


def test_nothing_in_common(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    found = judged(tmp_path, PARENT, {"m": rng.normal(size=(50, 60)).astype(np.float32)})
    assert (found.verdict, found.score, found.threshold, found.layers) == ("not comparable", None, None, ())


def test_a_table_from_a_formula_is_no_lineage(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :32]
    table = np.sin(rows / 10 ** (columns / 8)).astype(np.float32)
    found = judged(tmp_path, weights(1) | {"places": table}, weights(2) | {"places": table})
    assert max(layer.correlation for layer in found.layers) > 0.99
    assert found.verdict == "unrelated"


def test_verdicts_do_not_depend_on_luck(tmp_path: Path) -> None:
    first, second = (judged(tmp_path, tuned(PARENT, 1), PARENT) for _ in range(2))
    assert first.model_copy(update={"seconds": 0}) == second.model_copy(update={"seconds": 0})
