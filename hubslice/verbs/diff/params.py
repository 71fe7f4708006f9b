"""Parameters of `diff`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from fractions import Fraction
from typing import Annotated

from hubslice.core.errors import DiffError
from hubslice.core.parameters import Argument, Option, Params, of_section
from hubslice.core.paths import AnyPath
from hubslice.core.shared_parameters import Device
from hubslice.recipe.deviation import Fitness, Method, Operators, RepairParams, SearchParams

_SEARCH = SearchParams.model_construct()


def _share(text: str) -> float:
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError) as error:
        raise DiffError(f"'{text}' is no size of a change", hint="give --max-linf 16/255, or 0.06") from error


@dataclass(frozen=True)
class DiffParams(Params):
    """The models, the inputs, and the settings of search and repair."""

    a: Annotated[AnyPath, Argument("A Hub id, a run, a model folder, or an ONNX file.", "A")]
    b: Annotated[AnyPath, Argument("The model to compare with, with the same labels.", "B")]
    inputs: Annotated[
        AnyPath,
        Option(
            "Seeds: an image, a folder of images, .parquet, .npy of pixels, or a data set's Hub id; for texts "
            ".txt with one a line, .csv, .tsv, .jsonl.",
            "FILE|FOLDER|DATASET",
            short="-i",
        ),
    ]
    _: KW_ONLY
    budget: Annotated[int, of_section(SearchParams, "budget", "QUERIES")] = _SEARCH.budget
    max_linf: Annotated[float | None, of_section(SearchParams, "max_linf", "SHARE|16/255", read=_share)] = None
    min_ssim: Annotated[float | None, of_section(SearchParams, "min_ssim", "S")] = None
    max_edits: Annotated[int | None, of_section(SearchParams, "max_edits", "N")] = None
    min_gap: Annotated[float, of_section(SearchParams, "min_gap", "P")] = _SEARCH.min_gap
    minimise: Annotated[bool, of_section(SearchParams, "minimise")] = _SEARCH.minimise
    method: Annotated[Method, of_section(SearchParams, "method")] = _SEARCH.method
    fitness: Annotated[Fitness, of_section(SearchParams, "fitness")] = _SEARCH.fitness
    novelty: Annotated[bool, of_section(SearchParams, "novelty")] = _SEARCH.novelty
    patience: Annotated[int, of_section(SearchParams, "patience", "N")] = _SEARCH.patience
    operators: Annotated[Operators, of_section(SearchParams, "operators")] = _SEARCH.operators
    limit: Annotated[int, Option("Maximum number of seeds, sampled at random.", "N", min=1)] = 200
    seed: Annotated[int, Option("Random seed for sampling and for all mutants.", min=0)] = _SEARCH.seed
    batch: Annotated[int, Option("Number of seeds searched at a time.", "N", min=1, max=4096)] = 64
    label_map: Annotated[
        Mapping[str, str] | AnyPath | None,
        Option(
            "If labels differ: a JSON file {label of B: label of A}, common (labels both have), or "
            "order (n-th to n-th).",
            "FILE|common|order",
            flag="--map",
        ),
    ] = None
    resize: Annotated[bool, Option("Scale A's images to B's input size.")] = False
    input_size: Annotated[int | None, Option("Side of both models' input.", "PIXELS", min=8, max=4096)] = None
    column: Annotated[str | None, Option("Column of the texts in a table; default: text, or sentence.", "NAME")] = None
    out: Annotated[AnyPath | None, Option("Folder to write; default: A-B-diff here.", "DIR", short="-o", path=True)] = (
        None
    )
    repair: Annotated[
        AnyPath | None,
        Option("Train B on part of the triggers with A's predictions, and write the model there.", "DIR", path=True),
    ] = None
    repair_share: Annotated[float | None, of_section(RepairParams, "share", "S", default=True)] = None
    repair_epochs: Annotated[int | None, of_section(RepairParams, "epochs", "N", default=True)] = None
    repair_lr: Annotated[float | None, of_section(RepairParams, "lr", "RATE", default=True)] = None
    device: Device = "auto"
