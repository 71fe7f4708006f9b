"""Find which models a model comes from, by its weights alone or by an index of fingerprints."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from pathlib import Path

from hubslice.ancestry.candidates import each, expand
from hubslice.ancestry.compare import Sampled, compare, sample
from hubslice.ancestry.copies import copied
from hubslice.ancestry.fingerprint import Fingerprint, search
from hubslice.ancestry.index import load_index
from hubslice.ancestry.layers import layers_of, told_unread
from hubslice.ancestry.opening import is_file, open_model
from hubslice.ancestry.verdict import decide, ranked
from hubslice.artefacts.lineage import Comparison, Lineage
from hubslice.core.artefact import write_atomically
from hubslice.core.errors import InputError, LineageError
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.files.names import WEIGHTS
from hubslice.files.tensor_parts import Tensors
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.verbs.lineage.params import LineageParams

FACTS, TABLE, PLOT = "lineage.json", "layers.csv", "layers.png"
OURS = {FACTS, TABLE, PLOT}
TOLD = 10  # models of an index
_ITSELF = "is the model itself"


def lineage(params: LineageParams, reporter: Reporter) -> Lineage:
    """Compare a model with candidates, or with those of an index."""
    started = time.perf_counter()
    model, index, out = as_text(params.model), as_path(params.index), as_path(params.out)
    candidates = [as_text(each) for each in params.candidates]
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


def _beside(mine: Sampled, model: str, name: str) -> Comparison:
    theirs = open_model(name)
    if _itself(mine.tensors, model, theirs.commit, theirs.name):
        raise LineageError(f"{name} {_ITSELF}", hint="name models that it could come from")
    found = compare(mine, theirs)
    identical = copied(mine, theirs, found.layers)
    unread = None if layers_of(theirs) else told_unread(theirs)
    return found.model_copy(update={"identical": identical, "unread": unread, "bytes_read": theirs.bytes_read})


def _unknown(mine: Sampled, compared: Sequence[Comparison]) -> str | None:
    """Return why no comparison allows a verdict; candidates without a layer report their own reason."""
    if any(each.verdict != "not comparable" for each in compared):
        return None
    if not mine.layers:
        return told_unread(mine.tensors)
    why = [each.unread for each in compared if each.unread is not None]
    if compared and len(why) == len(compared):
        return why[0] if len(why) == 1 else f"{why[0]}; the others cannot be read either"
    return "too few of its weights lie in layers of a shape that a candidate has, too"


def _itself(mine: Tensors, model: str, commit: str | None, name: str) -> bool:
    """Return whether both names mean the same files: one commit of a repository, or the same local path."""
    if mine.commit is not None and commit is not None:
        return mine.commit == commit and mine.name.partition("@")[0] == name.partition("@")[0]
    return mine.commit is commit is None and (place := _place(model)) is not None and place == _place(name)


def _place(name: str) -> Path | None:
    """Return where the weights are; None if the model is not local, as for an entry of an index."""
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
        decision = decide(entry.layers, entry.compared)
        compared.append(
            Comparison(
                candidate=entry.model,
                verdict=decision.verdict,
                score=None if decision.score is None else round(decision.score, 4),
                threshold=None if decision.threshold is None else round(decision.threshold, 4),
                compared=round(entry.compared, 4),
                layers=entry.layers,
                bytes_read=0,
                bytes_whole=entry.size,
                seconds=seconds,
            )
        )
    return compared


def _write(found: Lineage, folder: Path) -> None:
    """Write facts, a table of the layers and a plot as a folder, atomically."""
    from hubslice.card.plot_lineage import plot_lineage

    with whole_folder(folder) as draft:
        found.save(draft / FACTS)
        write_atomically(draft / TABLE, _table(found))
        plot_lineage(found, draft / PLOT)


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
