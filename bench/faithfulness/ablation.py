"""What the target's logit loses when channels of a layer are put to their means."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hubslice.graph.session import open_session
from hubslice.tracing.op import Op

BATCH = 25


class Ablation:
    """The folded graph with a layer whose channels can be put to given values, sample by sample."""

    def __init__(self, model: Any, op: Op, mean: np.ndarray) -> None:
        """`mean` [C] are the values."""
        self.mean = mean.astype(np.float32)
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        graph = changed.graph
        before = f"{op.output}:before"
        at = next(at for at, node in enumerate(graph.node) if op.output in node.output)
        names = graph.node[at].output
        names[list(names).index(op.output)] = before
        shape = ["n", len(mean), 1, 1]
        for name in ("keep", "fill"):
            graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        graph.node.insert(at + 1, helper.make_node("Mul", [before, "keep"], [f"{before}:kept"]))
        graph.node.insert(at + 2, helper.make_node("Add", [f"{before}:kept", "fill"], [op.output]))
        self.runtime = open_session(changed.SerializeToString(), threads=1).runtime

    def logits(self, given: dict[str, np.ndarray], gone: np.ndarray) -> np.ndarray:
        """Logits [N, classes] without the channels `gone`, bool [N, C]."""
        found = []
        for start in range(0, len(gone), BATCH):
            part = {name: array[start : start + BATCH] for name, array in given.items()}
            away = gone[start : start + BATCH, :, None, None]
            part |= {"keep": (~away).astype(np.float32), "fill": (away * self.mean[:, None, None]).astype(np.float32)}
            found.append(self.runtime.run(None, part)[0])
        return np.concatenate(found)
