"""ONNX Runtime sessions on the requested provider, with bounded memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import onnxruntime as ort
import torch

from hubslice.core.errors import ProviderError

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

FATAL = 4  # a log level of ONNX Runtime

# Pad_Fusion fuses zero padding into a MaxPool, whose own padding is minus infinity: wrong wherever a window is
# negative, as in BiT's stem (seen in ONNX Runtime 1.31).
UNSOUND_OPTIMIZERS = ["Pad_Fusion"]

Level = Literal["none", "basic", "extended", "all"]
LEVELS = {
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


@dataclass(frozen=True)
class Session:
    """An ONNX Runtime session and its device: the provider's name, and device type and number for its buffers."""

    runtime: Any
    provider: str
    device_type: str  # "cpu" or "cuda"
    device_id: int

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the graph's inputs, in order."""
        return tuple(value.name for value in self.runtime.get_inputs())


def open_session(
    model: Path | bytes,
    device: str = "cpu",
    *,
    level: Level = "extended",
    threads: int | None = None,
    external_data: Path | None = None,
    shared: bool = False,
    profile: Path | None = None,
) -> Session:
    """Open a session on `device` ("cpu", "cuda" or "cuda:N") for a graph in a file or in memory.

    Nodes run in file order (priority-based) and layouts are kept up to level "extended": only both together bound the
    memory of graphs with inline reductions; "all" is faster for plain inference. `threads` is the number of threads
    within an operator, by default torch's. `external_data` is the folder of the weight files that an in-memory graph
    refers to. `shared` is for processes in which several sessions take turns: no thread spins after its session's run.
    With `profile` ONNX Runtime records every node that it runs, and `runtime.end_profiling()` writes a file whose name
    starts with that.

    Raises:
        ProviderError: the device's name is unknown, there is no such device, or ONNX Runtime fell back to the CPU.
    """
    device_type, device_id = parse_device(device)
    options = _quiet()
    options.graph_optimization_level = LEVELS[level]
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED
    options.intra_op_num_threads = threads or torch.get_num_threads()
    if external_data is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(external_data))
    if shared:
        options.add_session_config_entry("session.force_spinning_stop", "1")
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    source = model if isinstance(model, bytes) else str(model)
    if device_type == "cpu":
        return Session(_session(source, options, [CPU]), CPU, "cpu", 0)
    _require_cuda(device, device_id)
    # TF32 would lose three decimal digits that the parity check relies on.
    cuda = (CUDA, {"device_id": str(device_id), "use_tf32": "0"})
    runtime = _session(source, options, [cuda, CPU])
    if runtime.get_providers()[0] != CUDA:
        raise ProviderError(
            f"ONNX Runtime {ort.__version__} cannot run on {device} and fell back to {runtime.get_providers()[0]}",
            hint="its CUDA and cuDNN libraries must match torch's; use --device cpu otherwise",
        )
    return Session(runtime, CUDA, "cuda", device_id)


def _quiet() -> Any:
    """Return options under which ONNX Runtime prints nothing: it raises errors, and would print them as well."""
    options = ort.SessionOptions()
    options.log_severity_level = FATAL
    return options


def open_plain(model: Path) -> Session:
    """Open a session on the CPU with all of ONNX Runtime's defaults."""
    options = _quiet()
    return Session(ort.InferenceSession(str(model), options, providers=[CPU]), CPU, "cpu", 0)


def parse_device(device: str) -> tuple[str, int]:
    """Parse device type and number: "cpu" -> ("cpu", 0), "cuda" -> ("cuda", 0), "cuda:2" -> ("cuda", 2).

    Raises:
        ProviderError: the name has none of these forms.
    """
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", device)
    if match is None:
        raise ProviderError(f"unknown device {device!r}", hint="use cpu, cuda or cuda:N")
    return ("cpu", 0) if device == "cpu" else ("cuda", int(match[1] or 0))


def _session(source: bytes | str, options: Any, providers: list[Any]) -> Any:
    return ort.InferenceSession(source, options, providers=providers, disabled_optimizers=UNSOUND_OPTIMIZERS)


def _require_cuda(device: str, device_id: int) -> None:
    if not torch.cuda.is_available():
        raise ProviderError(f"{device} was asked for, but torch sees no CUDA device here", hint="use --device cpu")
    if device_id >= torch.cuda.device_count():
        raise ProviderError(f"{device} was asked for, but there are {torch.cuda.device_count()} CUDA devices")
    if CUDA not in ort.get_available_providers():
        raise ProviderError(
            f"{device} was asked for, but this onnxruntime is built for {', '.join(ort.get_available_providers())}",
            hint="install onnxruntime-gpu in place of onnxruntime",
        )
    ort.preload_dlls()  # loads the CUDA libraries installed with torch
