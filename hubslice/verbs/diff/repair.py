"""Train a model further where it deviates from another, and measure the effect on held-out seeds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.repair import Accuracy, Repair, Standing
from hubslice.core.errors import DiffError, InputError
from hubslice.core.numbers import number
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.deviation.deviations import facts_of, search_seeds
from hubslice.deviation.evidence import Seeds
from hubslice.files.names import SHAPES, WEIGHTS
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.recipe.deviation import RepairParams, SearchParams
from hubslice.verbs.diff.labelled import labelled

if TYPE_CHECKING:
    from hubslice.artefacts.deviation import ComparedModel
    from hubslice.deviation.evidence import Outcomes
    from hubslice.deviation.finished import Finished
    from hubslice.deviation.image.predictors import ImagePredictor
    from hubslice.deviation.predictor import Pair
    from hubslice.modality.modality import Encoded
    from hubslice.models.base import Model

FACTS = "repair.json"
OTHERWISE = {  # alternatives to an unsuitable graph, by its form
    "int8": "int8 with more images (--samples), or --dynamic",
    "fp16": "onnx",
    "onnx": "fp16",
}
OURS = {"config.json", "preprocessor_config.json", SHAPES, WEIGHTS, FACTS}


@dataclass(frozen=True)
class Wanted:
    """A requested repair: its parameters, and the folder for the repaired model."""

    params: RepairParams
    folder: Path


@dataclass(frozen=True)
class Searched:
    """A finished search: its models, its seeds, and their outcomes."""

    names: tuple[str, str]
    pair: Pair[ImagePredictor]
    models: tuple[ComparedModel, ComparedModel]
    seeds: Seeds
    search: SearchParams
    outcomes: Outcomes
    device: str

    def of(self, rows: np.ndarray) -> Searched:
        """Return the search restricted to some seeds."""
        names = tuple(self.seeds.names[row] for row in rows)
        seeds = Seeds(self.seeds.source, names, [self.seeds.inputs[row] for row in rows])
        outcomes = {at: self.outcomes[int(row)] for at, row in enumerate(rows)}
        return replace(self, seeds=seeds, outcomes=outcomes)

    @property
    def standing(self) -> Standing:
        """The results as numbers."""
        facts = facts_of(self.pair, self.models, self.seeds, self.search, self.outcomes, self.device)
        return Standing(found=facts.found, median_queries=facts.median_queries, disagreed=facts.disagreed)


def open_student(
    a: str, b: str, inputs: str, folder: Path, results: Path, input_size: int | None, reporter: Reporter
) -> Model:
    """Open the model to repair, `b`; obstacles are reported before anything is searched.

    Raises:
        DiffError: `b` is a graph, or not an image model.
        InputError: the repaired model would replace something else.
        ModelError: `b` cannot be used. FetchError: it cannot be fetched from the Hub.
    """
    from hubslice.models.opening import OpenedGraph, open_model

    check_free(folder, OURS)
    refs = [parse_ref(text, Path.cwd()) for text in (a, b)]
    taken = [ref.path.resolve() for ref in refs if isinstance(ref, LocalRef)]
    if folder.resolve() in taken or results.resolve().is_relative_to(folder.resolve()):
        other = "one of the two models" if folder.resolve() in taken else f"the search's results, {results},"
        raise InputError(f"the repaired model in {folder} would replace {other}", hint="give --repair another folder")
    opened = open_model(b, input_size=input_size, reporter=reporter, ref=refs[1])
    if isinstance(opened, OpenedGraph):
        raise _is_a_graph(a, b, inputs, folder)
    model = opened.model
    if model.preprocessing is None:
        raise DiffError(f"{b} takes no images; --repair is for image models so far", hint="leave --repair out")
    model.poisoned = model.poisoned or opened.fetched.poisoned
    return model


def _is_a_graph(a: str, b: str, inputs: str, folder: Path) -> DiffError:
    """Return the error for a graph; names the model it was made from if that contains it, as after `convert`."""
    home = next((place for place in list(Path(b).parents)[:2] if _holds_a_model(place)), None)
    form = name if (name := Path(b).parent.name) in OTHERWISE else "onnx"
    why = f"{b} is an ONNX graph, whose weights cannot be trained"
    if home is not None and home.resolve() == Path(a).resolve():
        return DiffError(
            f"{why}, and {a}, of which it was made, has nothing to learn from its own answers",
            hint=f"convert {a} in another way: hubslice convert {a} --to {OTHERWISE[form]}",
        )
    return DiffError(
        f"{why}; what can be repaired is the model that it was made from",
        hint=f"repair {home or 'that model'} and convert it again: hubslice diff {a} {home or 'MODEL'} "
        f"--inputs {inputs} --repair {folder}, then hubslice convert {folder} --to {form}",
    )


def _holds_a_model(folder: Path) -> bool:
    try:
        ref = parse_ref(str(folder), Path.cwd())
    except InputError:
        return False
    return isinstance(ref, LocalRef) and ref.kind in ("run", "folder")


def check_labels(pair: Pair[ImagePredictor]) -> None:
    """Check that the first model's outputs determine a target for every class of the second.

    Raises:
        DiffError: they do not.
    """
    places, labels = pair.shared.b, pair.b.labels
    if np.array_equal(np.sort(places), np.arange(len(pair.shared.labels))):
        return
    if (places < 0).any():
        told = f"'{labels[int((places < 0).argmax())]}' of {pair.b.name} stands for no label of {pair.a.name}"
    else:
        twice = next(at for at in range(len(places)) if (places == places[at]).sum() > 1)
        same = [labels[at] for at in np.flatnonzero(places == places[twice])[:2]]
        told = f"'{same[0]}' and '{same[1]}' of {pair.b.name} stand for one label of {pair.a.name}"
    raise DiffError(
        f"{told}: its answers do not say what {pair.b.name} should give",
        hint="to repair, map every label of the second model to one of the first, and no two to the same",
    )


def repair(
    model: Model,
    done: Searched,
    wanted: Wanted,
    reopen: Callable[[Path], tuple[Pair[ImagePredictor], tuple[ComparedModel, ComparedModel]]],
    finished: Callable[[ComparedModel], Finished],
    lanes: int,
    reporter: Reporter,
) -> Repair:
    """Train `model`, the second one of a search that found triggers, search again, and write it with the results.

    `reopen` opens the pair with the repaired model in the given folder; all numbers are for that saved model.
    `finished` stores the progress of the new search.

    Raises:
        DiffError: there are too few triggers, or training ended in values that are not finite.
        HubsliceError: what the search raises; nothing is written then.
    """
    from hubslice.verbs.diff.division import fingerprint

    started = time.perf_counter()
    train, held = _divided(done, wanted.params)
    loss, zeros = _train(model, train, wanted.params, reporter)
    with whole_folder(wanted.folder) as draft:
        model.save(draft)
        pair, models = reopen(draft)
        outcomes, trouble = search_seeds(pair, held.seeds, done.search, lanes, finished(models[1]), reporter)
        if trouble is not None:
            raise trouble
        after = replace(held, pair=pair, models=models, outcomes=outcomes)
        accuracy, unmeasured = _accuracy(done, pair, {fingerprint(seed) for seed in train.seeds.inputs}, reporter)
        found = Repair(
            a=done.models[0].model,
            b=done.models[1].model,
            search=done.search,
            params=wanted.params,
            triggers=len(_triggers(train)),
            seeds=len(train.seeds.names),
            zeros=zeros,
            loss=tuple(round(value, 6) for value in loss),
            gone=_gone(pair, held),
            learned=_gone(pair, train),
            before=held.standing,
            after=after.standing,
            accuracy=accuracy,
            unmeasured=unmeasured,
            held_out=held.seeds.names,
            fingerprint=models[1].fingerprint,
            seconds=round(time.perf_counter() - started, 2),
            folder=str(wanted.folder),
        )
        found.save(draft / FACTS)
    return found


def _divided(done: Searched, params: RepairParams) -> tuple[Searched, Searched]:
    """Return the seeds to train on and those held out, each with its outcomes."""
    from hubslice.verbs.diff.division import to_train_on

    triggered = [done.outcomes[at][0].state == "found" for at in range(len(done.seeds.names))]
    chosen = to_train_on(list(done.seeds.inputs), triggered, params.share, params.seed)
    train, held = done.of(np.flatnonzero(chosen)), done.of(np.flatnonzero(~chosen))
    if not _triggers(train) or not _triggers(held):
        count = sum(triggered)
        raise DiffError(
            f"{count} of {len(triggered)} seeds {'has a trigger' if count == 1 else 'have triggers'}: too few to train "
            "on some and hold others out",
            hint="give more seeds (--inputs, --limit), a larger --budget or looser bounds; what was searched is kept",
        )
    return train, held


def _triggers(searched: Searched) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return triggers uint8 [C, H, W], each with the first model's answer."""
    outcomes = [searched.outcomes[at][0] for at in range(len(searched.seeds.names))]
    return [(found.trigger, found.answers.a) for found in outcomes if found.trigger is not None and found.answers]


def _train(model: Model, part: Searched, params: RepairParams, reporter: Reporter) -> tuple[tuple[float, ...], int]:
    """Return the loss in every epoch and how many weights were held at zero."""
    import torch

    from hubslice.artefacts.slice import Slice
    from hubslice.modality.image.images import PIXELS
    from hubslice.slicing.compaction import zeros
    from hubslice.training.distil import distil

    triggers = _triggers(part)
    images = np.concatenate([np.stack([image for image, _ in triggers]), np.stack(list(part.seeds.inputs))])
    plain = [part.outcomes[at][0].seed_answers.a for at in range(len(part.seeds.names))]
    answers = np.stack([*(answer for _, answer in triggers), *plain])[:, part.pair.shared.b]

    def encoded(rows: np.ndarray) -> Encoded:
        return {PIXELS: torch.from_numpy(part.pair.b.pixels(images[rows]))}

    none = zeros(model)
    held = Slice({name: mask for name, mask in none.masks.items() if not mask.all()}, none.method)
    loss = distil(
        model,
        encoded,
        torch.from_numpy(answers).float(),
        params,
        held=held,
        device=torch.device(part.device),
        reporter=reporter,
    )
    if not math.isfinite(loss[-1]) or not all(bool(weight.isfinite().all()) for weight in model.module.parameters()):
        raise DiffError(
            f"training with --repair-lr {number(params.lr)} ended in values that are not finite; nothing was written",
            hint="give a smaller one, 3e-4 or 1e-4; what was searched is kept",
        )
    return loss, held.weights - held.kept


def _gone(pair: Pair[ImagePredictor], searched: Searched) -> Rate:
    """Count triggers on which both models now agree, evaluated alone as when they were counted."""
    triggers = _triggers(searched)
    answers = replace(pair, chunk=1).ask(np.stack([image for image, _ in triggers]))
    return Rate(hits=sum(not answer.differ for answer in answers), total=len(answers))


def _accuracy(
    done: Searched, repaired: Pair[ImagePredictor], trained: set[str], reporter: Reporter
) -> tuple[Accuracy | None, str | None]:
    """Return the accuracy on labelled images, or why it is unknown."""
    found = labelled(done.names, done.seeds.source, done.pair, trained, done.search.seed, reporter)
    if isinstance(found, str):
        return None, found
    before, after = (np.array([answer.labels for answer in pair.ask(found.images)]) for pair in (done.pair, repaired))
    rates: Mapping[str, Rate] = {
        name: Rate(hits=int((answers == found.places).sum()), total=len(found.places))
        for name, answers in (("a", before[:, 0]), ("before", before[:, 1]), ("after", after[:, 1]))
    }
    return Accuracy(source=found.source, **rates), None
