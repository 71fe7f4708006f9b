"""Export a model as an ONNX graph for plain ONNX Runtime: folded constants and batch normalisation."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from pathlib import Path

import onnx
from onnxscript import ir, optimizer

from hubslice.artefacts.report import ParityReport
from hubslice.core.artefact import DRAFT
from hubslice.core.errors import ParityError
from hubslice.core.progress import SILENT, Reporter, stage
from hubslice.graph.export import export_onnx
from hubslice.graph.parity import check_parity
from hubslice.models.base import POISONED, Model

SAMPLES = 4
INLINE = 1_500_000_000  # bytes of weights; a graph file is limited to 2 GiB
FULL_TOLERANCE = 1e-4  # relative to the largest logit: folded weights round differently
HALF_TOLERANCE = 3e-2  # relative to the largest logit: float16 has three decimal digits, and errors add up over layers


def write_onnx(model: Model, path: Path, *, half: bool = False, reporter: Reporter = SILENT) -> ParityReport:
    """Write the model as an ONNX graph to `path` after checking on seeded inputs that it computes the same.

    The input is the module's (images normalised), float32 with a dynamic batch axis, and so is the output, `logits`;
    with `half` everything between is float16. Labels and preprocessing are in the graph's metadata. In the plain
    export, ONNX Runtime cannot fold batch normalisation, whose parameters are outputs of other nodes; here it is folded
    into the preceding convolutions. Weights of large models are in a separate file, with `.data` appended to the name.

    Raises:
        ExportError: the model cannot be exported.
        ParityError: the graph computes something else; nothing is written.
    """
    inputs = model.example_inputs(SAMPLES, seed=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=DRAFT) as folder:
        draft = Path(folder) / path.name
        with stage(reporter, "export", "Export to ONNX"):
            export_onnx(model.module, inputs, draft)
        with stage(reporter, "fold", "Fold normalisation and constants" + (", change to float16" if half else "")):
            graph = ir.load(draft)
            _join_limits(graph)
            optimizer.optimize(graph)
            proto = ir.to_proto(graph)
            _drop_shapes_of_weights(proto)
            _keep_paddings(proto)
            if half:
                proto = _halved(proto)
        about: dict[str, object] = {"labels": list(model.labels)}
        if model.preprocessing is not None:
            about["preprocessing"] = model.preprocessing.model_dump(mode="json")
        if model.poisoned:
            about[POISONED] = True
        onnx.helper.set_model_props(proto, {key: json.dumps(value) for key, value in about.items()})
        weights = draft.with_name(f"{path.name}.data")
        large = proto.ByteSize() > INLINE
        onnx.save(proto, draft, save_as_external_data=large, location=weights.name)
        try:
            tolerance = HALF_TOLERANCE if half else FULL_TOLERANCE
            with stage(reporter, "parity", "Compare the graph with PyTorch"):
                parity = check_parity(model.module, draft, inputs, rtol=tolerance, plain=True)
        except ParityError as error:
            error.hint = (
                "use --to onnx: this model may need float32"
                if half
                else "ONNX Runtime's own optimisations may be at fault; `hubslice pull` exports without relying on them"
            )
            raise
        if large:  # first, so that the graph never exists without them
            weights.replace(path.with_name(weights.name))
        draft.replace(path)
    return parity


def _join_limits(model: ir.Model) -> None:
    """Replace Min after Max with constant limits by Clip.

    The optimizer does this too, but names the limits after the clipped tensor, and loses some if a tensor is clipped
    several times (onnxscript 0.7.2), as before the three projections of Gemma's attention.
    """
    for upper in list(model.graph):
        lower = upper.inputs[0].producer() if upper.op_type == "Min" and upper.inputs[0] is not None else None
        if lower is None or lower.op_type != "Max" or len(lower.outputs[0].uses()) > 1:
            continue
        limits = [*lower.inputs[1:], *upper.inputs[1:]]
        if len(limits) == 2 and all(limit is not None and _is_number(limit) for limit in limits):
            clip = ir.node("Clip", [lower.inputs[0], *limits])
            ir.convenience.replace_nodes_and_values(
                model.graph, upper, [lower, upper], [clip], [upper.outputs[0]], [clip.outputs[0]]
            )


def _is_number(value: ir.Value) -> bool:
    """Return whether it is a constant scalar of any type."""
    maker = value.producer()
    given = maker.inputs[0] if maker is not None and maker.op_type == "CastLike" else value
    found = None if given is None else ir.convenience.get_const_tensor(given)
    return found is not None and len(found.shape) == 0


def _drop_shapes_of_weights(proto: onnx.ModelProto) -> None:
    """Remove redundant shapes of weights, which break tools that transpose weights (ONNX Runtime's quantisation)."""
    weights = {tensor.name for tensor in proto.graph.initializer}
    kept = [value for value in proto.graph.value_info if value.name not in weights]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)


def _keep_paddings(proto: onnx.ModelProto) -> None:
    """Keep ONNX Runtime from fusing zero padding into a MaxPool, whose own padding is minus infinity.

    The fusion changes the result wherever a window is negative, as in BiT's stem (ONNX Runtime 1.31). It skips a
    MaxPool with a second output, the positions of the maxima, whether that is used or not.
    """
    padded = {output for node in proto.graph.node if node.op_type == "Pad" for output in node.output}
    for node in proto.graph.node:
        if node.op_type == "MaxPool" and node.input[0] in padded and len(node.output) == 1:
            node.output.append(f"{node.output[0]}_places")


def _halved(proto: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numbers too small for float16 become its smallest value
            return convert_float_to_float16(proto, keep_io_types=True)
    finally:
        logging.disable(before)
