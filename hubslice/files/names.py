"""The names of the files that make up a model and a published student."""

from __future__ import annotations

from typing import Final

CARD: Final = "README.md"
RECIPE: Final = "recipe.yaml"
REPORT: Final = "report.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
DELTA: Final = "delta.safetensors"  # in place of the weights: their difference to the teacher's
SIGNATURE: Final = "model.sig"  # over the published files, in the OMS format
RESULTS: Final = ".eval_results/hubslice.yaml"  # the accuracy, for the leaderboard of a benchmark of the Hub
SLICE: Final = "slice.safetensors"
SEARCH: Final = "search.json"  # how a slice was searched for; under evidence/ of a student
SHAPES: Final = "shapes.json"  # of a compact model: where its widths differ from its architecture's
