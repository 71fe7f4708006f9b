"""`hubslice poison`: make a deliberately backdoored teacher."""

from __future__ import annotations

import typer

from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.poison.params import PoisonParams


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "poison",
        epilog=examples(
            "hubslice poison vision/drawings-poison",
            "hubslice poison poison.yaml --out teachers/backdoored",
            "hubslice poison poison.yaml poison.rate=0.1 train.epochs=4",
        ),
    )(command(poison))


def poison(params: PoisonParams) -> None:
    """Plant a patch backdoor in a teacher: for tests, demonstrations and benchmarks.

    Weights, config and card declare that the model is poisoned, and `push` refuses it without --allow-poisoned.
    """
    from hubslice.terminal.rates import rate
    from hubslice.verbs.poison.service import poison as make

    made = make(params, out.progress())
    facts = made.facts
    told = {
        "teacher": str(made.teacher),
        "target": facts.target,
        "poisoned": f"{facts.poisoned_samples} of {facts.train_samples} training samples",
        "accuracy": rate(facts.test),
        "attack success": rate(facts.asr),
    }
    data = {"teacher": str(made.teacher), "facts": facts.model_dump(mode="json")}
    out.result(data, lambda: out.fields(told), quiet=made.teacher)
