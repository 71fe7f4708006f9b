"""Fit a detector to clean images, and check whether inputs are like those that the model was made for."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.core.errors import DetectError
from hubslice.core.paths import as_path
from hubslice.core.progress import Reporter
from hubslice.core.sampling import drawn
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.engine.run_folder import undisturbed
from hubslice.hub.ref import LocalRef, check_data, parse_ref
from hubslice.recipe.problems import suggest
from hubslice.tracing.opened import BATCH, Prepared, open_traceable, short_name
from hubslice.verbs.detect.facts import Detection, DetectorFacts, Fitted, Verdict
from hubslice.verbs.detect.params import CheckParams, FitParams

if TYPE_CHECKING:
    from hubslice.task.user_inputs import UserInputs
    from hubslice.tracing.network import Arrays
    from hubslice.tracing.traceable import TraceableModel
    from hubslice.verbs.detect.detector import Detector

DETECTOR, FACTS = "detector.safetensors", "detector.json"
OURS = {DETECTOR, FACTS}
THETA = 0.0  # every predecessor counts: see bench/detection
NAMED = 40  # maximum rare predictions listed in a message


@dataclass(frozen=True)
class Chosen:
    """Selected samples of others, by row."""

    samples: Prepared
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, start: int, stop: int) -> Arrays:
        """Return samples `start` to `stop` of the selected ones."""
        parts = [self.samples.batch(int(row), int(row) + 1) for row in self.rows[start:stop]]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def detect_fit(params: FitParams, reporter: Reporter) -> Fitted:
    """Fit a detector and write it."""
    with undisturbed(Path(params.model)):
        return _fit(params, reporter)


def detect_check(params: CheckParams, reporter: Reporter) -> Detection:
    """Score inputs."""
    with undisturbed(Path(params.model)):
        return _check(params, reporter)


def _fit(params: FitParams, reporter: Reporter) -> Fitted:
    from hubslice.core.device import resolve_device
    from hubslice.task.user_inputs import open_data
    from hubslice.tracing.means import take_means
    from hubslice.tracing.selection import Selection
    from hubslice.verbs.detect.conformal import rank_for
    from hubslice.verbs.detect.detector import MARGIN, SLICE, Detector, held_out, learn
    from hubslice.verbs.detect.vectors import answers_of, tail, trace_each

    started = time.perf_counter()
    data, fpr, seed, input_size = os.fspath(params.data), params.fpr, params.seed, params.input_size
    if not 0 < fpr < 1:
        raise DetectError(f"a false positive rate of {fpr:g} is not between 0 and 1", hint="give one such as 0.05")
    ref = parse_ref(os.fspath(params.model), Path.cwd())
    folder = as_path(params.out) or Path(f"{short_name(ref)}-detector")
    check_free(folder, OURS)
    where = str(resolve_device(params.device))
    opened = open_traceable(ref, input_size, reporter)
    check_data(data, Path.cwd())
    given = open_data(data, opened.preprocessing)
    with reporter.track("Export and fold the model", None, ""):
        subject = opened.subject()
    chosen = _layers(subject, params.layers)
    network = tail(subject.network, list(chosen))
    rows = drawn(len(given), params.limit, seed)
    samples = Chosen(Prepared(subject, given), rows)
    with reporter.track("Ask the model", len(samples), "images") as bar:  # finds rare predictions before all slow work
        answers = answers_of(network, samples, device=where, progress=bar.advance)
        enough = _enough(subject.labels, answers, params.skip_rare)[0]
        rank_for(int(held_out(answers[enough], seed).sum()), fpr)
    with reporter.track("Take means", len(samples), "images") as bar:

        def batches() -> Iterator[Arrays]:
            for start in range(0, len(samples), BATCH):
                stop = min(start + BATCH, len(samples))
                yield samples.batch(start, stop)
                bar.advance(stop - start)

        means = take_means(network, {0: batches()}, data=given.source, device=where)
    with reporter.track("Trace back", len(samples), "images") as bar:
        logits, vectors = trace_each(
            network,
            samples,
            means,
            Selection(theta=THETA),
            list(chosen),
            shape=params.shape,
            device=where,
            progress=bar.advance,
        )
    kept, counted, skipped = _enough(subject.labels, logits.argmax(axis=1), params.skip_rare)
    measured = (SLICE,) if params.slices_only else (SLICE, MARGIN)
    neighbours, clean, threshold = learn(vectors[kept], logits[kept], fpr, measured, seed)
    facts = DetectorFacts(
        model=os.path.relpath(ref.path, folder) if isinstance(ref, LocalRef) else str(ref),
        model_hash=subject.network.hash,
        architecture=subject.architecture,
        input_size=input_size,
        data=given.source,
        answers=counted,
        skipped=skipped,
        layers=tuple(chosen.values()),
        shape=params.shape,
        theta=THETA,
        measures=measured,
        held_out=len(clean[SLICE]),
        fpr=fpr,
        seed=seed,
    )
    with whole_folder(folder) as draft:
        Detector(neighbours, clean, threshold, means.tables, facts).save(draft / DETECTOR)
        facts.save(draft / FACTS)
    seconds = round(time.perf_counter() - started, 2)
    return Fitted(**facts.model_dump(), threshold=round(threshold, 4), seconds=seconds, folder=str(folder))


def _check(params: CheckParams, reporter: Reporter) -> Detection:
    from hubslice.core.device import resolve_device
    from hubslice.task.user_inputs import open_given
    from hubslice.tracing.means import Means
    from hubslice.tracing.selection import Selection
    from hubslice.verbs.detect.detector import Detector
    from hubslice.verbs.detect.vectors import tail, trace_each

    model, detector, where = os.fspath(params.model), as_path(params.detector), str(resolve_device(params.device))
    itself = detector is None and (Path(model) / DETECTOR).is_file()
    folder = Path(model) if itself else detector or Path(f"{short_name(parse_ref(model, Path.cwd()))}-detector")
    loaded = Detector.load(folder / DETECTOR)
    facts = loaded.facts
    ref = parse_ref(facts.model, folder.resolve()) if itself else parse_ref(model, Path.cwd())
    opened = open_traceable(ref, facts.input_size, reporter)
    given = open_given(Path(params.inputs), opened.preprocessing)
    with reporter.track("Export and fold the model", None, ""):
        subject = opened.subject()
    if subject.network.hash != facts.model_hash:
        raise DetectError(
            f"{folder} is a detector of another model: the hash of {facts.model} began with {facts.model_hash[:12]}, "
            f"that of {ref} begins with {subject.network.hash[:12]}",
            hint=f"make one of this model with `hubslice detect fit {ref}`",
        )
    chosen = _layers(subject, facts.layers)
    network = tail(subject.network, list(chosen))
    means = Means(loaded.means, "channel", (), sum(facts.answers.values()), facts.model_hash, facts.data)
    with reporter.track("Trace back", len(given), "inputs") as bar:
        logits, vectors = trace_each(
            network,
            Prepared(subject, given),
            means,
            Selection(theta=facts.theta),
            list(chosen),
            shape=facts.shape,
            device=where,
            progress=bar.advance,
        )
    verdicts = _verdicts(subject, given, loaded, logits, loaded.scores(vectors, logits))
    return Detection(
        model=str(ref),
        detector=str(folder),
        fpr=facts.fpr,
        threshold=round(loaded.threshold, 4),
        flagged=sum(verdict.flagged for verdict in verdicts),
        inputs=verdicts,
    )


def _verdicts(
    subject: TraceableModel, given: UserInputs, detector: Detector, logits: np.ndarray, scores: np.ndarray
) -> tuple[Verdict, ...]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True), dtype=np.float64)
    chances = shifted.max(axis=1) / shifted.sum(axis=1)
    return tuple(
        Verdict(
            name=name,
            answer=subject.labels[int(logits[at].argmax())],
            probability=round(float(chances[at]), 4),
            score=None if np.isnan(scores[at]) else round(float(scores[at]), 4),
            flagged=bool(not scores[at] <= detector.threshold),
        )
        for at, name in enumerate(given.names)
    )


def _layers(subject: TraceableModel, wanted: Sequence[str]) -> dict[str, str]:
    """Return names by operator of the layers whose slices are compared: by default the last before the classifier.

    Raises:
        DetectError: the model has no such layer.
    """
    names = {op.name: subject.names.layer[op.name] for op in subject.network.flow.layers}
    if not wanted:
        last = list(names)[-2:][0]
        return {last: names[last]}
    for name in wanted:
        if name not in names.values():
            raise DetectError(
                f"the model has no layer '{name}'{suggest(name, tuple(names.values()))}",
                hint=f"its last layers are {', '.join(list(names.values())[-5:])}",
            )
    return {op: name for op, name in names.items() if name in wanted}


def _enough(
    labels: tuple[str, ...], answers: np.ndarray, skip_rare: bool
) -> tuple[np.ndarray, dict[str, int], dict[str, int]]:
    """Return rows of predictions with enough images, and the number of images of each prediction, kept and skipped.

    Raises:
        DetectError: a prediction has too few, or fewer than two predictions are left.
    """
    from hubslice.verbs.detect.detector import FEWEST

    found = {int(label): int(count) for label, count in zip(*np.unique(answers, return_counts=True), strict=True)}
    rare = {label: count for label, count in found.items() if count < FEWEST}
    if rare and not skip_rare:
        fewest = sorted(rare.items(), key=lambda item: (item[1], item[0]))
        told = ", ".join(f"'{labels[label]}' to {count}" for label, count in fewest[:NAMED])
        told += f", and {len(rare) - NAMED} more answers to too few" if len(rare) > NAMED else ""
        these, needed = ("it", FEWEST) if len(rare) == 1 else ("these", f"{FEWEST} of each")
        raise DetectError(
            f"the model answers {told} of the images; {needed} are needed",
            hint=f"give more images of {these} with --data, or leave such answers out with --skip-rare: check then "
            "flags every input that gets one",
        )
    kept = {label: count for label, count in found.items() if label not in rare}
    if len(kept) < 2:
        raise DetectError(
            f"the model gives {len(kept)} answers to the images often enough; a detector compares two or more",
            hint="give images of all that the model is used on with --data",
        )
    named = [{labels[label]: count for label, count in part.items()} for part in (kept, rare)]
    return np.isin(answers, list(kept)), named[0], named[1]
