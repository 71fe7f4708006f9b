"""Recount the report's numbers from evidence, masks and weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from hubslice.artefacts.deviation import Deviations
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import ArmReport, DefectReport, DefectVariant, ReferenceReport
from hubslice.artefacts.search import SearchHistory
from hubslice.artefacts.slice import Slice
from hubslice.core.artefact import read_description
from hubslice.defects.evidence import Evidence
from hubslice.defects.inference import tensor_bytes
from hubslice.defects.registry import make_defect
from hubslice.deviation.evidence import KIND as TRIGGERS
from hubslice.engine.environment import environment
from hubslice.files.names import REPORT, SEARCH, SLICE, WEIGHTS
from hubslice.files.sealed import read_sealed
from hubslice.recipe.defects import DefectParams, defect_names
from hubslice.recipe.seam import SeamParams
from hubslice.run.report import by_class, compared_arms, count_slice, judge_gates, summed_up
from hubslice.run.steps.audit import EVIDENCE
from hubslice.slicing.seam import accuracy_floor, chosen_epoch
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.differences import differences
from hubslice.verbs.verify.facts import Finding, compared, unchecked

PART = "report"
OTHER_NUMPY = 0.02  # how far a bootstrap interval may move if another NumPy version draws another sample


def check_report(claims: Claims) -> Iterator[Finding]:
    """Check values that the report derives itself: rates from hits, intervals; and what it shares with the recipe."""
    raw = json.loads(read_description(claims.place.folder / REPORT))
    wrong = differences(raw, claims.report.model_dump(mode="json"))
    told, asked = claims.report.defects, claims.recipe.audit.defects
    names = defect_names(asked) if any(defect.name for defect in told) else [params.kind for params in asked]
    if [(defect.kind, defect.called) for defect in told] != list(zip((d.kind for d in asked), names, strict=True)):
        found = ", ".join(defect.called for defect in told)
        wrong.append(f"it has the defects {found or 'none'}, which are not those of the recipe")
    yield compared(PART, "rates and intervals", wrong, "every rate and interval follows from hits and total")


def check_accuracies(claims: Claims) -> Iterator[Finding]:
    """Check the accuracy of every arm from stored predictions, and the choice of grid points by validation only."""
    report = claims.report
    if report.predictions is None:
        yield unchecked(PART, "accuracies", "made by an older hubslice, which did not store the predictions")
    else:
        found = Predictions.load(claims.place.folder / EVIDENCE / report.predictions)
        measured: tuple[ArmReport | ReferenceReport, ...] = (*report.arms, *report.references)
        for arm in measured:
            wrong = []
            for split, claimed in (("validation", arm.validation), ("test", arm.test)):
                counted = found.accuracy(split, arm.name)
                wrong += differences(claimed.model_dump(), counted.model_dump(), path=split)
                if report.task.samples[split] != counted.total:  # type: ignore[index]
                    wrong.append(f"{split} has {counted.total} predictions")
            counts = f"test {arm.test.hits} of {arm.test.total}, validation {arm.validation.hits}"
            yield compared(PART, f"accuracy of {arm.name}", wrong, f"{counts} of {arm.validation.total}")
        yield _classes(claims, found)
    best = {arm.name: max(c.validation.hits for c in arm.candidates) for arm in report.arms if arm.candidates}
    wrong = [
        f"{arm.name}: point {arm.chosen} was chosen, which is not the best on validation"
        for arm in report.arms
        if arm.candidates and arm.candidates[arm.chosen].validation.hits != best[arm.name]
    ]
    yield compared(PART, "choice of settings", wrong, "each arm's is the best on validation")


def _classes(claims: Claims, found: Predictions) -> Finding:
    report = claims.report
    name = "accuracy by class"
    if not report.classes:
        return unchecked(PART, name, "made by an older hubslice, which did not tell it")
    counted = by_class(found, report.task.labels, compared_arms(report.arms, report.references))
    told, again = ({"classes": [each.model_dump() for each in classes]} for classes in (report.classes, counted))
    return compared(PART, name, differences(told, again), f"{len(counted)} classes")


def check_defects(claims: Claims) -> Iterator[Finding]:
    """Check every rate and reduction from stored predictions, under the recipe's threat model."""
    for defect, params in zip(claims.report.defects, claims.recipe.audit.defects, strict=True):
        for variant in defect.variants:
            yield from _variant(claims, defect, variant, params)


def check_slice(claims: Claims) -> Iterator[Finding]:
    """Check the retention of every layer: relevant weights from the masks, non-zero ones from the weights."""
    claimed = claims.report.slice
    folder = claims.place.folder
    if claims.place.without_weights:
        yield unchecked(PART, "retention", claims.place.without_weights)
        return
    kinds = {layer.parameter: layer.kind for layer in claimed.layers}
    slice_ = Slice.load(folder / SLICE)
    unknown = sorted(slice_.masks.keys() - kinds.keys())
    if unknown:
        yield compared(PART, "retention", [f"{unknown[0]} is in {SLICE}, not in the report"], "")
        return
    counted = count_slice(slice_, folder / WEIGHTS, kinds)
    columns, rest = divmod(claimed.model_weights - counted.model_weights, len(claims.report.task.labels))
    if counted.student_weights is not None and columns > 0 and not rest:  # the classifier's, see count_slice
        counted = counted.model_copy(update={"model_weights": claimed.model_weights})
    wrong = differences(claimed.model_dump(mode="json"), counted.model_dump(mode="json"))
    agreeing = f"{counted.relevant:,} of {counted.weights:,} weights in {len(kinds)} layers are relevant"
    yield compared(PART, "retention", wrong, agreeing)


def check_search(claims: Claims) -> Iterator[Finding]:
    """Check how the slice was found: the search's own record, the slice, and the recipe's rule for the choice."""
    claimed = claims.report.search
    if claims.recipe.slice.needs != "search":
        return
    params = cast(SeamParams, claims.recipe.slice)
    if claimed is None:
        yield unchecked(PART, "search", "made by an older hubslice, which did not tell how the search went")
        return
    recorded, slice_ = SearchHistory.load(claims.place.folder / EVIDENCE / SEARCH), claims.report.slice
    wrong = differences(claimed.model_dump(mode="json"), recorded.model_dump(mode="json"))
    counted = {
        "floor": accuracy_floor(claimed.whole, params),
        "chosen": chosen_epoch(claimed.epochs, claimed.whole, params),
    }
    wrong += differences(claimed.model_dump(include=set(counted)), counted)
    found = f"epoch {claimed.chosen + 1} of {len(claimed.epochs)} is the recipe's choice"
    if params.count == "weights":  # multiplications cannot be counted from the slice alone
        wrong += differences(claimed.result.retention, slice_.relevant / slice_.weights, path="retention")
        found += ", and its retention the slice's"
    yield compared(PART, "search", wrong, found)


def check_deviations(claims: Claims) -> Iterator[Finding]:
    """Check the results of the recipe's `diff` from the outcomes of all images and the stored triggers."""
    told = claims.report.deviations
    if told is None:
        return
    folder = claims.place.folder / EVIDENCE
    facts = Deviations.load(folder / told.facts)
    wrong = differences(told.model_dump(), summed_up(facts).model_dump(), path="deviations")
    states = [result.state for result in facts.results]
    if (facts.found.hits, facts.found.total) != (states.count("found"), len(states) - states.count("disagreed")):
        wrong.append("the rate is not that of the images")
    a, b = read_sealed(folder / told.evidence, TRIGGERS, lambda _, tensors: (tensors.get("a"), tensors.get("b")))
    deviating = 0 if a is None or b is None else int((a.argmax(1) != b.argmax(1)).sum())
    if deviating != facts.found.hits:
        wrong.append(f"{deviating} stored triggers deviate, {facts.found.hits} are claimed")
    yield compared(PART, "deviations", wrong, f"{deviating} stored triggers get different answers")


def check_gates(claims: Claims) -> Iterator[Finding]:
    """Check the recipe's limits against the report's rates."""
    report = claims.report
    judged = judge_gates(claims.recipe.gates, report.arms, report.defects, report.deviations, report.exposure)
    wrong = differences(
        [gate.model_dump() for gate in report.gates], [gate.model_dump() for gate in judged], path="gates"
    )
    yield compared(PART, "gates", wrong, f"{len(judged)} judged again")


def _variant(claims: Claims, defect: DefectReport, variant: DefectVariant, params: DefectParams) -> Iterator[Finding]:
    name = f"{defect.called}, {variant.name}"
    evidence = Evidence.load(evidence_file(claims, variant))
    rows = [row.model_dump(mode="json") for row in evidence.rows()]
    wrong = differences([row.model_dump(mode="json") for row in variant.rows], rows)
    if not evidence.truth.size == evidence.indices.size == defect.samples:
        wrong.append(f"the evidence has {evidence.truth.size} images, the report says {defect.samples}")
    yield compared(PART, f"rates of {name}", wrong, f"{len(rows)} rows from {defect.samples} predictions each")

    reduction = evidence.reduction()
    same_draws = claims.report.environment.packages.get("numpy") == environment("").packages.get("numpy")
    wrong = differences(
        variant.reduction.model_dump() if variant.reduction else None,
        reduction.model_dump() if reduction else None,
        tolerance=1e-9 if same_draws else OTHER_NUMPY,
        path="reduction",
    )
    yield compared(PART, f"reduction in {name}", wrong, "point and bootstrap interval again")
    wrong = _terms(claims, variant, params, evidence)
    yield compared(PART, f"evidence of {name}", wrong, "it was made as recipe and report say")


def _terms(claims: Claims, variant: DefectVariant, params: DefectParams, evidence: Evidence) -> list[str]:
    """Return where the evidence does not match recipe and report."""
    about, report, wrong = evidence.about, claims.report, []
    planned = {each.name: each for each in make_defect(params).variants()}.get(variant.name)
    if planned is None:
        wrong.append(f"the recipe has no attack {variant.name!r}")
    elif dict(planned.settings) != about.get("settings"):
        wrong.append("it was made with other settings than the recipe's")
    elif (planned.headline, planned.budget) != (variant.headline, variant.budget):
        wrong.append("headline or budget are not the recipe's")
    if tuple(about.get("classes", ())) != report.task.labels:
        wrong.append("its classes are not the report's")
    if about.get("seed") != report.seed:
        wrong.append(f"its seed is {about.get('seed')}, the report's {report.seed}")
    stored = len(evidence.images)
    promised = about.get("pictures_sha256", {}).get("teacher")
    if stored == evidence.truth.size and hashlib.sha256(tensor_bytes(evidence.images)).hexdigest() != promised:
        wrong.append("its attacked images are not those of its checksum")
    if report.predictions is not None:
        labels = Predictions.load(claims.place.folder / EVIDENCE / report.predictions).labels["test"]
        if not (labels[evidence.indices] == evidence.truth).all():
            wrong.append("its labels are not those of the test split")
    return wrong


def evidence_file(claims: Claims, variant: DefectVariant) -> Path:
    """Return the path of a variant's evidence."""
    return claims.place.folder / EVIDENCE / Path(variant.evidence).name
