"""SeaM: find the weights that a task needs by gradient search over binary gates.

Qi et al., *Reusing Deep Neural Network Models through Model Re-engineering*, ICSE 2023. The loss is that of the task
plus alpha times the share of weights kept; the network's own weights never change, its BatchNorm stays in evaluation
mode, and a classifier is trained along. Differences from the authors' code: epochs are evaluated on a validation split,
not on the test set; the classifier replaces the original one instead of following it, so that stock code loads the
result; whole channels can be searched for. And scores that all start at 1 reach 0 in the same few steps, which breaks
compact networks before the search has begun: here they start at the rank of their weights' magnitude, or of their
squared gradients.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hubslice.artefacts.search import SearchEpoch, SearchHistory
from hubslice.core.checkpoint import Progress, load_checkpoint, save_checkpoint
from hubslice.core.errors import SliceError
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.modality.modality import Encoded, placed
from hubslice.models.base import Model
from hubslice.models.layout import training_layout
from hubslice.recipe.seam import SeamParams
from hubslice.slicing.gates import Gates

# Yields the batches of an epoch, by its number: (uint8 [N, C, H, W], class indices [N]).
EpochOf = Callable[[int], Iterable[tuple[Encoded, Tensor]]]


class _State(nn.Module):
    """Everything that a search changes, for its checkpoint."""

    def __init__(self, gates: Gates, classifier: Sequence[nn.Parameter]) -> None:
        super().__init__()
        for index, score in enumerate(gates.scores):
            self.register_buffer(f"score{index}", score)
        self.classifier = nn.ParameterList(classifier)

    def scores(self) -> dict[str, Tensor]:
        return {name: tensor.detach().cpu().clone() for name, tensor in self.named_buffers(recurse=False)}


def search(
    model: Model,
    gates: Gates,
    params: SeamParams,
    *,
    batches: EpochOf,
    validate: Callable[[], Rate],
    steps: int,
    seed: int,
    checkpoint: Path,
    reporter: Reporter,
    bf16: bool | None = None,
) -> tuple[dict[str, np.ndarray], SearchHistory]:
    """Search for masks; returns them by parameter name, with the history of the search.

    `model` has the task's classifier and is on the device to search on; at the end the gates are written into it.
    `batches` yields an epoch of `steps` batches, the same for the same number; `validate` returns the accuracy of the
    current model. After each epoch the search can be killed; it then resumes from `checkpoint`. `bf16` selects bfloat16
    computation, by default on CUDA devices.

    Raises:
        SliceError: the requested retention or accuracy is not reached.
    """
    module = model.module.eval()
    head = list(model.head.parameters.values())
    trained = [*gates.parameters, *head]
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    optimizer = torch.optim.Adam(
        [{"params": gates.scores, "lr": params.lr_mask}, {"params": head, "lr": params.lr_head}]
    )
    state = _State(gates, head)
    epochs, best = list[SearchEpoch](), dict[str, Tensor]()
    gates.write()
    found = load_checkpoint(checkpoint, state, optimizer)
    if found:
        facts, best = found[0].facts, found[1]
        whole, epochs = facts["whole"], [SearchEpoch.model_validate(epoch) for epoch in facts["epochs"]]
        gates.write()
    else:
        whole = _value(validate())
    device = head[0].device
    layout = training_layout(module, device)
    mixed = device.type == "cuda" if bf16 is None else bf16
    loss_of = nn.CrossEntropyLoss()

    with reporter.track("Searching", steps * params.epochs, "step") as bar:
        bar.advance(steps * len(epochs))
        while len(epochs) < params.epochs and not _reached(epochs, params):
            scheduled = params.moves(len(epochs))
            watched = params.start == "gradient" and len(epochs) == params.head_epochs - 1
            for parameter in trained:
                parameter.requires_grad_(scheduled or watched or any(parameter is own for own in head))
            total, count = torch.zeros((), device=device), 0
            for samples, targets in batches(len(epochs)):
                moving = scheduled and not _enough(gates.retention, params)
                torch.manual_seed((seed << 32) + len(epochs) * steps + count)
                with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
                    loss = loss_of(model.answer(placed(samples, device, layout)), targets.to(device))
                module.zero_grad(set_to_none=True)
                gates.clear()
                loss.backward()
                if watched:
                    gates.watch()
                if moving:
                    gates.collect(params.alpha)
                optimizer.step()
                if moving:
                    gates.write()
                total, count = total + loss.detach(), count + 1
                bar.advance(1)
            if watched:
                gates.rank()
            mean = float(total / max(count, 1))
            if not math.isfinite(mean):
                raise SliceError(
                    f"the search diverged in epoch {len(epochs) + 1}: its loss is no number",
                    hint="lower slice.lr_head or slice.lr_mask",
                )
            kept = {"retention": gates.retention, "network": gates.of_network}
            epochs.append(SearchEpoch(gates=scheduled, loss=mean, validation=validate(), **kept))
            if not any(epoch.gates for epoch in epochs):
                whole = max(whole, _value(epochs[-1].validation))
            if chosen_epoch(epochs, whole, params) == len(epochs) - 1:
                best = state.scores()
            whole_network = f"{gates.of_network:.1%} of the whole network"
            told = f"keeps {gates.retention:.1%}, {whole_network}, validation {epochs[-1].validation.value:.1%}"
            bar.advance(0, told)
            facts = {"whole": whole, "epochs": [epoch.model_dump() for epoch in epochs]}
            save_checkpoint(checkpoint, state, optimizer, best, Progress(len(epochs) * steps, facts))

    for name, score in best.items():
        state.get_buffer(name).copy_(score)
    gates.write()
    chosen = chosen_epoch(epochs, whole, params)
    history = SearchHistory(whole=whole, floor=accuracy_floor(whole, params), epochs=tuple(epochs), chosen=chosen)
    _require(history, params)
    return gates.masks(), history


def _value(rate: Rate) -> float:
    return rate.value or 0.0


def accuracy_floor(whole: float, params: SeamParams) -> float:
    """Return the required validation accuracy if all weights reach `whole`."""
    return whole - (params.max_accuracy_drop or 0.0)


def _reached(epochs: list[SearchEpoch], params: SeamParams) -> bool:
    return bool(epochs) and _enough(epochs[-1].retention, params)


def _enough(retention: float, params: SeamParams) -> bool:
    """Return whether the target is met: the gates then stay fixed until the end of the epoch to avoid overshooting."""
    return params.retention is not None and retention <= params.retention


def chosen_epoch(epochs: Sequence[SearchEpoch], whole: float, params: SeamParams) -> int:
    """Return the epoch to keep: minimum retention (in tenths of a percent) above the accuracy floor, then accuracy.

    As published, if no epoch reaches the floor, the largest accuracy minus retention counts. With a target for the
    retention it is the first epoch that reaches it.
    """
    target = params.retention
    if target is not None:
        return min(range(len(epochs)), key=lambda i: (epochs[i].retention > target, i))
    floor = accuracy_floor(whole, params)

    def rank(index: int) -> tuple[bool, float, float]:
        epoch, accuracy = epochs[index], _value(epochs[index].validation)
        if accuracy >= floor:
            return True, -round(epoch.retention, 3), accuracy
        return False, accuracy - epoch.retention, 0.0

    return max(range(len(epochs)), key=rank)


def _require(history: SearchHistory, params: SeamParams) -> None:
    """Raise SliceError unless targets were met, reporting what was reached."""
    result = history.result
    if params.retention is None:
        if params.max_accuracy_drop is not None and _value(result.validation) < history.floor:
            best = max(history.epochs, key=lambda epoch: _value(epoch.validation))
            raise SliceError(
                f"slice.max_accuracy_drop: no epoch kept {history.floor:.1%} validation accuracy; the best, at "
                f"a retention of {best.retention:.1%}, was {_value(best.validation):.1%}",
                hint="allow a larger drop, or give it more slice.head_epochs or a smaller slice.alpha",
            )
        return
    wanted = f"slice.retention: {params.retention:.1%}"
    least = min(history.epochs, key=lambda epoch: epoch.retention)
    if least.retention > params.retention:
        raise SliceError(
            f"{wanted} was not reached in {len(history.epochs)} epochs; the least was {least.retention:.1%}, with "
            f"{_value(least.validation):.1%} validation accuracy",
            hint="give it more slice.epochs, or a larger slice.alpha or slice.lr_mask",
        )
    if params.max_accuracy_drop is not None and _value(result.validation) < history.floor:
        good = [epoch.retention for epoch in history.epochs if _value(epoch.validation) >= history.floor]
        kept = f"the least retention that kept it was {min(good):.1%}" if good else "no epoch kept it"
        raise SliceError(
            f"{wanted} cannot be had within slice.max_accuracy_drop: at {result.retention:.1%} the validation accuracy "
            f"was {_value(result.validation):.1%}, and {history.floor:.1%} is the floor; {kept}",
            hint="ask for more retention or allow a larger drop; more slice.epochs with a smaller slice.alpha can help",
        )
