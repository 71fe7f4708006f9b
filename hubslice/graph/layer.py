"""A layer of the neuron map: a Conv, Gemm or MatMul node, its parameter, and its input and output tensors."""

from __future__ import annotations

from typing import Literal

from hubslice.core.artefact import Artefact

Kind = Literal["conv", "depthwise", "linear"]


class TensorRef(Artefact):
    """An activation tensor of the graph whose channels are neurons.

    `channel_axis` counts from 0. `sample_axis` is the axis of the batch, None if the tensor is the same for all samples
    (computed only from parameters, like position biases). `windows` means that the sample axis has several consecutive
    rows for each sample, as in window attention's [N * windows, T, C]. `key` is the name under which statistics of its
    channels are stored: `name`, except where the graph reads one tensor along two axes.
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
    transformers' `Conv1D` [in, out]. `kernel` is () for linear layers. `computed` means that the node's weight is a
    function of the parameter with the same shape (weight standardisation), not the parameter itself.

    `input` is what the PyTorch module receives (before padding that was exported as a separate node); `output` is what
    it returns: after the bias, before normalisation and activation.
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
