"""Explain a model's predictions: the dynamic slice of given inputs, as tensors, facts, a plot and a page."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hubslice.artefacts.dynamic_slice import DynamicSlice
from hubslice.core.errors import ExplainError, InputError
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.engine.run_folder import undisturbed
from hubslice.hub.ref import Ref, check_data, graph_at, parse_ref
from hubslice.tracing.opened import BATCH, Opened, Prepared, open_traceable, short_name
from hubslice.verbs.explain.facts import ChannelShare, ExplainedInput, Explanation, LayerFacts
from hubslice.verbs.explain.params import ExplainParams, Neuron

if TYPE_CHECKING:
    from hubslice.artefacts.model import Preprocessing
    from hubslice.task.user_inputs import UserInputs
    from hubslice.tracing.engine import Traced
    from hubslice.tracing.means import Means
    from hubslice.tracing.network import Arrays
    from hubslice.tracing.selection import Selection
    from hubslice.tracing.traceable import TraceableModel
    from hubslice.verbs.explain.attack import Attacker

SLICE, MEANS, FACTS, PLOT, PAGE = (
    "slice.safetensors",
    "means.safetensors",
    "explanation.json",
    "explanation.png",
    "explanation.html",
)
PROTECTED, PUBLIC = "protected.safetensors", "public"
ALWAYS = {SLICE, MEANS, FACTS, PLOT, PAGE}
OURS = {*ALWAYS, PROTECTED, PUBLIC}
NAMED = 5  # channels of a layer listed for and against the target


def explain(params: ExplainParams, reporter: Reporter) -> Explanation:
    """Find what decided the model's predictions, and write it."""
    with undisturbed(Path(params.model)):
        return _explain(params, reporter)


def _explain(params: ExplainParams, reporter: Reporter) -> Explanation:
    from hubslice.core.device import resolve_device
    from hubslice.models.label_names import find_label, readable
    from hubslice.task.user_inputs import open_given
    from hubslice.tracing.engine import trace
    from hubslice.tracing.selection import Selection
    from hubslice.training.initial import mask_weights
    from hubslice.verbs.explain.page import write_page
    from hubslice.verbs.explain.plot import write_plot
    from hubslice.verbs.explain.protect import protect as withhold

    started = time.perf_counter()
    inputs, protect, public = Path(params.inputs), params.protect, params.public
    data, attack = as_text(params.data), as_text(params.attack)
    ref = parse_ref(os.fspath(params.model), Path.cwd())
    _check_protection(ref, protect, public, attack)
    folder = as_path(params.out) or Path(f"{short_name(ref)}-explained")
    check_free(folder, OURS)
    _check_there(inputs, data)
    place = resolve_device(params.device)
    where = str(place)
    loaded = open_traceable(ref, params.input_size, reporter)
    labels = readable(loaded.labels)
    wanted = None if params.target is None else find_label(labels, params.target)  # cheap checks first
    attacker = _attacker(loaded, labels, attack)
    given = open_given(inputs, loaded.preprocessing)
    profile = _profile(data, loaded.preprocessing)
    looked_at = [each for each in (given, profile) if not isinstance(each, Path | None)]
    with reporter.track("Look at the inputs", sum(map(len, looked_at)), "images") as bar:
        for each in looked_at:
            each.check(bar.advance)
    with reporter.track("Export and fold the model", None, ""):
        subject = loaded.subject()
    prepared = Prepared(subject, given)
    means = _means(subject, prepared, profile, params.mean, params.by_class, where, reporter)
    selection = Selection(rule=params.rule, theta=params.theta)
    with reporter.track("Trace back", len(prepared), "inputs") as bar:
        traced = trace(
            subject.network,
            prepared,
            means,
            selection,
            target=wanted,
            magnitudes=protect is not None,
            workers=params.workers or os.cpu_count() or 1,
            batch_size=params.batch_size,
            device=where,
            progress=bar.advance,
        )
    if not any(found.any() for found in (*traced.synapses.values(), *traced.leaves.values())):
        raise ExplainError(
            f"nothing contributed: the answers to {inputs} are those to the mean of {means.data}",
            hint="give other images with --data, which differ from the inputs",
        )
    facts = _facts(str(ref), subject, prepared.given, traced, means, selection)
    kept, protected = withhold(subject, traced, protect) if protect is not None else (None, None)
    if attacker is not None and kept is not None and protected is not None:
        own = sorted({int(label) for label in traced.targets})
        found = attacker.attack(kept, own, place, reporter)
        protected = protected.model_copy(update={"attack": found})
    written = ALWAYS | ({PROTECTED} if kept else set()) | ({PUBLIC} if public else set())
    facts = facts.model_copy(
        update={
            "seconds": round(time.perf_counter() - started, 2),
            "folder": str(folder),
            "files": tuple(sorted(written)),
            "protected": protected,
        }
    )
    with whole_folder(folder) as draft:
        _slice(subject, prepared.given, traced, facts).save(draft / SLICE)
        means.save(draft / MEANS)
        facts.save(draft / FACTS)
        if kept is not None:
            kept.save(draft / PROTECTED)
        if kept is not None and public and loaded.model is not None:
            mask_weights(loaded.model, kept)
            loaded.model.save(draft / PUBLIC)
        with reporter.track("Draw", None, ""):
            write_plot(draft / PLOT, subject, prepared.given, traced, facts)
            write_page(draft / PAGE, subject, prepared.given, traced, facts)
    return facts


def _check_there(inputs: Path, data: str | None) -> None:
    """Raise DataError or InputError for missing files, before the model is loaded."""
    from hubslice.task.user_inputs import KINDS, there

    there(inputs)
    if data is None:
        return
    check_data(data, Path.cwd())
    if Path(data).suffix or data.startswith((".", "/", "~")) or data.count("/") != 1:  # otherwise it may be on the Hub
        there(Path(data), f"{KINDS}; a data set's Hub id; or means.safetensors of an earlier call")


def _check_protection(ref: Ref, protect: float | None, public: bool, attack: str | None) -> None:
    """Raise InputError where there is no public model to write, or to attack."""
    graph = graph_at(ref) is not None
    for wanted, does, needs in (
        (public, "--public writes the model without what --protect withholds", "--public writes a model folder"),
        (attack is not None, "--attack retrains the model without what --protect withholds", "--attack trains a model"),
    ):
        if wanted and protect is None:
            raise InputError(does, hint="add --protect 0.5")
        if wanted and graph:
            raise InputError(f"{needs}, and {ref} is a graph", hint="name the model that it was made of")


def _attacker(loaded: Opened, labels: tuple[str, ...], data: str | None) -> Attacker | None:
    from hubslice.verbs.explain.attack import Attacker

    return None if data is None or loaded.model is None else Attacker(loaded.model, labels, data)


def _profile(data: str | None, preprocessing: Preprocessing) -> UserInputs | Path | None:
    """Return the images of `--data`, local or on the Hub, or the path of a stored profile."""
    from hubslice.task.user_inputs import open_data

    if data is None:
        return None
    path = Path(os.path.expanduser(data))  # noqa: PTH111  # Path raises for ~nobody
    return path if path.suffix == ".safetensors" else open_data(data, preprocessing)


def _means(
    subject: TraceableModel,
    prepared: Prepared,
    data: UserInputs | Path | None,
    neuron: Neuron,
    by_class: bool,
    device: str,
    reporter: Reporter,
) -> Means:
    """Return the profile: a stored one, or the means over `data`, or those over the inputs and the blank image."""
    from hubslice.tracing.means import Means, take_means

    if isinstance(data, Path):
        return Means.load(data, subject.network)
    if data is None:
        # With the inputs' own means alone, a single image would have no deviations where positions are pooled.
        groups = {0: _and_blank(subject, prepared)}
        return take_means(subject.network, groups, neuron=neuron, data="the inputs and blank images", device=device)
    profiled = Prepared(subject, data)
    with reporter.track("Take means", len(profiled), "images") as bar:
        batches = _by_class(subject, profiled, device) if by_class else {0: np.arange(len(profiled))}

        def read(rows: np.ndarray) -> Iterator[Arrays]:
            for start in range(0, len(rows), BATCH):
                chosen = rows[start : start + BATCH]
                found = [profiled.batch(int(row), int(row) + 1)[subject.input] for row in chosen]
                yield {subject.input: np.concatenate(found)}
                bar.advance(len(chosen))

        groups = {label: read(rows) for label, rows in batches.items()}
        return take_means(subject.network, groups, neuron=neuron, data=data.source, device=device)


def _and_blank(subject: TraceableModel, prepared: Prepared) -> Iterable[Arrays]:
    for start in range(0, len(prepared), BATCH):
        batch = prepared.batch(start, min(start + BATCH, len(prepared)))[subject.input]
        yield {subject.input: np.concatenate([batch, np.repeat(subject.blank, len(batch), axis=0)])}


def _by_class(subject: TraceableModel, profiled: Prepared, device: str) -> dict[int, np.ndarray]:
    """Return rows of the data by the model's predicted class."""
    from hubslice.graph.session import open_session
    from hubslice.tracing.network import run_session

    session = open_session(subject.network.model.SerializeToString(), device)
    output = subject.network.flow.output
    answers = []
    for start in range(0, len(profiled), BATCH):
        batch = profiled.batch(start, min(start + BATCH, len(profiled)))
        answers.append(run_session(session, [output], batch)[output].argmax(axis=1))
    predicted = np.concatenate(answers)
    return {int(label): np.flatnonzero(predicted == label) for label in np.unique(predicted)}


def _facts(
    model: str, subject: TraceableModel, given: UserInputs, traced: Traced, means: Means, selection: Selection
) -> Explanation:
    shifted = np.exp(traced.logits - traced.logits.max(axis=1, keepdims=True), dtype=np.float64)
    chances = shifted / shifted.sum(axis=1, keepdims=True)
    answers = traced.logits.argmax(axis=1)
    inputs = tuple(
        ExplainedInput(
            name=name,
            answer=subject.labels[int(answers[at])],
            probability=round(float(chances[at, answers[at]]), 4),
            target=subject.labels[int(traced.targets[at])],
            target_probability=round(float(chances[at, traced.targets[at]]), 4),
        )
        for at, name in enumerate(given.names)
    )
    layers = tuple(_layer(subject, op.name, op.kind, traced) for op in subject.network.flow.layers)
    live = sum(int(layer.live.sum()) for layer in traced.layers.values())
    total = sum(layer.total * len(layer.live) for layer in traced.layers.values())
    return Explanation(
        model=model,
        model_hash=subject.network.hash,
        architecture=subject.architecture,
        rule=selection.rule,
        theta=selection.theta,
        mean=f"{means.neuron} means of {means.data}" + (", by class" if means.classes else ""),
        mean_samples=means.samples,
        inputs=inputs,
        layers=layers,
        live_neurons=round(live / total, 4),
        seconds=0.0,
        folder="",
        files=(),
    )


def _layer(subject: TraceableModel, name: str, kind: str, traced: Traced) -> LayerFacts:
    found = traced.layers[name]
    channels = found.channels.sum(axis=0, dtype=np.int64)
    speaking, opposing = (force.sum(axis=0, dtype=np.float64) for force in (found.speaking, found.opposing))
    synapses = traced.synapses[name]
    return LayerFacts(
        name=subject.names.layer[name],
        parameter=subject.names.parameter[name],
        operator=kind,
        channels=len(channels),
        positions=found.total // len(channels),
        live_neurons=round(float(found.live.sum() / (found.total * len(found.live))), 4),
        live_synapses=round(float(np.count_nonzero(synapses) / synapses.size), 4),
        decisive=_shares(channels, speaking),
        opposing=_shares(channels, np.minimum(speaking + opposing, 0)),
    )


def _shares(channels: np.ndarray, force: np.ndarray) -> tuple[ChannelShare, ...]:
    """Return the channels with the largest force, for or against."""
    return tuple(
        ChannelShare(channel=int(at), contribution=int(channels[at]), force=float(f"{force[at]:.6g}"))
        for at in np.argsort(-np.abs(force), kind="stable")[:NAMED]
        if force[at]
    )


def _slice(subject: TraceableModel, given: UserInputs, traced: Traced, facts: Explanation) -> DynamicSlice:
    names = subject.names
    about = facts.model_dump(mode="json", include={"model", "model_hash", "rule", "theta", "mean", "mean_samples"})
    about |= {"inputs": list(given.names), "targets": [entry.target for entry in facts.inputs]}
    return DynamicSlice(
        neurons={names.layer[name]: layer.channels for name, layer in traced.layers.items()},
        synapses=names.by_parameter(subject.network.flow, traced.synapses),
        inputs=dict(traced.leaves),
        about=about,
    )
