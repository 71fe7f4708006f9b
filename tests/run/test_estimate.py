"""Estimates: what they count, that they touch nothing, what they warn of. tests/demo/estimate.py measures them."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers
from safetensors import safe_open

from hubslice.core.cost import Workload
from hubslice.core.errors import DataError, HubsliceError, ModelError
from hubslice.core.progress import Silent
from hubslice.engine.step import Step
from hubslice.models.timm_adapter import TimmModel
from hubslice.run.estimate.costs import workload
from hubslice.run.estimate.disk_space import disk_needs
from hubslice.run.estimate.estimate import Estimate, estimate
from hubslice.run.estimate.micro_benchmark import Costs
from hubslice.run.estimate.preflight import TeacherPreview, look, preview_pull
from hubslice.run.kinds import KINDS
from hubslice.run.run import open_run
from hubslice.run.steps.data import open_task
from hubslice.run.steps.report import SECONDS
from tests.images import COLOURS
from tests.run.tiny import RECIPE, write_job

LEAN = RECIPE.replace("[finetune, retrain, magnitude, random]", "[finetune]")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_job(tmp_path_factory.mktemp("job"), LEAN)


@pytest.fixture(scope="module")
def plan(job: Path) -> Estimate:
    return estimate(open_run(str(job), (), job.parent / "run"), None, "cpu", Silent())


@pytest.mark.slow
def test_every_step_gets_an_estimate_and_nothing_is_touched(plan: Estimate, job: Path) -> None:
    assert all(step.seconds is not None and step.bytes is not None and step.peak_mib for step in plan.steps)
    assert plan.seconds == pytest.approx(sum(step.seconds or 0 for step in plan.steps))
    assert plan.peak_mib == max(step.peak_mib or 0 for step in plan.steps) > 100
    assert [step.peak_mib for step in plan.steps] == sorted(step.peak_mib or 0 for step in plan.steps)
    assert plan.gpu_mib is None
    assert not (job.parent / "run").exists()
    assert Estimate.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.slow
def test_what_can_be_known_is_exact(plan: Estimate, job: Path) -> None:
    teacher = plan.teachers["pull"]
    files = {path.name: path.stat().st_size for path in (job.parent / "teacher").iterdir()}
    assert teacher.files == files
    assert (teacher.download_bytes, plan.download_bytes) == (0, 0)
    with safe_open(job.parent / "teacher" / "model.safetensors", "np") as weights:
        assert {tensor.name: tensor.shape for tensor in teacher.tensors} == {
            name: tuple(weights.get_slice(name).get_shape())
            for name in weights.keys()  # noqa: SIM118
        }
    assert plan.layers is not None
    assert plan.layers.weights == sum(
        parameter.numel()
        for name, parameter in TimmModel.create("test_resnet", tuple(COLOURS), seed=0).module.named_parameters()
        if parameter.ndim > 1 and name != "fc.weight"
    )
    assert plan.samples["train"] + plan.samples["validation"] + plan.samples["test"] == 90
    assert set(plan.teachers) == {"pull", "pull.clean"}
    assert plan.warnings == ("./teacher states no license: find out whether you may publish a model made from it",)


@pytest.mark.slow
def test_sizes_are_those_of_the_run(plan: Estimate, job: Path) -> None:
    run = open_run(str(job), ("train.epochs=0", "audit.defects=[]"), job.parent / "real")
    run.execute(until="evaluate", device="cpu")
    for step in plan.steps:
        if (record := run.folder.record(step.name)) and step.name not in ("data", "evaluate"):
            assert step.bytes == pytest.approx(record.size, rel=0.1), step.name
    again = estimate(run, "evaluate", "cpu", Silent())
    assert (again.seconds, again.peak_mib, again.teachers, again.disks) == (0.0, 0.0, {}, ())
    assert all(step.cached for step in again.steps)
    # A changed grid begins at training; the teacher is looked at where the run has it.
    changed = open_run(str(job.parent / "real"), ("train.grid.lr=[0.5]",))
    some = estimate(changed, "train", "cpu", Silent())
    assert [step.name for step in some.steps if not step.cached] == ["train"]
    assert some.teachers["pull"].model == "./teacher"


Model = Callable[..., Workload]


@pytest.fixture
def costs_of(job: Path, tmp_path: Path) -> Model:
    """What the costs of the tiny recipe with overrides follow from, where every part has a price of its own."""
    teacher = look("./teacher", job.parent, 64, tmp_path)

    def make(*overrides: str, **costs: float) -> Workload:
        run = open_run(str(job), overrides)
        sizes = {"train": 10, "export": 20, "profile": 30, "slice": 40, "checkpoint": 50}
        looking = dict.fromkeys(("pull", "pull.clean", "data"), 0.0)
        teachers: dict[str, TeacherPreview] = {"pull": teacher, "pull.clean": teacher}
        task = open_task(run.recipe.data, run.loaded.base, run.recipe.seed)
        return workload(Costs(sizes=sizes, **costs), teachers, task, looking)

    return make


@pytest.mark.parametrize(
    ("overrides", "step", "price", "expected"),
    [
        ((), "train", "training", 2 * 2 * 48),  # grid points, epochs, images
        (("train.epochs=6",), "train", "training", 2 * 6 * 48),
        (("train.grid.lr=[]",), "train", "training", 2 * 48),
        (("train.batch_size=20",), "train", "training", 2 * 2 * 48),  # batches of 16
        ((), "train", "passing", 2 * 2 * 18),
        ((), "train", "checkpoint", 2 * 2),
        ((), "train", "first_training", 1),
        ((), "train.finetune", "first_training", 0),
        ((), "init", "building", 0),
        (("baselines=[retrain]",), "init.retrain", "building", 1),
        ((), "profile", "profiling", 48),
        (("profile.samples=7",), "profile", "profiling", 7),
        ((), "export", "exporting", 1),
        ((), "slice", "slicing", 1),
        ((), "evaluate", "passing", 3 * (18 + 24)),
        (("baselines=[retrain]",), "evaluate", "passing", 4 * (18 + 24)),
        ((), "evaluate", "loading", 3),
        ((), "audit.backdoor", "passing", 3 * 24 * 2),
        (("audit.samples=5",), "audit.backdoor", "passing", 3 * 5 * 2),
        ((), "audit.backdoor", "decoding", 24),
        ((), "audit.backdoor", "crafting", 0),
        # Four variants from two networks in two steps; the control is left out, clean images are shown once.
        ((), "audit.penultimate", "crafting", 4 * 2 * 2 * 24),
        ((), "audit.penultimate", "passing", 2 * 24 * (1 + 4 * 3)),
    ],
)
def test_how_often_each_step_does_what(
    overrides: tuple[str, ...], step: str, price: str, expected: float, costs_of: Model, job: Path
) -> None:
    steps = {each.name: each for each in open_run(str(job), overrides).steps()}
    assert steps[step].cost(costs_of(*overrides, **{price: 1.0})).seconds == pytest.approx(expected)


def test_what_is_kept_and_what_is_scratch(costs_of: Model, job: Path) -> None:
    steps = {each.name: each for each in open_run(str(job)).steps()}
    work = costs_of()
    image = 3 * 64 * 64
    assert steps["train"].cost(work).kept == 10
    assert steps["train"].cost(work).scratch == 2 * (10 + 50)  # the students and checkpoints of all grid points
    assert steps["audit.backdoor"].cost(work).kept > 16 * image
    assert steps["audit.penultimate"].cost(work).kept > 4 * 24 * image
    assert steps["audit.penultimate"].cost(work).scratch == 4 * 2 * 24 * image
    assert steps["report"].cost(work).seconds == SECONDS


def test_every_step_says_what_it_costs(job: Path) -> None:
    everything = ("diff={}", "exposure={}")
    methods = ("slice={method: remos}", "slice={method: seam}", "slice={method: nnslicer}")
    steps = [step for method in methods for step in open_run(str(job), (*everything, method)).steps()]
    assert {step.kind for step in steps} == set(KINDS)
    assert [step.name for step in steps if type(step).cost is Step.cost] == []


def test_disks_are_added_up_and_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (need,) = disk_needs([(tmp_path / "run", 3), (tmp_path / "cache" / "deep", 4)])
    assert (need.needed, need.warning) == (7, None)
    monkeypatch.setattr("hubslice.run.estimate.disk_space.shutil.disk_usage", lambda _: namedtuple("Usage", "free")(6))
    (need,) = disk_needs([(tmp_path / "run", 3), (tmp_path / "cache" / "deep", 4 << 30)])
    assert need.warning is not None
    assert "6 bytes left, the run needs 4.0 GiB" in need.warning
    assert str(tmp_path / "run") in need.warning


def test_what_memory_cannot_hold_is_not_tried(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("psutil.virtual_memory", lambda: namedtuple("Memory", "available")(1 << 20))
    monkeypatch.setattr("hubslice.models.folder.random_model", lambda *_, **__: pytest.fail("built"))
    run = open_run(str(job), (), job.parent / "none")
    plan = estimate(run, None, "cpu", Silent())
    assert "the weights alone need 5.7 MiB of memory, 1.0 MiB are available: time was not estimated" in plan.warnings
    assert all(step.seconds is None for step in plan.steps)
    assert plan.teachers["pull"].parameters == 372_979
    monkeypatch.chdir(job.parent)
    found = preview_pull("./teacher", None, Silent())
    assert found.layers is None
    assert "the export was not tried" in found.warnings[-1]


def _backbone(folder: Path) -> Path:
    """A job whose teacher is a ViTModel."""
    path = write_job(folder, LEAN)
    config = transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48, image_size=64
    )
    shutil.rmtree(folder / "teacher")
    transformers.ViTModel(config).save_pretrained(folder / "teacher")
    size = {"height": 64, "width": 64}
    transformers.ViTImageProcessor(size=size).save_pretrained(folder / "teacher")
    return path


@pytest.mark.slow
def test_a_teacher_without_a_classifier_is_estimated(tmp_path: Path) -> None:
    job = _backbone(tmp_path)
    plan = estimate(open_run(str(job), ("audit.defects=[]",), tmp_path / "run"), "train", "cpu", Silent())
    assert all(step.seconds is not None for step in plan.steps)
    assert any("the weights have no classifier" in each for each in plan.warnings)


@pytest.mark.parametrize(
    ("overrides", "error", "told"),
    [
        (("slice={method: nnslicer, reuse: transfer}",), ModelError, "it answers with its features"),
        (("slice={method: seam, reuse: direct}", "baselines=[]"), DataError, "the teacher has none"),
    ],
)
def test_what_needs_a_classifier_is_refused_beforehand(
    overrides: tuple[str, ...], error: type[HubsliceError], told: str, tmp_path: Path
) -> None:
    job = _backbone(tmp_path)
    with pytest.raises(error, match=told):
        estimate(open_run(str(job), (*overrides, "audit.defects=[]"), tmp_path / "run"), None, "cpu", Silent())
