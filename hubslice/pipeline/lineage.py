"""Which of these models does this one come from? By weights alone, or by an index of fingerprints."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from hubslice.ancestry.compare import Sampled, compare, sample
from hubslice.ancestry.copies import copied
from hubslice.ancestry.fingerprint import Fingerprint, search
from hubslice.ancestry.graph_weights import open_graph
from hubslice.ancestry.index import load_index
from hubslice.ancestry.layers import layers_of, told_unread
from hubslice.ancestry.verdict import judge, ranked
from hubslice.artefacts.base import write_atomically
from hubslice.artefacts.lineage import Comparison, Lineage
from hubslice.artefacts.names import INDEX, WEIGHTS
from hubslice.artefacts.tensor_parts import Tensors
from hubslice.errors import (
    ExportError,
    FetchError,
    HubError,
    HubsliceError,
    InputError,
    LineageError,
    ModelError,
    RunError,
)
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.hub.refusals import status, unanswered
from hubslice.hub.tensors import open_file, open_tensors
from hubslice.pipeline.publish import check_free, whole_folder
from hubslice.progress import Reporter

FACTS, TABLE, PICTURE = "lineage.json", "layers.csv", "layers.png"
OURS = {FACTS, TABLE, PICTURE}
TOLD = 10  # models of an index
_ITSELF = "is the model itself"
_PATIENCE = 3  # models in a row for which the Hub may fail
# What is wrong with one model, or with what the Hub has of it; what the machine lacks ends the work.
LEFT_OUT = (ExportError, ModelError, LineageError, RunError, HubError)

T = TypeVar("T")


def lineage(
    model: str, candidates: Sequence[str], *, index: Path | None, out: Path | None, reporter: Reporter
) -> Lineage:
    """Compare a model with candidates; see `hubslice.api.ancestry.lineage`."""
    started = time.perf_counter()
    if (index is None) == (not candidates):
        raise LineageError(
            "give either candidates or an index of them",
            hint="--candidates MODEL ..., or --index FILE as `hubslice lineage index` writes it",
        )
    if out is not None:
        check_free(out, OURS)
    names = expand(candidates)
    prints = load_index(index) if index is not None else []
    with reporter.track(f"Read {model}", None, ""):
        mine = sample(open_model(model))
    if index is None:
        compared, skipped = each(names, lambda name: _beside(mine, model, name), reporter)
    else:
        own = dict.fromkeys(e.model for e in prints if _itself(mine.tensors, model, e.commit, e.model))
        skipped = {name: f"{name} {_ITSELF}" for name in own}
        with reporter.track("Search", len(prints), "fingerprints"):
            compared = _search(mine, [entry for entry in prints if entry.model not in own])
    read = mine.tensors.bytes_read + sum(found.bytes_read for found in compared)
    found = Lineage(
        model=model,
        index=None if index is None else str(index),
        searched=len(prints) if index is not None else len(compared),
        candidates=tuple(ranked(compared)),
        skipped=skipped,
        unknown=_unknown(mine, compared),
        bytes_read=read,
        seconds=round(time.perf_counter() - started, 3),
    )
    if out is not None:
        _write(found, out)
    return found


def each(
    names: Sequence[str], work: Callable[[str], T], reporter: Reporter, *, label: str = "Compare", again: str = ""
) -> tuple[list[T], dict[str, str]]:
    """What `work` makes of each model, and why some were left out: broken ones, and what the Hub does not give.

    `again` is for work that can go on later, and says how: it does not end well while the Hub was out of reach.

    Raises:
        HubError: the Hub was out of reach for several models in a row, or with `again` for any.
        HubsliceError: nothing came of any model; the first one's error.
    """
    found: list[T] = []
    skipped: dict[str, str] = {}
    errors: list[InputError | HubError] = []
    down: list[HubError] = []
    row = 0
    with reporter.track(label, len(names), "models") as bar:
        for name in names:
            try:
                found.append(work(name))
                row = 0
            except LEFT_OUT as error:
                errors.append(error)
                skipped[name] = error.headline
                if isinstance(error, HubError) and _out_of_reach(error):
                    down.append(error)
                    row += 1
                else:
                    row = 0
            if row == _PATIENCE:
                raise FetchError(
                    f"the Hub failed for {row} models in a row, the last time so: {down[-1].headline}",
                    hint=again or down[-1].hint,
                )
            bar.advance(1, name)
    if errors and not found:
        raise errors[0]
    if again and down:
        raise FetchError(
            f"the Hub failed for {len(down)} of {len(names)} models, the first time so: {down[0].headline}",
            hint=f"{again}; or leave those models out",
        )
    return found, skipped


def _out_of_reach(error: BaseException) -> bool:
    """Whether the Hub itself was in trouble, so that the next model would fare no better."""
    while isinstance(error, HubsliceError) and error.__cause__ is not None:
        error = error.__cause__
    return unanswered(error) or status(error) == 429


def open_model(name: str) -> Tensors:
    """The tensors of a Hub id, a folder, a run, a safetensors file, or an ONNX file.

    Raises:
        InputError: it is none of these.
        FetchError: the Hub does not give it.
        ModelError: its weights are missing or damaged.
    """
    if is_file(name):
        return open_file(Path(name).expanduser())
    ref = parse_ref(name, Path.cwd())
    if isinstance(ref, LocalRef) and ref.kind == "onnx":
        return open_graph(ref.path, name)
    found = open_tensors(ref)
    if isinstance(ref, LocalRef):
        found.name = name  # as the user calls it, which tells others less of this machine
    return found


def expand(names: Iterable[str]) -> list[str]:
    """The models that are named: a folder of models stands for all models and safetensors files in it.

    Raises:
        InputError: a folder holds none, or a name is neither a place nor a Hub id.
    """
    found: list[str] = []
    for name in names:
        path = Path(name).expanduser()
        if not path.is_dir() or _is_model(path):
            if not is_file(name):
                parse_ref(name, Path.cwd())
            found.append(name)
            continue
        inside = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        models = [str(entry) for entry in inside if _is_model(entry) or entry.suffix == ".safetensors"]
        if not models:
            raise InputError(f"{path} holds no models", hint="name a model, or a folder whose folders are models")
        found += models
    return list(dict.fromkeys(found))


def is_file(name: str) -> bool:
    """Whether a safetensors file is named."""
    path = Path(name).expanduser()
    return path.suffix == ".safetensors" and path.is_file()


def _is_model(path: Path) -> bool:
    return (path / "student").is_dir() or any((path / name).is_file() for name in ("config.json", WEIGHTS, INDEX))


def _beside(mine: Sampled, model: str, name: str) -> Comparison:
    theirs = open_model(name)
    if _itself(mine.tensors, model, theirs.commit, theirs.name):
        raise LineageError(f"{name} {_ITSELF}", hint="name models that it could come from")
    found = compare(mine, theirs)
    identical = copied(mine, theirs, found.layers)
    unread = None if layers_of(theirs) else told_unread(theirs)
    return found.model_copy(update={"identical": identical, "unread": unread, "bytes_read": theirs.bytes_read})


def _unknown(mine: Sampled, compared: Sequence[Comparison]) -> str | None:
    """Why there is no comparison to judge by, if there is none; candidates without a layer are told by each."""
    if any(each.verdict != "not comparable" for each in compared):
        return None
    if not mine.layers:
        return told_unread(mine.tensors)
    why = [each.unread for each in compared if each.unread is not None]
    if compared and len(why) == len(compared):
        return why[0] if len(why) == 1 else f"{why[0]}; the others cannot be read either"
    return "too few of its weights lie in layers of a shape that a candidate has, too"


def _itself(mine: Tensors, model: str, commit: str | None, name: str) -> bool:
    """Whether both names mean the same files: of one commit of a repository, or in one place on this machine."""
    if mine.commit is not None and commit is not None:
        return mine.commit == commit and mine.name.partition("@")[0] == name.partition("@")[0]
    return mine.commit is commit is None and (place := _place(model)) is not None and place == _place(name)


def _place(name: str) -> Path | None:
    """Where the weights lie; None where there is no such model on this machine, as an index may name."""
    if is_file(name):
        return Path(name).expanduser().resolve()
    try:
        ref = parse_ref(name, Path.cwd())
    except InputError:
        return None
    if not isinstance(ref, LocalRef):
        return None
    folder = ref.path / "student" if ref.kind == "run" else ref.path
    weights = folder / WEIGHTS
    return (weights if weights.is_file() else folder).resolve()


def _search(mine: Sampled, prints: Sequence[Fingerprint]) -> list[Comparison]:
    started = time.perf_counter()
    found = search(mine, prints, TOLD)
    seconds = round((time.perf_counter() - started) / max(len(prints), 1), 6)
    compared = []
    for entry in found:
        judged = judge(entry.layers, entry.compared)
        compared.append(
            Comparison(
                candidate=entry.model,
                verdict=judged.verdict,
                score=None if judged.score is None else round(judged.score, 4),
                threshold=None if judged.threshold is None else round(judged.threshold, 4),
                compared=round(entry.compared, 4),
                layers=entry.layers,
                bytes_read=0,
                bytes_whole=entry.size,
                seconds=seconds,
            )
        )
    return compared


def _write(found: Lineage, folder: Path) -> None:
    """Facts, a table of the layers and their picture, as a folder, whole or not at all."""
    from hubslice.card.plot_lineage import plot_lineage

    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        write_atomically(draft / TABLE, _table(found))
        plot_lineage(found, draft / PICTURE)


def _table(found: Lineage) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("candidate", "layer", "candidate_layer", "shape", "correlation", "null", "positions", "aligned"))
    for other in found.candidates:
        for layer in other.layers:
            shape = "x".join(map(str, layer.shape))
            values = (layer.correlation, layer.null, layer.positions, layer.aligned)
            rows.writerow((other.candidate, layer.layer, layer.candidate, shape, *values))
    return text.getvalue()
