"""An index of a thousand: the parents of all families among networks of random weights."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file

from hubslice.ancestry.compare import sample
from hubslice.ancestry.fingerprint import Fingerprint, fingerprint, search
from hubslice.ancestry.index import load_index, save_index
from hubslice.ancestry.verdict import decide
from hubslice.artefacts.lineage import Verdict
from hubslice.core.artefact import Artefact
from hubslice.hub.tensors import open_file
from hubslice.models.from_architecture import create_model
from hubslice.recipe.schema import TeacherParams

from ..machine import Machine
from .families import PARENT, models_of
from .scale import Scale, is_test

MOST = 10  # models that a search tells of


class Query(Artefact):
    """A model searched for: the verdict on its own parent, how many others were taken for relatives, and the time.

    `without` counts those in the index without its parent, where every one is a mistake.
    """

    kind: str
    seed: int
    form: str
    own: Verdict | None
    first: bool
    mistaken: int
    without: int
    seconds: float


class Searched(Artefact):
    """All queries; `loading` seconds to read the index, `real` of its candidates are trained networks."""

    candidates: int
    real: int
    bytes: int
    making: float
    loading: float
    queries: tuple[Query, ...]
    machine: str


def searched(scale: Scale) -> Searched:
    """Make the index and search it for every model of the families that are put to the test."""
    parents = {(kind.name, seed): models_of(scale, kind, seed)[PARENT] for kind, seed in scale.families}
    started = time.perf_counter()
    prints = [fingerprint(sample(open_file(path))) for path in parents.values()]
    prints += list(_random(scale, scale.candidates - len(prints)))
    making = time.perf_counter() - started
    path = scale.runs / "index.safetensors"
    save_index(path, prints)
    started = time.perf_counter()
    held = load_index(path)
    loading = time.perf_counter() - started
    queries = []
    for kind, seed in scale.families:
        name = str(parents[kind.name, seed])
        for form, model in models_of(scale, kind, seed).items() if is_test(seed) else ():
            queries.append(_query(kind.name, seed, form, model, name, held))
    return Searched(
        candidates=len(held),
        real=len(parents),
        bytes=path.stat().st_size,
        making=round(making, 2),
        loading=round(loading, 3),
        queries=tuple(queries),
        machine=Machine.here(torch.get_num_threads()).line,
    )


def _query(kind: str, seed: int, form: str, path: Path, parent: str, held: list[Fingerprint]) -> Query:
    mine = sample(open_file(path))
    started = time.perf_counter()
    found = search(mine, held, MOST)
    seconds = time.perf_counter() - started
    related = [each.model for each in found if decide(each.layers, each.compared).verdict == "descendant"]
    own = next((each for each in found if each.model == parent), None)
    others = [each for each in held if each.model != parent]
    without = search(mine, others, MOST)
    return Query(
        kind=kind,
        seed=seed,
        form=form,
        own=None if own is None else decide(own.layers, own.compared).verdict,
        first=bool(related) and related[0] == parent,
        mistaken=sum(name != parent for name in related),
        without=sum(decide(each.layers, each.compared).verdict == "descendant" for each in without),
        seconds=round(seconds, 4),
    )


def _random(scale: Scale, count: int) -> Iterator[Fingerprint]:
    """Networks of the families' architectures that nobody trained."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        for number in range(count):
            kind = scale.kinds[number % len(scale.kinds)]
            params = TeacherParams.model_validate_json(json.dumps(kind.teacher))
            model = create_model(params, 10_000 + number)
            state = {name: tensor.contiguous() for name, tensor in model.module.state_dict().items() if tensor.ndim}
            save_file(state, path)
            found = fingerprint(sample(open_file(path)))
            yield Fingerprint(f"random {number}", None, found.size, found.layers, found.stem)
