"""A layer of the neuron map: a Conv, Gemm or MatMul node, the parameter behind it, the tensors on its two sides."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact

Kind = Literal["conv", "depthwise", "linear"]


class TensorRef(Artefact):
    """An activation tensor of the graph whose channels are neurons.

    `channel_axis` counts from 0. `sample_axis` is the axis of the batch, None where the tensor is the same for all
    samples (computed from parameters alone, as position biases are). `windows` tells that the sample axis holds
    several rows for each sample, sample by sample, as window attention's [N * windows, T, C]. `key` is the name under
    which statistics of its channels are kept: `name`, except where the graph reads one tensor along two axes.
    """

    name: str
    key: str
    rank: int
    channels: int
    channel_axis: int
    sample_axis: int | None
    windows: bool = False


class Layer(Artefact):
    """One use of a weight: `output = node(input, weight)`, with `parameter` as the PyTorch name of the weight.

    `module` is the path of the module that owns it. `out_axis` and `in_axis` are the axes of the parameter for output
    and input channels: (0, 1) for convolutions [out, in / groups, ...] and `nn.Linear` [out, in], (1, 0) for
    transformers' `Conv1D` [in, out]. `kernel` is () for linear layers. `computed` tells that the node's weight is a
    function of the parameter of the same shape (weight standardisation), not the parameter itself.

    `input` is what the PyTorch module receives (before padding that was exported as a node of its own); `output` is
    what it returns: after the bias, before normalisation and activation.
    """

    node: str
    op: Literal["Conv", "Gemm", "MatMul"]
    module: str
    parameter: str
    kind: Kind
    groups: int
    in_channels: int
    out_channels: int
    kernel: tuple[int, ...]
    out_axis: int
    in_axis: int
    computed: bool
    input: TensorRef
    output: TensorRef
