"""The parts of `diff` that depend on the kind of inputs: options, reading of seeds, and output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from hubslice.core.errors import DiffError
from hubslice.core.progress import Reporter
from hubslice.core.sampling import drawn
from hubslice.deviation.evidence import Places, Seeds
from hubslice.recipe.deviation import SearchParams

if TYPE_CHECKING:
    from hubslice.deviation.image.predictors import ImagePredictor
    from hubslice.deviation.predictor import Pair, Predictor
    from hubslice.deviation.text.predictors import TextPredictor


class Kind(ABC):
    """Inputs of one kind."""

    places: ClassVar[Places]
    bound: ClassVar[str]  # options that bound the change

    @abstractmethod
    def own(
        self, search: SearchParams, column: str | None, resize: bool, input_size: int | None
    ) -> dict[str, object | None]:
        """Return the values of the options for these inputs only, None for options that are not given."""

    @abstractmethod
    def seeds(
        self, inputs: str, column: str | None, pair: Pair[Predictor], limit: int, seed: int, reporter: Reporter
    ) -> tuple[Seeds, int]:
        """Return at most `limit` of the inputs, drawn, and how many of them a model truncates.

        Raises:
            DataError: they cannot be read.
        """


class OfImages(Kind):
    """Images: all are read before a model runs, so that a damaged one does not waste a search."""

    places = Places(Path("deviations.json"), Path("triggers.safetensors"), Path("gallery.png"))
    bound = "--max-linf or --min-ssim"

    def own(
        self, search: SearchParams, column: str | None, resize: bool, input_size: int | None
    ) -> dict[str, object | None]:
        return {
            "--max-linf": search.max_linf,
            "--min-ssim": search.min_ssim,
            "--resize": resize or None,
            "--input-size": input_size,
            "--method released": search.method == "released" or None,
        }

    def seeds(
        self, inputs: str, column: str | None, pair: Pair[Predictor], limit: int, seed: int, reporter: Reporter
    ) -> tuple[Seeds, int]:
        from hubslice.task.user_inputs import open_data

        given = open_data(inputs, cast("ImagePredictor", pair.a).preprocessing)
        rows = drawn(len(given), limit, seed)
        images = []
        with reporter.track("Read seeds", len(rows), "images") as bar:
            for row in rows:
                images.append(given.levels(int(row)))
                bar.advance()
        return Seeds(given.source, tuple(given.names[row] for row in rows), np.stack(images)), 0


class OfTexts(Kind):
    """Texts of a file, a table or a dataset."""

    places = Places(Path("deviations.json"), Path("triggers.jsonl"), Path("gallery.html"))
    bound = "--max-edits"

    def own(
        self, search: SearchParams, column: str | None, resize: bool, input_size: int | None
    ) -> dict[str, object | None]:
        return {"--max-edits": search.max_edits, "--column": column}

    def seeds(
        self, inputs: str, column: str | None, pair: Pair[Predictor], limit: int, seed: int, reporter: Reporter
    ) -> tuple[Seeds, int]:
        from hubslice.deviation.text.encoding import encode
        from hubslice.deviation.text.predictors import is_cut
        from hubslice.task.texts import open_texts

        given = open_texts(inputs, column)
        rows = drawn(len(given.texts), limit, seed)
        texts = [given.texts[row] for row in rows]
        seeds = Seeds(given.source, tuple(given.names[row] for row in rows), [encode(text) for text in texts])
        return seeds, sum(is_cut(cast("Pair[TextPredictor]", pair), text) for text in texts)


KINDS: dict[str, Kind] = {"images": OfImages(), "texts": OfTexts()}
OURS = {name for kind in KINDS.values() for name in kind.places.names}


def refuse_foreign(many: str, search: SearchParams, column: str | None, resize: bool, input_size: int | None) -> None:
    """Raise DiffError if an option is for another kind of inputs than the models take."""
    for other, kind in KINDS.items():
        for option, value in kind.own(search, column, resize, input_size).items() if other != many else ():
            if value is not None:
                raise DiffError(
                    f"{option} is for {other}, and the models take {many}",
                    hint=f"leave it out; how much {many} may change is bounded by {KINDS[many].bound}",
                )
