"""What `hubslice explain` found, as facts: inputs, settings, and what matters in each layer."""

from __future__ import annotations

from hubslice.core.artefact import Artefact
from hubslice.core.numbers import signed
from hubslice.core.rate import Rate


class ExplainedInput(Artefact):
    """An input: the model's answer with its softmax probability, and the label that was traced back from."""

    name: str
    answer: str
    probability: float
    target: str
    target_probability: float


class ChannelShare(Artefact):
    """A channel of a layer: its contribution, and its force, contribution times the size of the deviation.

    Both are summed over positions and inputs; of decisive channels the force for the target alone, of opposing ones
    what is left against it when both are added.
    """

    channel: int
    contribution: int
    force: float


def force_words(force: float) -> str:
    """A force for people: +1,830 or -0.27."""
    return signed(force, 2)


class LayerFacts(Artefact):
    """A layer: how much of it took part, and which channels have the most force for the target and against it.

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
    """A layer: how many of its weights are withheld, and which share of all contributions these made."""

    parameter: str
    weights: int
    withheld: int
    contributions: float


class Answered(Artefact):
    """Accuracy on test images of the protected labels, and on all."""

    protected: Rate
    all: Rate


class Attack(Artefact):
    """What somebody makes of the public weights who retrains them, on so many `images` for so many epochs.

    `whole` is the model itself; `before` and `after` the attack what is public; `random` what the same attack makes of
    it where as many random weights of each layer are withheld. One seed.
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
    """The facts. `mean` says what neurons were compared with, `model_hash` is that of the folded graph."""

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
