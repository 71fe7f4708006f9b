"""The results of `hubslice explain`, as artefacts: inputs, settings, and what matters in each layer."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.numbers import signed
from hubslice.core.rate import Rate


class ExplainedInput(Artefact):
    """An input: the model's prediction with its softmax probability, and the label that was traced back."""

    name: str
    answer: str
    probability: float
    target: str
    target_probability: float


class ChannelShare(Artefact):
    """A channel of a layer: its contribution, and its force, contribution times the size of the deviation.

    Both are summed over positions and inputs; for decisive channels the force for the target alone, for opposing ones
    the remaining force against it when both are added.
    """

    channel: int
    contribution: int
    force: float


def force_words(force: float) -> str:
    """Format a force for people: +1,830 or -0.27."""
    return signed(force, 2)


class LayerFacts(Artefact):
    """A layer: how much of it was involved, and the channels with the most force for and against the target.

    `live_neurons` is the share of (channel, position) with a contribution, over all inputs; `live_synapses` the share
    of weights whose contributions do not cancel.
    """

    name: str
    parameter: str
    operator: str
    channels: int
    positions: int
    live_neurons: float
    live_synapses: float
    decisive: tuple[ChannelShare, ...]
    opposing: tuple[ChannelShare, ...]


class ProtectedLayer(Artefact):
    """A layer: how many of its weights are withheld, and their share of all contributions."""

    parameter: str
    weights: int
    withheld: int
    contributions: float


class Answered(Artefact):
    """Accuracy on test images of the protected labels, and on all."""

    protected: Rate
    all: Rate


class Attack(Artefact):
    """The result of an attacker who retrains the public weights on that many `images` for that many epochs.

    `whole` is the model itself; `before` and `after` are the public weights before and after the attack; `random` is
    the result of the same attack with as many random weights of each layer withheld. One seed.
    """

    data: str
    images: int
    epochs: int
    protected: tuple[str, ...]
    whole: Answered
    before: Answered
    after: Answered
    random: Answered


class Protection(Artefact):
    """What is withheld: of each layer the fraction `share` of the weights, those that decided most for the inputs."""

    share: float
    weights: int
    withheld: int
    layers: tuple[ProtectedLayer, ...]
    attack: Attack | None = None


class Explanation(Artefact):
    """All results. `mean` is what neurons were compared with, `model_hash` that of the folded graph."""

    model: str
    model_hash: str
    architecture: str
    rule: str
    theta: float
    mean: str
    mean_samples: int
    inputs: tuple[ExplainedInput, ...]
    layers: tuple[LayerFacts, ...]
    live_neurons: float
    seconds: float
    folder: str
    files: tuple[str, ...]
    protected: Protection | None = None
