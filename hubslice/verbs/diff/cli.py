"""`hubslice diff`: inputs on which two models disagree."""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.errors import DiffError, GateError
from hubslice.core.numbers import number
from hubslice.terminal.options import DeviceOption, JsonOption, QuietOption, examples
from hubslice.terminal.output import out

if TYPE_CHECKING:
    from hubslice.artefacts.deviation import Change, Deviations, Edits, SeedResult
    from hubslice.artefacts.repair import Repair, Standing
    from hubslice.core.rate import Rate

TOLD = 10  # triggers that people are shown at the most
WORDS = 3  # changes of a text that are told


class Method(StrEnum):
    """How mutants are searched."""

    TRIGGERFINDER = "triggerfinder"
    RELEASED = "released"
    RANDOM = "random"
    GENETIC = "genetic"


class Fitness(StrEnum):
    """What a mutant must raise."""

    MARGIN = "margin"
    DIFFERENCE = "difference"


class Operators(StrEnum):
    """How operators are chosen."""

    RANKED = "ranked"
    UNIFORM = "uniform"
    ADAPTIVE = "adaptive"


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
    )(diff)


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help="A Hub id, a run, a model folder, or an ONNX file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The model to compare it with, of the same labels.")],
    inputs: Annotated[
        str,
        typer.Option(
            "--inputs",
            "-i",
            metavar="FILE|FOLDER|DATASET",
            help="Seeds: an image, a folder of images, .parquet, .npy of pixels, or a data set's Hub id; for texts "
            ".txt with one a line, .csv, .tsv, .jsonl.",
        ),
    ],
    budget: Annotated[
        int, typer.Option("--budget", metavar="QUERIES", help="Mutants of a seed that are asked about at the most.")
    ] = 2000,
    max_linf: Annotated[
        str | None,
        typer.Option("--max-linf", metavar="E", help="No value may change by more: 16/255, or a share of the range."),
    ] = None,
    min_ssim: Annotated[
        float | None, typer.Option("--min-ssim", metavar="S", help="Least structural similarity to the seed.")
    ] = None,
    max_edits: Annotated[
        int | None,
        typer.Option("--max-edits", metavar="N", help="Characters of a text that may be changed, at the most."),
    ] = None,
    min_gap: Annotated[
        float,
        typer.Option("--min-gap", metavar="P", help="Both must prefer their own answer to the other's by this much."),
    ] = 0.0,
    minimise: Annotated[bool, typer.Option("--minimise", help="Bring triggers nearer to their seeds.")] = False,
    method: Annotated[
        Method, typer.Option("--method", help="released: as TriggerFinder's own code; random and genetic to compare.")
    ] = Method.TRIGGERFINDER,
    fitness: Annotated[
        Fitness, typer.Option("--fitness", help="What a mutant must raise: nearness to another answer, or difference.")
    ] = Fitness.MARGIN,
    novelty: Annotated[
        bool, typer.Option("--novelty", help="Also go on from probabilities unlike all before, as the paper does.")
    ] = False,
    patience: Annotated[
        int,
        typer.Option("--patience", metavar="N", min=0, help="After N mutants refused in a row take one; 0: never."),
    ] = 50,
    operators: Annotated[Operators, typer.Option("--operators", help="How operators are chosen.")] = Operators.RANKED,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="Seeds at the most, drawn.")] = 200,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the drawing and of all mutants.")] = 0,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, max=4096, help="Seeds searched at a time.")] = 64,
    label_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="FILE|common|order",
            help="Where labels differ: JSON {label of B: label of A}, those in common, or the n-th to the n-th.",
        ),
    ] = None,
    resize: Annotated[bool, typer.Option("--resize", help="Scale A's images to B's input size.")] = False,
    input_size: Annotated[
        int | None, typer.Option("--input-size", metavar="PIXELS", min=8, max=4096, help="Side of both models' input.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="NAME", help="Where a table has the texts: text, or sentence.")
    ] = None,
    gate: Annotated[
        float | None,
        typer.Option("--gate", metavar="RATE", min=0, max=1, help="Exit code 1 if more of the seeds have a trigger."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Folder to write; default: A-B-diff here.")
    ] = None,
    repair: Annotated[
        Path | None,
        typer.Option(
            "--repair", metavar="DIR", help="Train B on a part of the triggers with A's answers, and write it there."
        ),
    ] = None,
    repair_share: Annotated[
        float | None, typer.Option("--repair-share", metavar="S", help="Of the seeds, to train on; default 0.5.")
    ] = None,
    repair_epochs: Annotated[
        int | None, typer.Option("--repair-epochs", metavar="N", help="Times through what is trained on; default 20.")
    ] = None,
    repair_lr: Annotated[
        float | None, typer.Option("--repair-lr", metavar="RATE", help="Learning rate at the start; default 3e-4.")
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search for inputs on which two models answer differently, from seeds on which they agree.

    Seeds are mutated (images by noise, blur and single values, texts by characters and words) and both models asked;
    only their probabilities are used (TriggerFinder, arXiv 2112.02819). Written are triggers.safetensors, an image of
    them, and deviations.json; of texts triggers.jsonl and gallery.html, which marks what was changed. Seeds on which
    the models disagree already are counted apart. Without a bound a trigger may not look like its seed.

    A search that was stopped goes on with the seeds that are left when the same command is given again.

    With --repair, B (a run, a model folder or a Hub id, no graph) is trained further on a part of the seeds and their
    triggers with A's probabilities, and written as a model folder; weights that are zero stay zero. The other seeds
    tell what that brought: which triggers are gone, and what a new search finds. --gate judges B as it was.
    """
    from hubslice.verbs.diff.function import diff as search

    found = search(
        a,
        b,
        inputs,
        budget=budget,
        max_linf=_share(max_linf),
        min_ssim=min_ssim,
        max_edits=max_edits,
        min_gap=min_gap,
        minimise=minimise,
        method=method.value,
        fitness=fitness.value,
        novelty=novelty,
        patience=patience,
        operators=operators.value,
        limit=limit,
        seed=seed,
        batch=batch,
        label_map=label_map,
        resize=resize,
        input_size=input_size,
        column=column,
        out=folder,
        repair=repair,
        repair_share=repair_share,
        repair_epochs=repair_epochs,
        repair_lr=repair_lr,
        device=device,
        reporter=out.progress(),
    )
    out.result(found, lambda: _tell(found), quiet=found.folder if found.repair is None else found.repair.folder)
    if repair is not None and found.repair is None:
        out.info(f"without triggers there is nothing to repair {b} from; {repair} was not written")
    if gate is not None and (found.found.value or 0) > gate:
        raise GateError(
            f"{found.found.hits} of {found.found.total} seeds on which {a} and {b} agree have a trigger on which they "
            f"do not ({found.found.value:.1%}); at most {gate:.1%} may",
            hint=f"look at {found.folder}/{next(name for name in found.files if name.startswith('gallery'))}",
        )


def _share(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(Fraction(text))
    except (ValueError, ZeroDivisionError) as error:
        raise DiffError(f"'{text}' is no size of a change", hint="give --max-linf 16/255, or 0.06") from error


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
