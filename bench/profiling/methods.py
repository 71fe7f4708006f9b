"""Four ways over the same images: the model alone, hubslice's coverage, torch hooks, ONNX Runtime's calibrator.

Each is a function of a pulled model's folder, the images and the number of threads, and ends when all images went
through. What it imports is loaded before the clock starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator

from hubslice.artefacts.profile import NC
from hubslice.graph.neuron_map import NeuronMap
from hubslice.graph.session import open_session
from hubslice.models.folder import load_model
from hubslice.profiling.coverage import profile
from hubslice.run.steps.teacher import GRAPH, NEURONS, WEIGHTS_FOLDER

BATCH = 8  # what a recipe profiles with by default
EXPORTED = Path("steps", "export", GRAPH)
INPUT = "pixel_values"


@dataclass(frozen=True)
class Images:
    """`total` images, drawn in turn from a pool of prepared ones, float32 [m, 3, H, W]."""

    pool: np.ndarray
    total: int
    fingerprint: str = "pool"

    def __len__(self) -> int:
        return self.total

    def batch(self, start: int, stop: int) -> Mapping[str, np.ndarray]:
        """Images `start` to `stop` by the graph's input name."""
        return {INPUT: self.pool[np.arange(start, stop) % len(self.pool)]}

    def batches(self) -> list[tuple[int, int]]:
        """Start and stop of every batch."""
        return [(start, min(start + BATCH, self.total)) for start in range(0, self.total, BATCH)]


def plain(model: Path, images: Images, threads: int) -> None:
    """The exported graph run by ONNX Runtime, its logits thrown away."""
    session = open_session(model / EXPORTED, level="all", threads=threads)
    for start, stop in images.batches():
        session.runtime.run(None, dict(images.batch(start, stop)))


def coverage(model: Path, images: Images, threads: int) -> None:
    """hubslice: coverage of every convolution's and linear layer's channels, counted inside the graph."""
    neurons = NeuronMap.load(model / "steps" / "export" / NEURONS)
    profile(model / EXPORTED, neurons, images, NC, batch_size=BATCH, threads=threads)


def torch_hooks(model: Path, images: Images, threads: int) -> None:
    """Forward hooks on every convolution and linear layer, as research code does, but reduced batch by batch."""
    torch.set_num_threads(threads)
    network = load_model(model / "steps" / "pull" / WEIGHTS_FOLDER)
    counts: dict[str, torch.Tensor] = {}

    def count(name: str, tensor: torch.Tensor) -> None:
        flat = tensor.flatten(2) if tensor.ndim > 2 else tensor.unsqueeze(-1)
        low, high = (extreme(flat, dim=(1, 2), keepdim=True) for extreme in (torch.amin, torch.amax))
        active = ((flat - low) / (high - low)).mean(2) > NC.threshold
        counts[name] = counts.get(name, 0) + active.sum(0)

    def hook(name: str) -> Callable[[torch.nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def seen(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            count(f"{name}.in", inputs[0])
            count(f"{name}.out", output)

        return seen

    for name, module in network.module.named_modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(hook(name))
    with torch.inference_mode():
        for start, stop in images.batches():
            network.module(torch.from_numpy(images.batch(start, stop)[INPUT]))


def minmax(model: Path, images: Images, threads: int) -> None:
    """ONNX Runtime's MinMax calibrator over the tensors of the same layers: one minimum and maximum a tensor."""

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(images.batches())

        def get_next(self) -> Mapping[str, np.ndarray] | None:
            span = next(self.left, None)
            return None if span is None else images.batch(*span)

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    augmented = model / "augmented.onnx"
    calibrator = create_calibrator(
        model / EXPORTED,
        ["Conv", "Gemm", "MatMul"],
        augmented_model_path=str(augmented),
        calibrate_method=CalibrationMethod.MinMax,
    )
    # Its own session has the default threads, all cores; the others here have as many as they are told.
    calibrator.infer_session = ort.InferenceSession(str(augmented), options, providers=["CPUExecutionProvider"])
    calibrator.collect_data(Reader())
    calibrator.compute_data()


METHODS: dict[str, Callable[[Path, Images, int], None]] = {
    "plain": plain,
    "coverage": coverage,
    "torch-hooks": torch_hooks,
    "minmax": minmax,
}
TITLES = {
    "plain": "plain ONNX Runtime",
    "coverage": "hubslice coverage",
    "torch-hooks": "torch forward hooks",
    "minmax": "ONNX Runtime MinMax calibrator",
}
