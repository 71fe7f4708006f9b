"""`hubslice explain`: find what in a model decided its prediction."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hubslice.core.cells import percent
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.explain.params import ExplainParams

if TYPE_CHECKING:
    from hubslice.verbs.explain.facts import Attack, Explanation, LayerFacts


FORCES = {"for": "CHANNELS FOR (FORCE)", "against": "CHANNELS AGAINST (FORCE)"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "explain",
        epilog=examples(
            "hubslice explain timm/resnet18.a1_in1k --inputs photo.jpg",
            "hubslice explain runs/beans -i leaves/ -t healthy --data train.parquet",
            "hubslice explain runs/beans -i new/ --data why/means.safetensors --json",
            "hubslice explain ./model -i photo.jpg --rule released --out why",
            "hubslice explain ./model -i faces/ --data all/ --protect 0.5 --public",
            "hubslice explain ./model -i faces/ --protect 0.5 --attack labelled/",
        ),
    )(command(explain))


def explain(params: ExplainParams) -> None:
    """Find the neurons and weights that decided a prediction, and draw where they look.

    From the output back to the input, each neuron passes a vote of +1 or -1 to the predecessors whose deviation from
    their mean changed it (NNSlicer, FSE 2020). The command writes the votes of all neurons and weights
    (slice.safetensors), facts by layer (explanation.json), a plot, and a self-contained HTML page.

    With --protect, protected.safetensors is a slice whose relevant weights may be public; those outside it, which
    decided most for the inputs, should be withheld. --public writes the model without them into the folder public.
    --attack retrains it and reports its accuracy, beside that of the same attack with as many random weights withheld.

    Without --data the inputs are compared with themselves and with blank images in the mean colour; to see what is
    special about them, give images of the kind that the model is used on.
    """
    from hubslice.verbs.explain.service import explain as make

    found = make(params, out.progress())
    out.result(found, lambda: _tell(found), quiet=Path(found.folder) / "explanation.html")


def _tell(found: Explanation) -> None:
    out.table(
        [_row(layer) for layer in found.layers],
        {"layer": "LAYER", "live": "TOOK PART (%)", "synapses": "WEIGHTS USED (%)"} | FORCES,
    )
    out.line()
    for entry in found.inputs[:10]:
        answer = "" if entry.answer == entry.target else f"; the answer is {entry.answer} ({entry.probability:.1%})"
        out.line(f"{entry.name}: {entry.target} ({entry.target_probability:.1%}){answer}")
    if len(found.inputs) > 10:
        out.line(f"and {len(found.inputs) - 10} more")
    if found.protected is not None:
        shares = [layer.contributions for layer in found.protected.layers]
        out.line(
            f"withheld: {found.protected.withheld:,} of {found.protected.weights:,} weights, which made "
            f"{min(shares):.0%} to {max(shares):.0%} of the contributions of their layers"
        )
        if found.protected.attack is not None:
            _tell_attack(found.protected.attack)
    out.line(f"{found.folder}: {', '.join(found.files)} ({found.seconds:.1f} s)")


def _tell_attack(found: Attack) -> None:
    from hubslice.terminal.rates import rate_cells, rate_head, rate_heads

    forms = {
        "the model": found.whole,
        "what is public": found.before,
        "retrained": found.after,
        "retrained, random weights withheld": found.random,
    }
    out.line(f"what is public, retrained for {found.epochs} epochs on {found.images:,} images of {found.data}:")
    out.table(
        [
            {"form": form} | rate_cells("own", rates.protected) | rate_cells("all", rates.all)
            for form, rates in forms.items()
        ],
        {"form": "MODEL"} | rate_head("own", "PROTECTED LABELS") | rate_head("all", "ALL LABELS"),
        {"form": "MODEL"} | rate_heads("own", "PROTECTED LABELS") | rate_heads("all", "ALL LABELS"),
    )


def _row(layer: LayerFacts) -> dict[str, object]:
    from hubslice.verbs.explain.facts import force_words

    return {
        "layer": layer.name,
        "live": percent(layer.live_neurons),
        "synapses": percent(layer.live_synapses),
        "for": ", ".join(f"{entry.channel} ({force_words(entry.force)})" for entry in layer.decisive[:3]),
        "against": ", ".join(f"{entry.channel} ({force_words(entry.force)})" for entry in layer.opposing[:2]),
    }
