"""Further training of a model towards given answers: a short, seeded loop over samples in memory."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from hubslice.artefacts.slice import Slice
from hubslice.core.errors import MemoryShortError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.core.progress import Reporter
from hubslice.modality.modality import Encoded, placed
from hubslice.models.base import Model
from hubslice.recipe.deviation import RepairParams
from hubslice.training.distillation import distillation_loss
from hubslice.training.hold import hold


def distil(
    model: Model,
    encoded: Callable[[np.ndarray], Encoded],
    answers: Tensor,
    params: RepairParams,
    *,
    held: Slice,
    device: torch.device,
    reporter: Reporter,
) -> tuple[float, ...]:
    """Train `model` in place, on samples whose `answers` are logarithms of probabilities [n, classes].

    `encoded` gives the samples with the numbers [batch]. The loss is the Kullback-Leibler
    divergence of the model's probabilities from the answers; its mean in every epoch is given back. Weights outside
    `held` stay what they are. The network is in evaluation mode throughout: a few changed samples must not move the
    running statistics of normalisation, and nothing is dropped. Ends at the first epoch whose loss is not finite.

    Raises:
        MemoryShortError: a batch of this size does not fit into memory.
    """
    network = model.module.to(device).eval()
    optimizer = torch.optim.Adam([weight for weight in network.parameters() if weight.requires_grad], lr=params.lr)
    steps = params.epochs * math.ceil(len(answers) / params.batch_size)
    losses: list[float] = []
    exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with reporter.track("Repair", steps, "steps") as bar, hold(network, held), exact:
            for epoch in range(params.epochs):
                order = np.random.default_rng((params.seed, epoch)).permutation(len(answers))
                total = 0.0
                for start in range(0, len(order), params.batch_size):
                    rows = order[start : start + params.batch_size]
                    done = (epoch + start / len(order)) / params.epochs
                    optimizer.param_groups[0]["lr"] = params.lr * 0.5 * (1 + math.cos(math.pi * done))
                    wanted = answers[torch.from_numpy(rows)].to(device)
                    loss = distillation_loss(model.answer(placed(encoded(rows), device)), wanted, temperature=1.0)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(rows)
                    bar.advance(1, f"loss {loss.item():.3f}")
                losses.append(total / len(order))
                if not math.isfinite(losses[-1]):
                    break
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise MemoryShortError(
            f"out of memory in training with {params.batch_size} samples a step ({first_line(error)})",
            hint="use --device cpu, or a smaller --input-size",
        ) from error
    network.cpu()
    return tuple(losses)
