"""Save the state of a training or a search as safetensors; an interrupted one resumes from it, bit for bit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from hubslice.core.artefact import write_atomically


@dataclass(frozen=True)
class Progress:
    """How far the work has got: steps done, and plain values that the loop needs to resume."""

    step: int
    facts: dict[str, Any]


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, best: dict[str, Tensor], progress: Progress
) -> None:
    """Write weights, optimizer state and the best weights so far, atomically."""
    tensors = {f"model/{name}": tensor for name, tensor in module.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        for key, value in state.items():
            if value is not None:
                tensors[f"optimizer/{index}/{key}"] = torch.as_tensor(value)
    # Clone tensors that share memory (tied weights), which safetensors refuses.
    flat = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    about = json.dumps({"step": progress.step, "facts": progress.facts})
    write_atomically(path, to_safetensors(flat, metadata={"progress": about}))


def load_checkpoint(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Load a checkpoint into module and optimizer; returns its progress and best weights, or None if there is none."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (FileNotFoundError, SafetensorError):
        return None
    part = {
        kind: {name.removeprefix(f"{kind}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{kind}/")}
        for kind in ("model", "best", "optimizer")
    }
    module.load_state_dict(part["model"])
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part["optimizer"].items():
        index, key = name.split("/", 1)
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return Progress(about["step"], about["facts"]), part["best"]
