"""python -m bench.faithfulness [--network NAME] [--render]: ablate what explanations name, in one layer at a time.

Of every layer the top 5 % of the channels by each method, image by image, are put to their means over training
images; what that takes from the logit of the model's answer tells how much they mattered.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from hubslice.tracing.means import take_means
from hubslice.tracing.op import Op

from ..machine import Machine
from .ablation import Ablation
from .networks import PROFILED, TITLES, Case, case
from .outcome import Outcome
from .render import HERE, render
from .scores import BATCH, METHODS, gradients, traced

ROOT = Path(__file__).parents[2]
SHARE = 0.05  # of a layer's channels, at least one
DRAWS = 5  # of random channels
LAYERS = 12  # at the most, spread over the depth


def main() -> None:
    """Parse the arguments, measure what is missing, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.faithfulness", description=__doc__)
    parser.add_argument("--network", choices=TITLES, help="default: all")
    parser.add_argument("--reuse", type=Path, default=ROOT / "runs" / "bench" / "reuse", help="bench.reuse's folder")
    parser.add_argument("--render", action="store_true", help="render what is there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in TITLES if not given.render else ():
        path = HERE / "outcomes" / f"{name}.json"
        if given.network in {None, name} and not path.is_file():
            measure(name, case(name, given.reuse)).save(path)
    render()


def measure(name: str, given: Case) -> Outcome:
    """Explain and ablate."""
    network = given.subject.network
    batches = (given.profiled.batch(at, min(at + BATCH, PROFILED)) for at in range(0, PROFILED, BATCH))
    means = take_means(network, {0: batches}, threads=1)
    layers = chosen(given)
    scores, targets = traced(given, means, layers)
    print(f"{name}: traced", flush=True)
    scores["gradient"] = gradients(given, layers, targets)
    inputs = {given.subject.input: given.inputs(given.images)}
    rows, rng = np.arange(len(targets)), np.random.default_rng(0)
    drops: dict[str, dict[str, tuple[float, ...]]] = {}
    channels = {}
    for op in layers:
        layer = given.subject.names.layer[op.name]
        ablation = Ablation(network.model, op, means.tables[op.output][0].reshape(-1))
        count = len(ablation.mean)
        top = channels[layer] = max(1, round(SHARE * count))
        whole = ablation.logits(inputs, np.zeros((len(rows), count), bool))[rows, targets]
        found: dict[str, tuple[float, ...]] = {}
        for method in METHODS:
            draws = [rng.random((len(rows), count)) for _ in range(DRAWS)] if method == "random" else None
            lost = []
            for score in draws or [scores[method][op.name]]:
                gone = np.zeros((len(rows), count), bool)
                np.put_along_axis(gone, np.argsort(-score, axis=1, kind="stable")[:, :top], True, axis=1)
                lost.append(whole - ablation.logits(inputs, gone)[rows, targets])
            found[method] = tuple(round(float(drop), 4) for drop in np.mean(lost, axis=0))
        drops[layer] = found
        print(layer, {method: round(float(np.mean(found[method])), 3) for method in found}, flush=True)
    return Outcome(
        network=name,
        images=len(rows),
        logit=float(whole.mean()),
        channels=channels,
        drops=drops,
        machine=Machine.here(1).line,
    )


def chosen(given: Case) -> list[Op]:
    """Convolutions that are not depthwise, of which at most `LAYERS`, spread evenly."""
    flow = given.subject.network.flow
    found = [op for op in flow.layers if op.kind == "Conv" and op.attribute("group", 1) == 1]
    at = np.unique(np.linspace(0, len(found) - 1, min(LAYERS, len(found))).round().astype(int))
    return [found[index] for index in at]


if __name__ == "__main__":
    main()
