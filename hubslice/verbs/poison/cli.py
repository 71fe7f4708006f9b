"""`hubslice poison`: a deliberately backdoored teacher."""

from __future__ import annotations

import typer

from hubslice.terminal.options import (
    AllowPickleOption,
    DeviceOption,
    JsonOption,
    OutOption,
    OverridesArgument,
    QuietOption,
    RecipeArgument,
    examples,
)
from hubslice.terminal.output import out


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "poison",
        epilog=examples(
            "hubslice poison vision/drawings-poison",
            "hubslice poison poison.yaml --out teachers/backdoored",
            "hubslice poison poison.yaml poison.rate=0.1 train.epochs=4",
        ),
    )(poison)


def poison(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    folder: OutOption = None,
    device: DeviceOption = "auto",
    allow_pickle: AllowPickleOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Plant a patch backdoor in a teacher: for tests, demonstrations and benchmarks.

    Weights, config and card say that the model is poisoned, and `push` refuses it without --allow-poisoned.
    """
    from hubslice.terminal.rates import rate
    from hubslice.verbs.poison.function import poison as make

    made = make(
        recipe,
        out=folder,
        overrides=overrides or (),
        device=device,
        allow_pickle=allow_pickle,
        reporter=out.progress(),
    )
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
