"""Record the operators that PyTorch runs, eager or compiled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.core.errors import LineageError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import machine_fault
from hubslice.graph.export import quiet
from hubslice.models.calling import Call, eval_mode
from hubslice.verbs.execution.trace import Trace

WARM_UP = 3  # calls before recording: caches, code generated in the first call
_MARK = "hubslice: one inference"
_KERNEL = re.compile(r"(cpp|triton)_")
_LONGEST = np.iinfo(np.uint32).max


def record_torch(
    module: nn.Module, inputs: Mapping[str, Tensor], runs: int, *, compiled: bool, threads: int
) -> tuple[Trace, ...]:
    """Return one trace per run of the module in eval mode, on the device of module and inputs.

    On the CPU events are the outermost operators and, for compiled models, the fused loops between them; on a GPU its
    kernels. Names of fused loops lose their numbers, which only count them.

    Raises:
        LineageError: the module does not take such inputs, or torch.compile does not work here, or not for this module.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # otherwise the profiler reports its start and stop on stderr
    from torch.profiler import ProfilerActivity, profile, record_function

    tensors = tuple(inputs.values())
    device = tensors[0].device
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    with eval_mode(module), torch.inference_mode(), _threads(threads), quiet():
        call: Any = Call(module, tuple(inputs)).eval()
        _try(call, tensors)
        if compiled:
            call = _compiled(call, tensors)
        for _ in range(WARM_UP):
            call(*tensors)
        with profile(activities=activities) as seen:
            for _ in range(runs):
                with record_function(_MARK):
                    call(*tensors)
                    if device.type == "cuda":
                        torch.cuda.synchronize(device)
        events = seen.events()
        if compiled:
            torch.compiler.reset()
    marks = sorted(
        (event for event in events if event.name == _MARK and not _on_device(event)),
        key=_start,
    )
    on_device = [event for event in events if _on_device(event)]
    return tuple(_trace(mark, on_device if device.type == "cuda" else None) for mark in marks)


def _try(call: nn.Module, tensors: tuple[Tensor, ...]) -> None:
    try:
        call(*tensors)
    except Exception as error:  # a network may raise anything for unsuitable inputs
        if machine_fault(error) is not None:
            raise
        shapes = ", ".join("x".join(map(str, tensor.shape)) for tensor in tensors)
        raise LineageError(
            f"the model cannot be run on inputs of {shapes}: {first_line(error)[:200]}",
            hint="give --input-size with the side that it was made for",
        ) from error


def _compiled(call: nn.Module, tensors: tuple[Tensor, ...]) -> Any:
    made = torch.compile(call, dynamic=False, options={"cpp.enable_kernel_profile": True})
    try:
        made(*tensors)
    except Exception as error:  # dynamo and inductor do not document which errors they raise
        torch.compiler.reset()
        if machine_fault(error) is not None:
            raise
        raise LineageError(
            f"torch.compile does not work here: {type(error).__name__}: {first_line(error)[:200]}",
            hint="it needs a C++ compiler (g++) and a model that it understands; other stacks need neither: --stack",
        ) from error
    return made


def _trace(mark: Any, on_device: list[Any] | None) -> Trace:
    if on_device is None:
        events = list(_operators(mark))
    else:
        first, last = mark.time_range.start, mark.time_range.end
        events = [each for each in on_device if first <= _start(each) <= last and not each.is_user_annotation]
    events.sort(key=_start)
    spent = np.array([1000 * event.time_range.elapsed_us() for event in events])
    return Trace(tuple(_plain(event.name) for event in events), spent.clip(0, _LONGEST).round().astype(np.uint32))


def _operators(event: Any) -> Iterator[Any]:
    """Yield the outermost operators and fused loops below an event, descending into wrappers."""
    for child in event.cpu_children:
        if "::" in child.name or _KERNEL.search(child.name):
            yield child
        else:
            yield from _operators(child)


def _plain(name: str) -> str:
    found = _KERNEL.search(name)
    return name if found is None or "::" in name else re.sub(r"_\d+$", "", name[found.start() :])


def _on_device(event: Any) -> bool:
    return bool(event.device_type.name != "CPU")


def _start(event: Any) -> float:
    return float(event.time_range.start)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
