"""The loop, its checkpoints, initial students and held slices, on a tiny timm model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import SliceError
from hubslice.core.progress import Silent, SilentBar
from hubslice.models.timm_adapter import TimmModel
from hubslice.recipe.schema import DataParams, Grid, TrainParams
from hubslice.task.task import Task, load_task
from hubslice.training.hold import hold
from hubslice.training.initial import initialise
from hubslice.training.loop import History, finetune
from tests.images import write_parquet

CPU = torch.device("cpu")
PARAMS = TrainParams(epochs=3, batch_size=16, lr=0.01, head_lr_factor=2.0, augment="flip")


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Task:
    folder = tmp_path_factory.mktemp("task")
    write_parquet(folder / "shapes.parquet")
    return load_task(DataParams(path="shapes.parquet", group="group"), folder, 0)


def tiny(task: Task) -> TimmModel:
    model = TimmModel.create("test_resnet", task.labels, seed=0)
    assert model.preprocessing is not None
    model.preprocessing = model.preprocessing.model_copy(update={"input_size": (3, 32, 32)})
    return model


def train(
    model: TimmModel, task: Task, path: Path, params: TrainParams = PARAMS, reporter: Silent | None = None
) -> History:
    return finetune(
        model,
        task.train,
        task.validation,
        params,
        seed=0,
        device=CPU,
        checkpoint=path / "checkpoint.safetensors",
        reporter=reporter or Silent(),
        label="",
    )


class Interrupt(Silent):
    """Stops the training after so many steps, as a kill would: at any moment, mid epoch."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def track(self, label: str, total: int | None, unit: str):  # type: ignore[no-untyped-def]
        outer = self

        class Bar(SilentBar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                outer.steps -= amount
                if outer.steps < 0:
                    raise KeyboardInterrupt

            def __enter__(self):  # type: ignore[no-untyped-def]
                return self

            def __exit__(self, *_: object) -> None:
                pass

        return Bar()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_an_interrupted_training_ends_with_the_same_weights(
    task: Task, tmp_path: Path, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = PARAMS.model_copy(update={"optimizer": optimizer})
    whole = tiny(task)
    history = train(whole, task, tmp_path / "whole", params)
    monkeypatch.setattr("hubslice.training.loop.CHECKPOINT_SECONDS", 0)  # a checkpoint after every step
    with pytest.raises(KeyboardInterrupt):
        train(tiny(task), task, tmp_path / "cut", params, Interrupt(5))
    resumed = tiny(task)
    assert train(resumed, task, tmp_path / "cut", params) == history
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, resumed.module.state_dict()[name]), name


@pytest.mark.slow
def test_training_learns(task: Task, tmp_path: Path) -> None:
    params = TrainParams(epochs=8, batch_size=8, lr=0.05, head_lr_factor=1.0, augment="flip")
    history = train(tiny(task), task, tmp_path, params)
    assert history.epochs[-1].loss < history.epochs[0].loss - 0.1
    assert history.best == max(
        range(len(history.epochs)), key=lambda index: (history.epochs[index].validation.hits, index)
    )


@pytest.mark.slow
def test_patience_stops_early(task: Task, tmp_path: Path) -> None:
    params = TrainParams(epochs=40, batch_size=60, lr=1e-9, patience=2, augment="none", schedule="constant")
    assert len(train(tiny(task), task, tmp_path, params).epochs) < 40


def test_no_epochs_leave_the_weights_alone(task: Task, tmp_path: Path) -> None:
    model = tiny(task)
    before = {name: tensor.clone() for name, tensor in model.module.state_dict().items()}
    train(model, task, tmp_path, PARAMS.model_copy(update={"epochs": 0}))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.module.state_dict().items())


def some_slice(model: TimmModel) -> Slice:
    rng = np.random.default_rng(0)
    shapes = {n: tuple(p.shape) for n, p in model.module.named_parameters() if p.ndim == 4}
    return Slice({name: rng.random(shape) < 0.7 for name, shape in shapes.items()}, "random")


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adamw", marks=pytest.mark.slow)])
def test_held_weights_stay_where_they_are(task: Task, tmp_path: Path, optimizer: str) -> None:
    model = tiny(task)
    slice_ = some_slice(model)
    initialise(model, task.labels, 0, slice_, "zero")
    with hubslice.hold(model.module, slice_):
        train(model, task, tmp_path, PARAMS.model_copy(update={"optimizer": optimizer, "weight_decay": 0.1}))
    for name, mask in slice_.masks.items():
        weight = model.module.get_parameter(name).detach().numpy()
        assert not weight[~mask].any(), name
        assert weight[mask].any(), name


@pytest.mark.slow
def test_held_values_follow_a_moved_module_once(task: Task) -> None:
    model = tiny(task)
    slice_ = some_slice(model)
    with hubslice.hold(model.module, slice_) as held:
        model.module.to("meta")
        for _ in range(3):
            held.restore()
        devices = {tensor.device.type for part in held._frozen.values() for tensor in part}
    assert devices == {"meta"}


@pytest.mark.slow
def test_weights_grow_again_where_nothing_holds_them(task: Task, tmp_path: Path) -> None:
    model = tiny(task)
    slice_ = some_slice(model)
    initialise(model, task.labels, 0, slice_, "zero")
    train(model, task, tmp_path)
    # Deep in the network the maps are one pixel wide here, and a kernel's border then never learns: look at the stem.
    name = "conv1.0.weight"
    assert (model.module.get_parameter(name).detach().numpy()[~slice_.masks[name]] != 0).all()


def test_fresh_weights_come_from_a_seeded_network(task: Task) -> None:
    model, fresh = tiny(task), tiny(task).fresh(7)
    slice_ = some_slice(model)
    initialise(model, task.labels, 7, slice_, "fresh")
    for name, mask in slice_.masks.items():
        changed, expected = model.module.get_parameter(name), fresh.module.get_parameter(name)
        assert torch.equal(changed[~torch.from_numpy(mask)], expected[~torch.from_numpy(mask)])


def test_a_slice_of_another_model_is_refused(task: Task) -> None:
    wrong = Slice({"conv1.weight": np.ones((1, 2, 3, 3), bool)}, "random")
    with pytest.raises(SliceError, match="does not fit"):
        hold(tiny(task).module, wrong)
    with pytest.raises(SliceError, match="does not fit"):
        initialise(tiny(task), task.labels, 0, wrong, "zero")


def test_the_grid_is_every_combination() -> None:
    params = TrainParams(grid=Grid(lr=(0.1, 0.2), epochs=(1, 2)))
    assert [(c.lr, c.epochs) for c in params.candidates()] == [(0.1, 1), (0.1, 2), (0.2, 1), (0.2, 2)]
    assert TrainParams().candidates() == (TrainParams(),)


@pytest.mark.slow
def test_the_trainer_callback_holds_too(task: Task, tmp_path: Path) -> None:
    from transformers import Trainer, TrainingArguments

    class Wrapped(torch.nn.Module):
        def __init__(self, stock: torch.nn.Module) -> None:
            super().__init__()
            self.stock = stock

        def forward(self, pixels: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"loss": torch.nn.functional.cross_entropy(self.stock(pixels), labels)}

    module = Wrapped(tiny(task).module)
    mask = np.random.default_rng(0).random(tuple(module.stock.conv1[0].weight.shape)) < 0.5
    slice_ = Slice({"stock.conv1.0.weight": mask}, "random")
    before = module.stock.conv1[0].weight.detach().clone()
    rows = [{"pixels": torch.rand(3, 32, 32), "labels": torch.tensor(index % 3)} for index in range(16)]
    arguments = TrainingArguments(
        output_dir=str(tmp_path),
        max_steps=2,
        per_device_train_batch_size=8,
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    Trainer(module, arguments, train_dataset=rows, callbacks=[hubslice.hold_callback(slice_)]).train()
    after = module.stock.conv1[0].weight.detach()
    assert torch.equal(after[~torch.from_numpy(mask)], before[~torch.from_numpy(mask)])
    assert not torch.equal(after, before)


@pytest.mark.slow
def test_a_diverging_training_is_a_history_like_any_other(task: Task, tmp_path: Path) -> None:
    history = train(tiny(task), task, tmp_path, PARAMS.model_copy(update={"lr": 1e30, "epochs": 2}))
    history.save(tmp_path / "history.json")
    assert History.load(tmp_path / "history.json") == history
    assert history.epochs[-1].loss is None


def test_a_training_on_another_device_before_does_not_matter(task: Task, tmp_path: Path) -> None:
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(mixed_precision="bf16", cpu=True)
    train(tiny(task), task, tmp_path, PARAMS.model_copy(update={"epochs": 1}))


@pytest.mark.slow
def test_the_number_of_workers_changes_no_byte(task: Task, tmp_path: Path) -> None:
    saved = []
    for workers in (0, 2):
        model = tiny(task)
        params = PARAMS.model_copy(update={"epochs": 1, "augment": "crop", "workers": workers})
        history = train(model, task, tmp_path / f"training-{workers}", params)
        model.save(tmp_path / f"model-{workers}")
        saved.append((history, (tmp_path / f"model-{workers}" / "model.safetensors").read_bytes()))
    assert saved[0] == saved[1]
