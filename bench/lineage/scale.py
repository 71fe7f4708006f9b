"""How large the experiment is: the committed one, and a tiny one that only shows that everything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Kind:
    """An architecture that families have."""

    name: str
    title: str
    teacher: Mapping[str, Any]  # of a recipe, with random weights


@dataclass(frozen=True)
class Scale:
    """Where runs and outcomes lie, how many families of each kind there are, and how long they are trained.

    Of the seeds the even ones set the thresholds, the odd ones are the test.
    """

    runs: Path
    outcomes: Path
    kinds: tuple[Kind, ...]
    seeds: int
    images: int | None  # of each split; None: all
    epochs: int  # of a parent; its children are trained half as long
    search_batch: int  # of SeaM's search in families; of the demo's, twice as many
    candidates: int  # in the index
    demo_seeds: int
    demo_size: int
    demo_epochs: int
    small_demo: bool = False  # with a parent of the first kind in place of EfficientNet-Lite0

    @property
    def families(self) -> list[tuple[Kind, int]]:
        """All of them, seed by seed, so that a few are of every kind."""
        return [(kind, seed) for seed in range(self.seeds) for kind in self.kinds]


def is_test(seed: int) -> bool:
    """Whether a family is put to the test; the others set thresholds."""
    return seed % 2 == 1


KINDS = (
    Kind(
        "vgg",
        "VGG of 6 layers",
        {
            "model": "hubslice_vgg",
            "arguments": {"widths": [24, 48, 96], "depths": [1, 2, 2]},
            "weights": "random",
            "input_size": 32,
        },
    ),
    Kind(
        "resnet",
        "ResNet of 20 layers",
        {
            "model": "transformers:resnet",
            "arguments": {
                "layer_type": "basic",
                "depths": [3, 3, 3],
                "embedding_size": 16,
                "hidden_sizes": [16, 32, 64],
            },
            "weights": "random",
            "input_size": 64,
        },
    ),
    Kind(
        "efficientnet",
        "EfficientNet in small",
        {"model": "test_efficientnet", "weights": "random", "input_size": 64},
    ),
)
FULL = Scale(
    runs=ROOT / "runs" / "bench" / "lineage",
    outcomes=HERE / "outcomes",
    kinds=KINDS,
    seeds=8,
    images=None,
    epochs=12,
    search_batch=32,
    candidates=1000,
    demo_seeds=3,
    demo_size=96,
    demo_epochs=10,
)
TINY = Scale(
    runs=ROOT / "runs" / "bench" / "lineage-tiny",
    outcomes=ROOT / "runs" / "bench" / "lineage-tiny" / "outcomes",
    kinds=KINDS[:1],
    seeds=2,
    images=64,
    epochs=2,
    search_batch=8,
    candidates=20,
    demo_seeds=1,
    demo_size=32,
    demo_epochs=1,
    small_demo=True,
)
