"""A student trained on a part of the triggers, and what is told of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import hubslice as package
from hubslice.artefacts.repair import Repair
from hubslice.artefacts.slice import Slice
from hubslice.core.progress import Bar, Silent
from hubslice.core.rate import Rate
from hubslice.modality.image.images import PIXELS, Images
from hubslice.modality.image.pixels import prepare
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.recipe.deviation import RepairParams
from hubslice.run.steps.data import open_task
from hubslice.task.task import load_task
from hubslice.training.distil import distil
from hubslice.verbs.diff.division import fingerprint, to_train_on
from tests.deviation.graphs import ALIKE, COLOURS, mixed, write_graph
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.diff.repairable import write_pair, write_photos

__all__ = ["hubslice"]

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not

RECIPE = """\
kind: slice
name: quick
teacher: {model: ./teacher, input_size: 32}
data: {path: ./shapes.parquet, group: group}
train: {epochs: 1, batch_size: 32}
slice: {method: none}
"""
SEARCH = ("--inputs", "in.npy", "--budget", "60", "--max-linf", "51/255")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("repair"))


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def answers(model: Model, images: np.ndarray) -> np.ndarray:
    """One image at a time: uint8 [n, C, H, W] to class indices [n]."""
    with torch.no_grad():
        logits = [model.logits(torch.from_numpy(image[None]).float() / 255) for image in images]
    found: np.ndarray = torch.cat(logits).argmax(1).numpy()
    return found


def test_the_repaired_student_deviates_less_and_all_numbers_are_of_it(place: Path, hubslice: Hubslice) -> None:
    finished = hubslice("diff", "a", "b", *SEARCH, "--repair", "better", "--json", "--out", "found")
    assert (finished.code, finished.stderr) == (0, "")
    told = Repair.model_validate(json.loads(finished.stdout)["repair"])
    assert told == Repair.load(place / "better/repair.json")
    assert json.loads((place / "found/deviations.json").read_text())["repair"] == json.loads(told.model_dump_json())
    assert not list(place.glob(".*"))
    # Seeds are divided in halves, those with a trigger for themselves, and nobody is on both sides.
    facts = json.loads(finished.stdout)
    found = [entry["name"] for entry in facts["results"] if entry["state"] == "found"]
    held = set(told.held_out)
    assert len(held) + told.seeds == 40
    assert len(found) == told.triggers + told.gone.total
    assert abs(told.triggers - told.gone.total) <= 1
    assert told.gone.total == len(held & set(found)) == told.before.found.hits
    # Counted again, slowly, with the model that was written.
    a, b, better = (load_model(place / name) for name in ("a", "b", "better"))
    stored = load_file(place / "found/triggers.safetensors")
    out = np.array([name in held for name in found])
    same = answers(a, stored["triggers"]) == answers(better, stored["triggers"])
    assert told.gone == Rate(hits=int(same[out].sum()), total=int(out.sum()))
    assert told.learned == Rate(hits=int(same[~out].sum()), total=int((~out).sum()))
    assert not (answers(a, stored["triggers"]) == answers(b, stored["triggers"])).any()
    assert told.gone.hits >= told.gone.total / 2
    assert told.after.found.hits < told.before.found.hits
    assert told.loss[-1] < told.loss[0] / 4
    rows = [int(name.removeprefix("in.npy[").removesuffix("]")) for name in told.held_out]
    seeds = np.rint(mixed(40, seed=2)[rows] * 255).astype(np.uint8)
    differ = int((answers(a, seeds) != answers(better, seeds)).sum())
    assert told.after.disagreed == Rate(hits=differ, total=len(seeds))
    assert told.after.found.total == len(seeds) - differ
    # A student without some of its weights stays without them.
    before, after = (dict(model.module.named_parameters()) for model in (b, better))
    zeros = {name: weight == 0 for name, weight in before.items()}
    assert told.zeros == sum(int(zero.sum()) for zero in zeros.values()) > 200
    assert all((after[name][zero] == 0).all() for name, zero in zeros.items())
    assert any((after[name] != weight).any() for name, weight in before.items())
    buffers = dict(b.module.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in better.module.named_buffers())


def test_what_people_see(place: Path, hubslice: Hubslice) -> None:
    search = ("diff", "a", "b", "--inputs", "in.npy", "--budget", "15", "--repair", "seen", "--out", "seen-found")
    shown = hubslice(*search, "--repair-share", "0.75")
    told = Repair.load(place / "seen/repair.json")
    assert told.triggers > 2 * told.gone.total
    words = " ".join(shown.stdout.split())
    assert f"repaired with {told.triggers} triggers and {told.seeds} seeds; {told.zeros} weights that are zero" in words
    assert f"old triggers gone: {told.gone.hits} of {told.gone.total}, {told.gone.value:.1%} [" in words
    assert f"before: a search finds triggers for {told.before.found.hits} of {told.before.found.total} (" in words
    assert f"now: a search finds triggers for {told.after.found.hits} of {told.after.found.total} (" in words
    assert "accuracy was not measured: in.npy has no labels that the models know" in words
    assert "seen: a model folder, and repair.json" in words
    assert hubslice(*search, "--repair-epochs", "1", "--quiet").stdout == "seen\n"


def test_the_same_seed_repairs_alike_and_options_count(place: Path) -> None:
    weights = []
    for name, options in (
        ("one", {"batch": 5}),
        ("two", {"batch": 64}),
        ("other", {"seed": 1}),
        ("longer", {"repair_epochs": 22}),
        ("slower", {"repair_lr": 1e-5}),
    ):
        found = package.diff(
            "a", "b", "in.npy", budget=12, max_linf=0.2, limit=14, out=Path("o"), repair=name, **options
        )
        assert found.repair is not None
        left_out = {"seconds", "folder"}
        weights.append(((place / name / "model.safetensors").read_bytes(), found.repair.model_dump(exclude=left_out)))
    assert weights[0] == weights[1]
    assert len({content for content, _ in weights}) == 4
    assert [len(told["loss"]) for _, told in weights] == [20, 20, 20, 22, 20]
    assert weights[4][1]["params"]["lr"] == 1e-5


@pytest.mark.parametrize("called", [str.lower, str.upper], ids=["lower", "upper"])
def test_accuracy_on_labelled_images_that_were_not_trained_on(called: Callable[[str], str], place: Path) -> None:
    """Whose folders are called as the labels are, in whatever case."""
    out = called("labelled")
    photos = place / f"{out}-photos"
    targets = write_photos(photos, 60)
    for folder in list(photos.iterdir()):
        folder.rename(folder.with_name(called(folder.name)))
    found = package.diff("a", "b", photos.name, budget=15, max_linf=0.2, limit=30, out=Path(f"{out}-out"), repair=out)
    told = found.repair
    assert told is not None
    assert told.accuracy is not None
    assert told.accuracy.source == photos.name
    # All images but those trained on: 15 or so of 60.
    assert told.accuracy.after.total == 60 - told.seeds
    searched = {entry.name for entry in found.results}
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*.png"))
    rows = [at for at, name in enumerate(names) if name not in searched or name in told.held_out]
    images = np.rint(mixed(60, seed=5) * 255).astype(np.uint8)
    images = images[[int(Path(name).stem) for name in names]]
    for name, rate in (("a", told.accuracy.a), ("b", told.accuracy.before), (out, told.accuracy.after)):
        right = answers(load_model(place / name), images[rows]) == targets[rows]
        assert rate == Rate(hits=int(right.sum()), total=len(rows))


def test_a_graph_teaches_a_compact_poisoned_student_of_another_size_and_order(place: Path) -> None:
    """What makes the student what it is stays: widths, mark, its own order of classes; `convert` takes it."""
    from hubslice.slicing.compaction import compact

    student = load_model(place / "b")
    made = ("features.4.weight", "features.5.weight", "features.5.bias")
    masks = {name: np.ones(student.module.get_parameter(name).shape, dtype=bool) for name in made}
    for mask in masks.values():
        mask[5:] = False
    student = compact(student, Slice(masks, "test"))
    assert student.shapes is not None
    order = [2, 0, 1]
    with torch.no_grad():
        student.classifier.weight.copy_(student.classifier.weight[order])
        student.classifier.bias.copy_(student.classifier.bias[order])
    student.labels = tuple(COLOURS[at] for at in order)
    student.poisoned = True
    student.save(place / "compact")
    write_graph(place / "large.onnx", ALIKE, side=32)
    images = mixed(24, seed=3).repeat(2, axis=2).repeat(2, axis=3)
    np.save(place / "large.npy", images)
    told = package.diff(
        "large.onnx", "compact", "large.npy", budget=40, resize=True, out=Path("c"), repair="mended", repair_lr=3e-3
    ).repair
    assert told is not None
    mended = load_model(place / "mended")
    assert (mended.poisoned, mended.labels, mended.shapes) == (True, student.labels, student.shapes)
    assert (place / "mended/shapes.json").is_file()
    assert told.loss[-1] < told.loss[0] / 4
    assert told.after.disagreed.hits <= told.before.disagreed.hits
    graph = package.convert("mended", "onnx", out=place / "graph")
    assert (graph.path / "model.onnx").is_file()


def test_nothing_to_repair(place: Path, hubslice: Hubslice) -> None:
    shown = hubslice("diff", "a", "a", *SEARCH, "--limit", "6", "--repair", "needless", "--out", "none")
    assert shown.code == 0
    assert "without triggers there is nothing to repair a from; needless was not written" in " ".join(
        shown.stderr.split()
    )
    assert json.loads((place / "none/deviations.json").read_text())["repair"] is None
    assert not (place / "needless").exists()
    assert not list(place.glob(".*"))


class Stopping(Silent):
    """Ctrl-C when the bar of this name has advanced so often; counts the seeds that were searched."""

    def __init__(self, name: str, after: int) -> None:
        self.name, self.after, self.searched = name, after, 0

    @contextmanager
    def track(self, label: str, total: int | None, unit: str) -> Iterator[Bar]:
        outer = self

        class Counting(Bar):
            def advance(self, amount: int = 1, note: str = "") -> None:
                if label == outer.name and amount:
                    outer.after -= 1
                    if outer.after == 0:
                        raise KeyboardInterrupt
                if label == "Search" and amount == 1:
                    outer.searched += 1

        yield Counting()


def test_a_repair_that_was_stopped_is_done_again_without_another_search(place: Path) -> None:
    def run(folder: str, reporter: Silent) -> Repair | None:
        search = {"budget": 12, "max_linf": 0.2, "limit": 14, "repair": folder, "reporter": reporter}
        return package.diff("a", "b", "in.npy", out=Path("s"), **search).repair

    whole = run("whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        run("cut", Stopping("Repair", 5))
    assert not (place / "cut").exists()
    assert [path.name for path in place.glob(".*")] == [".s.unfinished"]
    again = Stopping("", 0)
    cut = run("cut", again)
    assert whole is not None
    assert cut is not None
    assert again.searched == len(cut.held_out)  # only the new search
    assert (place / "cut/model.safetensors").read_bytes() == (place / "whole/model.safetensors").read_bytes()
    left_out = {"seconds", "folder"}
    assert cut.model_dump(exclude=left_out) == whole.model_dump(exclude=left_out)
    assert not list(place.glob(".*"))


def test_the_division() -> None:
    images = list(np.random.default_rng(0).integers(0, 256, (41, 3, 4, 4)).astype(np.uint8))
    images[7], images[30] = images[3], images[3]
    groups = [at < 12 or at == 30 for at in range(41)]
    chosen = to_train_on(images, groups, 0.5, 0)
    assert chosen[3] == chosen[7] == chosen[30]  # one image, one side
    different = [at for at in range(41) if at not in (7, 30)]
    assert sum(chosen[at] for at in different if groups[at]) == 6  # of 11, rounded to even
    assert sum(chosen[at] for at in different if not groups[at]) == 14
    turned = to_train_on(images[::-1], groups[::-1], 0.5, 0)
    np.testing.assert_array_equal(turned[::-1], chosen)
    assert (to_train_on(images, groups, 0.5, 1) != chosen).any()
    for share, expected in ((0.01, 1), (0.99, 10)):
        assert to_train_on(images[:11], [True] * 11, share, 0)[np.arange(11) != 7].sum() == expected - (share > 0.5)
    assert not to_train_on(images[:1], [True], 0.9, 0).any()
    assert fingerprint(images[0]) != fingerprint(images[0].reshape(3, 8, 2))


def test_the_loop_is_plain_gradient_descent_on_the_divergence(place: Path) -> None:
    """One epoch of one batch, against Adam on the divergence as its definition has it."""
    images = torch.from_numpy(mixed(6, seed=4))
    wanted = torch.softmax(torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), 1)
    params = RepairParams(epochs=1, lr=1e-3, batch_size=6)
    model, slow = load_model(place / "b"), load_model(place / "b")
    (loss,) = distil(
        model,
        lambda rows: {PIXELS: images[torch.from_numpy(rows)]},
        wanted.log(),
        params,
        held=Slice({}, "none"),
        device=torch.device("cpu"),
        reporter=Silent(),
    )
    given = torch.softmax(slow.logits(images), 1)
    divergence = (wanted * (wanted / given).log()).sum(1).mean()
    assert loss == pytest.approx(divergence.item(), rel=1e-4)
    divergence.backward()
    with torch.no_grad():
        for (name, weight), (_, moved) in zip(
            slow.module.named_parameters(), model.module.named_parameters(), strict=True
        ):
            assert weight.grad is not None
            step = 1e-3 * weight.grad / (weight.grad.abs() + 1e-8)  # Adam's first step
            expected = weight - step
            clear = weight.grad.abs() > 1e-5
            torch.testing.assert_close(moved[clear], expected[clear], atol=2e-5, rtol=0, msg=name)


@pytest.mark.slow
def row_of(title: str) -> int:
    """Of a table's sample, such as `red, row 4`."""
    return int(title.rpartition("row ")[2])


def test_accuracy_on_the_test_split_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of the two is the run; and where its data is gone that is said."""
    monkeypatch.chdir(tmp_path)
    recipe = write_job(tmp_path, RECIPE)
    run = package.slice(recipe, out=tmp_path / "run")
    student = load_model(run.student)
    with torch.no_grad():
        for weight in student.module.parameters():
            weight *= 1 + 0.3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    student.save(tmp_path / "other")
    task = load_task(run.recipe.data, run.loaded.base, run.recipe.seed)
    preparation = student.image_preprocessing
    images = task.test.encoded(0, len(task.test), Images(preparation))[PIXELS].numpy()
    search = {"budget": 10, "max_linf": 0.3, "limit": 30, "repair_epochs": 2}
    for at, (a, b) in enumerate((("run", "other"), ("other", "run"))):
        found = package.diff(a, b, "shapes.parquet", out=Path(f"o{at}"), repair=f"r{at}", **search)
        assert found.repair is not None
        told = found.repair.accuracy
        assert told is not None
        assert told.source == "test split of run"
        held = {row_of(name) for name in found.repair.held_out}
        table = task.test.table
        seen = {row_of(entry.name) for entry in found.results} - held
        trained = {prepare(table.item(row), preparation).numpy().tobytes() for row in seen}
        left = np.array([image.tobytes() not in trained for image in images])
        assert 0 < left.sum() < len(images)
        for name, rate in ((a, told.a), (b, told.before), (f"r{at}", told.after)):
            model = load_model(run.student if name == "run" else tmp_path / name)
            right = answers(model, images[left]) == task.test.targets[left]
            assert rate == Rate(hits=int(right.sum()), total=int(left.sum()))
    pixels = np.stack([image / 255 for image in images[:20]]).astype(np.float32)
    np.save("in.npy", pixels)
    (tmp_path / "shapes.parquet").unlink()
    open_task.cache_clear()
    found = package.diff("other", "run", "in.npy", out=Path("o"), repair="r", **search)
    assert found.repair is not None
    assert found.repair.accuracy is None
    assert "the test split of run cannot be read: " in str(found.repair.unmeasured)
