"""Find the neurons and synapses that decided an answer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.paths import AnyPath, as_path, as_text
from hubslice.core.progress import Reporter, Silent
from hubslice.engine.run_folder import undisturbed

if TYPE_CHECKING:
    from hubslice.verbs.explain.facts import Explanation
    from hubslice.verbs.explain.service import Neuron, Rule


def explain(
    model: AnyPath,
    inputs: AnyPath,
    *,
    target: str | None = None,
    rule: Rule = "threshold",
    theta: float = 0.1,
    data: AnyPath | None = None,
    mean: Neuron = "channel",
    by_class: bool = False,
    protect: float | None = None,
    public: bool = False,
    attack: AnyPath | None = None,
    input_size: int | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Explanation:
    """Find the neurons and synapses that decided a model's answers, and write them to the folder `out`.

    `model` is a Hub id, a run, a model folder, or a graph that `convert` made; `inputs` are images: a file, a folder,
    a parquet file or an array of pixels. Traced back is the label `target`, or each answer. Neurons are compared with
    their means over `data`: images, a data set's Hub id, or the `means.safetensors` of an earlier call; without it,
    over the inputs and blank images. `rule` and `theta` are those of `hubslice.tracing.selection`; `mean` is of each
    channel, or of each element; `by_class` compares an input with the data that gets the same answer. With
    `protect`, that fraction of each layer's weights is marked as withheld, those that decided most; `public` writes the
    model without them, and `attack` tells what somebody makes of that who retrains it on labelled images (a path or
    Hub id, as `data.path` in a recipe). The result does not depend on `workers`, by default one for each core.

    Raises:
        DataError: the inputs or the data are missing, damaged, or of another kind or size.
        ExplainError: no such label, a profile of another model, or values that are not finite.
        RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used.
        FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.verbs.explain.service import explain as make

    with undisturbed(Path(model)):
        return make(
            os.fspath(model),
            as_path(inputs),
            target=target,
            rule=rule,
            theta=theta,
            data=None if data is None else as_text(data),
            mean=mean,
            by_class=by_class,
            protect=protect,
            public=public,
            attack=None if attack is None else os.fspath(attack),
            input_size=input_size,
            workers=workers or os.cpu_count() or 1,
            batch_size=batch_size,
            device=device,
            out=as_path(out),
            reporter=reporter or Silent(),
        )
