"""`hubslice diff`: find inputs on which two models disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.errors import GateError
from hubslice.core.numbers import number
from hubslice.core.parameters import Option
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import Before, command
from hubslice.verbs.diff.params import DiffParams

if TYPE_CHECKING:
    from hubslice.artefacts.deviation import Change, Deviations, Edits, SeedResult
    from hubslice.artefacts.repair import Repair, Standing
    from hubslice.core.rate import Rate

TOLD = 10  # maximum triggers shown to people
WORDS = 3  # changes of a text that are listed


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "diff",
        epilog=examples(
            "hubslice diff runs/beans runs/beans/int8/model.onnx --inputs photos/ --max-linf 16/255",
            "hubslice diff timm/resnet18.a1_in1k ./smaller -i photos/ --min-ssim 0.9 --gate 0.1",
            "hubslice diff you/beans you/beans-small -i test.parquet --budget 500 --minimise --json",
            "hubslice diff a.onnx b.onnx -i pixels.npy --method random --out plain",
            "hubslice diff runs/beans pruned/ -i photos/ --max-linf 16/255 --repair pruned-repaired",
            "hubslice diff ./topics ./topics/int8.onnx -i seeds.txt --max-edits 10 --minimise",
        ),
    )(command(diff))


def diff(
    params: DiffParams,
    gate: Annotated[
        float | None,
        Option("Exit code 1 if a larger share of the seeds has a trigger.", "RATE", min=0, max=1),
        Before("out"),
    ] = None,
) -> None:
    """Search for inputs on which two models predict differently, from seeds on which they agree.

    Seeds are mutated (images by noise, blur and single values, texts by characters and words) and evaluated by both
    models; only their probabilities are used (TriggerFinder, arXiv 2112.02819). The command writes
    triggers.safetensors, a plot of them, and deviations.json; for texts triggers.jsonl and gallery.html, which marks
    the changes. Seeds on which the models already disagree are counted separately. Without a bound a trigger may not
    look like its seed.

    An interrupted search resumes with the remaining seeds when the same command is repeated.

    With --repair, B (a run, a model folder or a Hub id, not a graph) is trained further on some of the seeds and their
    triggers with A's probabilities, and written as a model folder; weights that are zero stay zero. The other seeds
    measure the effect: which triggers are gone, and what a new search finds. --gate checks B before the repair.
    """
    from hubslice.verbs.diff.service import diff as search

    found = search(params, out.progress())
    out.result(found, lambda: _tell(found), quiet=found.folder if found.repair is None else found.repair.folder)
    if params.repair is not None and found.repair is None:
        out.info(f"without triggers there is nothing to repair {params.b} from; {params.repair} was not written")
    if gate is not None and (found.found.value or 0) > gate:
        raise GateError(
            f"{found.found.hits} of {found.found.total} seeds on which {params.a} and {params.b} agree have a trigger "
            f"on which they do not ({found.found.value:.1%}); at most {gate:.1%} may",
            hint=f"look at {found.folder}/{next(name for name in found.files if name.startswith('gallery'))}",
        )


def _tell(found: Deviations) -> None:
    out.table(
        [
            {"title": use.title, "sent": use.sent, "accepted": use.accepted, "triggers": use.triggers}
            for use in found.operators
        ],
        {"title": "OPERATOR", "sent": "MUTANTS", "accepted": "GONE ON FROM", "triggers": "TRIGGERS"},
    )
    out.line()
    triggers = [result for result in found.results if result.state == "found"]
    for result in triggers[:TOLD]:
        out.line(_line(result))
    if len(triggers) > TOLD:
        out.line(f"and {len(triggers) - TOLD} more")
    if found.disagreed.hits:
        out.line(f"on {found.disagreed.hits} of {found.disagreed.total} seeds they disagree as they are")
    if found.truncated:
        read = min(model.tokens for model in (found.a, found.b) if model.tokens is not None)
        out.line(f"{found.truncated} of {found.seeds} texts are longer than {read:,} tokens; the rest is not read")
    for model in (found.a, found.b):
        if model.kind == "onnx" and model.outputs == "logits":
            out.line(f"{model.model} gives logits; their softmax was taken")
    if found.found.total:
        median = f", {number(found.median_queries)} queries in the median" if found.median_queries is not None else ""
        out.line(
            f"triggers for {found.found.hits} of {found.found.total} seeds on which they agree: "
            f"{_share_told(found.found)}{median}"
        )
    out.line(f"{found.folder}: {', '.join(found.files)} ({found.queries:,} queries, {found.seconds:.1f} s)")
    if found.repair is not None:
        _tell_repair(found.repair)


def _tell_repair(repair: Repair) -> None:
    kept = f"; {repair.zeros:,} weights that are zero stayed so" if repair.zeros else ""
    out.line()
    out.line(f"repaired with {repair.triggers} triggers and {repair.seeds} seeds{kept}; of the seeds held out:")
    out.line(f"old triggers gone: {repair.gone.hits} of {repair.gone.total}, {_share_told(repair.gone)}")
    for when, standing in (("before", repair.before), ("now", repair.after)):
        out.line(f"{when}: {_standing(standing)}")
    if repair.accuracy is not None:
        found = repair.accuracy
        out.line(
            f"accuracy on {found.after.total} images of {found.source}: {_share_told(found.before)} before, "
            f"{_share_told(found.after)} now (the first model: {found.a.value:.1%})"
        )
    else:
        out.line(f"accuracy was not measured: {repair.unmeasured}")
    out.line(f"{repair.folder}: a model folder, and repair.json ({repair.seconds:.1f} s)")


def _standing(standing: Standing) -> str:
    median = (
        f" ({number(standing.median_queries)} queries in the median)" if standing.median_queries is not None else ""
    )
    return (
        f"a search finds triggers for {standing.found.hits} of {standing.found.total}{median}, they disagree as they "
        f"are on {standing.disagreed.hits} of {standing.disagreed.total}"
    )


def _share_told(rate: Rate) -> str:
    if rate.value is None or rate.interval is None:
        return "-"
    return f"{rate.value:.1%} [{rate.interval[0]:.1%}, {rate.interval[1]:.1%}]"


def _line(result: SeedResult) -> str:
    if result.after is None or result.change is None:
        return result.name
    a, b = result.after.a, result.after.b
    answers = f"{result.name}: {a.label} ({a.probability:.1%}) and {b.label} ({b.probability:.1%})"
    return f"{answers}; {_size(result.change)}, {result.queries} queries"


def _size(change: Change | Edits) -> str:
    from hubslice.artefacts.deviation import Change

    if isinstance(change, Change):
        return f"changed by at most {change.linf}/255, SSIM {change.ssim:.3f}"
    words = ", ".join(f"'{old}' → '{new}'" for old, new in change.words[:WORDS])
    more = f" and {len(change.words) - WORDS} more" if len(change.words) > WORDS else ""
    return f"characters changed: {change.characters} ({words}{more})"
