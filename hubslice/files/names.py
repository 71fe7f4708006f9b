"""File names of models and of published students."""

from __future__ import annotations

from typing import Final

CARD: Final = "README.md"
RECIPE: Final = "recipe.yaml"
REPORT: Final = "report.json"
WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
DELTA: Final = "delta.safetensors"  # replaces the weights: their difference to the teacher's
SIGNATURE: Final = "model.sig"  # of the published files, in the OMS format
RESULTS: Final = ".eval_results/hubslice.yaml"  # the accuracy, for the leaderboard of a benchmark on the Hub
SLICE: Final = "slice.safetensors"
SEARCH: Final = "search.json"  # how a slice was searched for; in a student's evidence/ folder
SHAPES: Final = "shapes.json"  # of a compact model: where its widths differ from its architecture's
