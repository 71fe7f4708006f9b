"""The fine-tuning loop: short, seeded per step, resumable at any step, on the devices that Accelerate finds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from hubslice.core.artefact import Artefact
from hubslice.core.checkpoint import Progress, load_checkpoint, save_checkpoint
from hubslice.core.errors import MemoryShortError
from hubslice.core.foreign_errors import first_line
from hubslice.core.machine import out_of_memory
from hubslice.core.processes import world
from hubslice.core.progress import Reporter
from hubslice.core.rate import Rate
from hubslice.modality.modality import placed
from hubslice.models.base import Model
from hubslice.models.layout import training_layout
from hubslice.recipe.schema import TrainParams
from hubslice.task.task import Split
from hubslice.training.batches import EpochBatches, Tamper, TrainingSamples, loader_of
from hubslice.training.distillation import answers, distillation_loss
from hubslice.training.predict import accuracy
from hubslice.training.single import check_batches

CHECKPOINT_SECONDS = 60


class Epoch(Artefact):
    """Mean training loss (None if not finite, or nothing was trained) and validation accuracy of an epoch."""

    loss: float | None
    validation: Rate


class History(Artefact):
    """The history of a training; `best` is the epoch whose weights were kept (the latest among equals), from 0."""

    epochs: tuple[Epoch, ...]
    best: int

    @property
    def validation(self) -> Rate:
        """Validation accuracy of the kept weights."""
        return self.epochs[self.best].validation


def finetune(
    model: Model,
    train: Split,
    validation: Split,
    params: TrainParams,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path,
    reporter: Reporter,
    label: str,
    tamper: Tamper | None = None,
    follow: Model | None = None,
) -> History:
    """Train `model` in place and leave it with the weights of its best epoch on the validation split.

    With `follow` the loss is the distance to that model's outputs for the same inputs, and targets are ignored. Order,
    augmentation and dropout depend only on (seed, step); a run that finds `checkpoint` resumes from it and ends with
    the same weights as an uninterrupted one.

    Raises:
        MemoryShortError: memory does not suffice for a batch of this size.
        RecipeError: batches are of one sample, of which the model cannot be trained.
        DataError: there are fewer samples than processes.
    """
    if world() == 1:  # global state: an earlier training on another device must not affect this one
        AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if params.bf16(device.type) else "no")
    rank, processes = accelerator.process_index, accelerator.num_processes
    batches = EpochBatches(len(train), params.batch_size, seed, rank=rank, world=processes)
    check_batches(model, params, batches)
    loader = loader_of(TrainingSamples(train, model.modality, params, seed, tamper), batches, params, device)
    # The module is not "prepared": that would leave autocast in its forward permanently, and validation is done in full
    # precision.
    layout = training_layout(model.module, accelerator.device)
    stock: nn.Module = model.module.to(accelerator.device, memory_format=layout)  # type: ignore[call-overload]
    head = model.classifier_parameters()
    for name, parameter in stock.named_parameters():
        parameter.requires_grad_(params.part == "all" or name in head)
    optimizer = accelerator.prepare(_optimizer(model, params))
    rates = [group["lr"] for group in optimizer.param_groups]
    loss_of = nn.CrossEntropyLoss(label_smoothing=params.label_smoothing)
    if follow is not None:
        follow.module.eval().to(accelerator.device)

    resumed = load_checkpoint(checkpoint, stock, optimizer)
    step, epochs, best, total = 0, list[Epoch](), dict[str, Tensor](), 0.0
    if resumed:
        progress, best = resumed
        step, total = progress.step, progress.facts["loss"]
        epochs = [Epoch.model_validate(epoch) for epoch in progress.facts["epochs"]]
    steps = batches.steps * params.epochs
    saved = time.monotonic()
    # Gradients are averaged over the processes; each has the whole network.
    trained = DistributedDataParallel(stock) if processes > 1 else stock

    def checkpoint_now() -> None:
        if not accelerator.is_main_process:
            return
        facts = {"loss": total, "epochs": [epoch.model_dump() for epoch in epochs]}
        save_checkpoint(checkpoint, stock, optimizer, best, Progress(step, facts))

    with reporter.track(label, steps, "step") as bar, _room_for(params.batch_size):
        bar.advance(step)
        while step < steps and not _stalled(epochs, params.patience):
            batches.epoch, batches.skip = divmod(step, batches.steps)
            model.module = trained
            trained.train(params.part == "all")  # a frozen body keeps its running statistics and has no dropout
            for samples, targets in loader:
                torch.manual_seed((seed << 32) + step)  # dropout and drop path, identical after resuming
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate * _schedule(step / steps, params)
                with accelerator.autocast():
                    encoded = placed(samples, accelerator.device, layout)
                    logits = model.answer(encoded)
                    if follow is None:
                        loss = loss_of(logits, targets.to(accelerator.device))
                    else:
                        loss = distillation_loss(logits, answers(follow, encoded))
                optimizer.zero_grad()
                share = batches.weight(step % batches.steps)
                accelerator.backward(loss if share == 1 else loss * share)
                optimizer.step()
                total += loss.item()
                step += 1
                bar.advance(1, f"loss {loss.item():.2f}")
                if time.monotonic() - saved > CHECKPOINT_SECONDS and step % batches.steps:
                    checkpoint_now()
                    saved = time.monotonic()
            model.module = stock
            epoch = Epoch(loss=_finite(total / batches.steps), validation=accuracy(model, validation, device=device))
            epochs.append(_agreed(epoch))
            total = 0.0
            if _best(epochs) == len(epochs) - 1:
                best = {name: tensor.detach().cpu().clone() for name, tensor in stock.state_dict().items()}
            bar.advance(0, f"validation {epochs[-1].validation.value:.1%}")
            checkpoint_now()
    if best:
        stock.load_state_dict(best)
    else:  # zero epochs were requested
        epochs.append(Epoch(loss=None, validation=accuracy(model, validation, device=device)))
    stock.eval()
    return History(epochs=tuple(epochs), best=_best(epochs))


@contextmanager
def _room_for(batch_size: int) -> Iterator[None]:
    """Add advice to out-of-memory errors.

    The batch is not halved as elsewhere: the steps, or with gradients summed over halves the statistics of batch
    normalisation, would differ, and so would the student. The recipe decides on that.
    """
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        smaller = f"with train.batch_size={batch_size // 2}" if batch_size > 1 else "with a smaller teacher.input_size"
        raise MemoryShortError(
            f"out of memory in training with {batch_size} samples a step ({first_line(error)})",
            hint=f"give the command again {smaller}; all arms are then trained so",
        ) from error


def together() -> None:
    """Wait for all processes, if there are several."""
    if world() > 1:
        PartialState().wait_for_everyone()


def _agreed(epoch: Epoch) -> Epoch:
    """Return the leading process's epoch: statistics of normalisation layers, and so accuracies, differ by process."""
    if world() == 1:
        return epoch
    agreed: list[Epoch] = broadcast_object_list([epoch])
    return agreed[0]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _optimizer(model: Model, params: TrainParams) -> torch.optim.Optimizer:
    head = model.classifier_parameters()
    body: list[nn.Parameter] = []
    classifier: list[nn.Parameter] = []
    for name, parameter in model.module.named_parameters():
        (classifier if name in head else body).append(parameter)
    groups = [{"params": classifier, "lr": params.lr * params.head_lr_factor}]
    if params.part == "all":
        groups.insert(0, {"params": body, "lr": params.lr})
    if params.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=params.lr, weight_decay=params.weight_decay)
    return torch.optim.SGD(groups, lr=params.lr, momentum=params.momentum, weight_decay=params.weight_decay)


def _schedule(done: float, params: TrainParams) -> float:
    """Return the learning rate factor after the share `done` of all steps."""
    if done < params.warmup:
        return (done + 1e-3) / (params.warmup + 1e-3)
    return 1.0 if params.schedule == "constant" else 0.5 * (1 + math.cos(math.pi * done))


def _best(epochs: list[Epoch]) -> int:
    return max(range(len(epochs)), key=lambda index: (epochs[index].validation.hits, index))


def _stalled(epochs: list[Epoch], patience: int | None) -> bool:
    if patience is None or not epochs:
        return False
    hits = [epoch.validation.hits for epoch in epochs]
    return len(hits) - 1 - hits.index(max(hits)) >= patience
