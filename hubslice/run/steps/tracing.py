"""Tracing the task's samples back through the teacher: what each of its weights contributed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from hubslice.core.cost import Cost, Workload
from hubslice.engine.step import Context, Step
from hubslice.recipe.schema import SliceRecipe
from hubslice.recipe.slicing import Traced
from hubslice.run.arms import KnownLabels, known_labels
from hubslice.run.steps.inputs import ModelInputs
from hubslice.run.steps.teacher import GRAPH

if TYPE_CHECKING:
    from hubslice.artefacts.contributions import Contributions
    from hubslice.graph.neuron_map import NeuronMap
    from hubslice.models.base import Model
    from hubslice.task.task import Split
    from hubslice.training.initial import Known

CONTRIBUTIONS = "contributions.safetensors"
BATCH = 32  # samples at a time where only means are taken


@dataclass(frozen=True, kw_only=True)
class TraceStep(Step):
    """Sum, for every weight, the sizes of its contributions to the teacher's answers on the training samples."""

    kind: ClassVar[str] = "trace"
    version: ClassVar[int] = 2

    tracing: Traced
    known: KnownLabels | None
    seed: int

    @classmethod
    def of(cls, recipe: SliceRecipe) -> TraceStep:
        """Return the step for a recipe.

        Settings that only affect the ranking, such as the ratio, do not change the trace.
        """
        return cls(tracing=cast(Traced, recipe.slice).tracing, known=known_labels(recipe), seed=recipe.seed)

    @property
    def title(self) -> str:
        return "Trace the samples back"

    @property
    def inputs(self) -> tuple[str, ...]:
        return "pull", "data", "export"

    def cost(self, work: Workload) -> Cost:
        units = work.units
        count = sum(min(size, self.tracing.samples) for size in work.classes)
        each = count * (units.tracing + units.decoding + units.passing)  # means are computed in a separate pass
        return Cost(units.loading + units.tracing_start + each, units.sizes[self.kind])

    def run(self, context: Context) -> None:
        from hubslice.graph.neuron_map import NeuronMap

        model, task = context.model("pull"), context.task()
        model.check_answers()  # they are traced
        split = some_of_each(task.train, self.tracing.samples, self.seed)
        with context.reporter.track("Tracing", len(split), "sample") as bar:
            found = contributions(
                model,
                context.inputs["export"] / GRAPH,
                context.open("export", NeuronMap),
                split,
                self.tracing,
                known=None if self.known is None else self.known.behind(model.labels, task.labels),
                device=str(context.device),
                progress=bar.advance,
            )
        found.save(context.out / CONTRIBUTIONS)

    def open(self, folder: Path) -> Contributions:
        """Return the sums."""
        from hubslice.artefacts.contributions import Contributions

        return Contributions.load(folder / CONTRIBUTIONS)


def some_of_each(split: Split, samples: int, seed: int) -> Split:
    """Return at most that many samples of each class, drawn with the seed, in the split's order."""
    order = np.random.default_rng(seed).permutation(len(split))
    chosen = [order[split.targets[order] == label][:samples] for label in np.unique(split.targets)]
    return split.at(np.sort(np.concatenate(chosen)))


def contributions(
    model: Model,
    graph: Path,
    neurons: NeuronMap,
    split: Split,
    params: Traced,
    *,
    known: Known | None,
    device: str,
    progress: Callable[[int], None],
) -> Contributions:
    """What each weight contributed on the samples of a split, compared with their own means.

    `known` are the teacher's labels behind each of the task's: a sample is traced back from its own class where that
    is one of the teacher's, else from the teacher's answer.

    Raises:
        DataError: the teacher does not have one of the labels.
        ParityError: the folded graph computes something else than the model.
        RuleError: an operator of the model has no rule.
        ExplainError: the model computes values that are not finite.
    """
    from hubslice.artefacts.contributions import Contributions
    from hubslice.tracing.engine import trace
    from hubslice.tracing.means import take_means
    from hubslice.tracing.names import Names
    from hubslice.tracing.selection import Selection
    from hubslice.tracing.traceable import SAMPLES, folded_network
    from hubslice.training.initial import known_columns

    network = folded_network(model, graph, model.example_inputs(SAMPLES, seed=0))
    inputs = ModelInputs(split, model, "")
    batches = (inputs.batch(at, min(at + BATCH, len(inputs))) for at in range(0, len(inputs), BATCH))
    means = take_means(network, {0: batches}, neuron=params.mean, data="the samples that are traced", device=device)
    selection = Selection(rule=params.rule, theta=params.theta)
    columns = known_columns(model, known or ())
    own = np.array([found[0] if len(found) == 1 else -1 for found in columns], np.int64)
    traced = trace(
        network,
        inputs,
        means,
        selection,
        target=own[split.targets] if known else None,
        neurons=False,
        synapses=False,
        magnitudes=True,
        workers=os.cpu_count() or 1,
        device=device,
        progress=progress,
    )
    weights = Names.of(network.flow, neurons).by_parameter(network.flow, traced.magnitudes)
    about = {"model": network.hash, "mean": means.neuron, **selection.model_dump(mode="json")}
    return Contributions(weights, len(inputs), about)
