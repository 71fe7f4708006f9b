"""Rules for operators with one predecessor for each neuron, which gets the whole contribution."""

from __future__ import annotations

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace


def _pointwise(op: Op, trace: Trace) -> None:
    """Functions of one element (Relu, Sigmoid, Gelu, Tanh, ...): the element is the only predecessor.

    As in the authors' code for ReLU. A function that the exporter decomposed is recognised as a whole: x times
    sigmoid(x), or GELU through Erf, is an elementwise function of x, whatever branches it has (`Op.roots`).
    """
    if len(op.carried) != 1:
        raise RuleError(
            f"{op.kind} ({op.name}) joins {len(op.carried)} activations",
            hint="the rule is for functions of one activation",
        )
    trace.give(op.carried[0], trace.contribution(op.output))


def _normalised(op: Op, trace: Trace) -> None:
    """LayerNormalization and similar: each element is scaled and shifted by statistics of its whole row.

    The statistics are treated as given, like those of BatchNormalization, for which the authors pass contributions
    through: they are common to the row, so they do not distinguish its neurons.
    """
    trace.give(op.inputs[0], trace.contribution(op.output))


def _softmax(op: Op, trace: Trace) -> None:
    """Softmax: each probability rises with its own score, which gets the contribution.

    That it falls when others rise is common to the row, like the statistics of LayerNormalization; the sum is treated
    as given. No deviations are needed, so masked scores (minus infinity) cause no problems.
    """
    trace.give(op.inputs[0], trace.contribution(op.output))


FUNCTIONS = [
    "Abs",
    "Cast",
    "CastLike",
    "Celu",
    "Clip",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Max",
    "Min",
    "Mish",
    "Neg",
    "PRelu",
    "Pow",
    "Reciprocal",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "Tanh",
    "ThresholdedRelu",
]
NORMALISATIONS = [
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "LpNormalization",
    "RMSNormalization",
]
POINTWISE = {
    **{kind: Rule(_pointwise) for kind in FUNCTIONS},
    **{kind: Rule(_normalised) for kind in NORMALISATIONS},
    "Softmax": Rule(_softmax),
    "LogSoftmax": Rule(_softmax),
}
