"""Committed benchmark results: what is told follows from what was measured, and is not out of date."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bench.compaction import render as compaction
from bench.compaction.arms import BASELINE, SEAM, SHORT
from bench.detection import render as detection
from bench.detection.outcome import auroc, recall
from bench.deviation import render as deviation
from bench.explaining import __main__ as explaining
from bench.faithfulness import render as faithfulness
from bench.inheritance import render as inheritance
from bench.inheritance.predictions import Predictions
from bench.inheritance.statistics import accuracy, summary
from bench.masks import __main__ as masks
from bench.profiling import render as profiling
from bench.protection import render as protection
from bench.reuse import render as reuse
from bench.simplification import render as simplification
from bench.widths import __main__ as widths

SIZES = sorted(int(path.name) for path in inheritance.HERE.glob("[0-9]*") if path.is_dir())


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_inheritance_is_told_as_predicted(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = inheritance.HERE / str(size)
    shutil.copytree(committed, tmp_path / str(size))
    told = [path.relative_to(committed) for path in committed.rglob("*") if path.suffix in {".json", ".md"}]
    assert len(told) > 1
    for path in told:
        (tmp_path / str(size) / path).unlink()
    monkeypatch.setattr(inheritance, "HERE", tmp_path)
    inheritance.render(size)
    for path in told:
        assert (tmp_path / str(size) / path).read_text() == (committed / path).read_text(), path


@pytest.mark.parametrize("size", SIZES)
def test_rates_are_counted_right(size: int) -> None:
    """Against the plain definition, image by image."""
    for path in sorted((inheritance.HERE / str(size)).rglob("seed-*-test.safetensors")):
        found = Predictions.load(path)
        attack, sources = next(iter(found.attacks.items()))
        for arm in found.arms:
            right = [index for index, label in enumerate(found.labels) if found.clean(arm)[index] == label]
            wrong = [index for index in right if found.seen[attack, sources[0], arm][index] != found.labels[index]]
            row = found.row(attack, sources[0], arm)
            assert (row.dir.hits, row.dir.total) == (len(wrong), len(right))
            assert accuracy(found, arm).hits == len(right)


def test_a_known_difference_is_found() -> None:
    """An arm that withstands every attack, beside a baseline that withstands none."""
    labels = np.arange(100) % 4
    fooled = (labels + 1) % 4
    seen = {
        ("clean", "clean", "finetune"): labels,
        ("clean", "clean", "firm"): np.where(np.arange(100) < 90, labels, fooled),
        ("trick", "teacher", "finetune"): fooled,
        ("trick", "teacher", "firm"): labels,
    }
    about = {"targets": {"trick": None}}
    found = summary([Predictions(about, {"finetune": "", "firm": ""}, labels, seen)], "firm", "trick")
    assert (found.reduction.value, found.reduction.low) == (1.0, 1.0)
    assert found.drop.value == pytest.approx(0.1)
    assert found.drop.low < 0.1 < found.drop.high


def test_profiling_is_told_as_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiling, "HERE", tmp_path)
    profiling.render(profiling.Results.load(profiling.RESULTS))
    assert (tmp_path / "table.md").read_text() == (profiling.RESULTS.parent / "table.md").read_text()


def test_reuse_is_told_as_solved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = reuse.HERE / "table.md"
    monkeypatch.setattr(reuse, "HERE", tmp_path)
    reuse.render()
    assert (tmp_path / "table.md").read_text() == committed.read_text()


@pytest.mark.parametrize(
    "experiment", [simplification, protection, faithfulness], ids=["simplification", "protection", "faithfulness"]
)
def test_dynamic_slices_are_told_as_solved(
    experiment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = experiment.HERE / "table.md"
    shutil.copytree(experiment.HERE / "outcomes", tmp_path / "outcomes")
    monkeypatch.setattr(experiment, "HERE", tmp_path)
    experiment.render()
    assert (tmp_path / "table.md").read_text() == committed.read_text()
    assert len(experiment.outcomes()) > 0


def test_detection_is_told_as_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(detection.HERE / "outcomes", tmp_path / "outcomes")
    monkeypatch.setattr(detection, "HERE", tmp_path)
    detection.render()
    assert (tmp_path / "table.md").read_text() == (Path(detection.__file__).parent / "table.md").read_text()


def test_figures_of_detection_are_counted_right() -> None:
    """Against the plain definitions, with ties."""
    rng = np.random.default_rng(0)
    clean, attacked = rng.integers(0, 30, 200).astype(float), rng.integers(10, 40, 90).astype(float)
    pairs = [(a > c) + (a == c) / 2 for a in attacked for c in clean]
    assert auroc(clean, attacked) == pytest.approx(np.mean(pairs))
    limit = min(limit for limit in clean if (clean > limit).sum() <= 10)
    assert recall(clean, attacked) == (attacked > limit).mean()


def test_explaining_is_told_as_measured() -> None:
    results = explaining.Results.load(explaining.RESULTS)
    assert explaining.render(results) == (explaining.HERE / "table.md").read_text()
    assert {measured.case.network for measured in results.measured} == {explaining.SMALL, *explaining.NETWORKS}


def test_widths_and_masks_are_told_as_measured() -> None:
    assert widths.render(widths.Results.load(widths.RESULTS)) == (widths.HERE / "table.md").read_text()
    assert masks.render(masks.Results.load(masks.RESULTS)) == (masks.HERE / "table.md").read_text()


def test_compaction_is_told_as_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    committed = compaction.HERE
    shutil.copytree(committed / "outcomes", tmp_path / "outcomes")
    monkeypatch.setattr(compaction, "HERE", tmp_path)
    monkeypatch.setattr(compaction, "OUTCOMES", tmp_path / "outcomes")
    compaction.render()
    assert (tmp_path / "table.md").read_text() == (committed / "table.md").read_text()
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_compacted_models_are_of_one_size() -> None:
    """Half the multiplications, as nearly as multiples of 16 allow."""
    rows = compaction.rows()
    for (name, _), row in rows.items():
        assert row.costs
        for cost in row.costs:
            assert cost.ratios["macs"] == 1 if name == BASELINE else 0.45 < cost.ratios["macs"] < 0.51


def test_differences_are_of_the_same_images() -> None:
    """Against the plain definition."""
    rows = compaction.rows()
    one, other = rows[SEAM, SHORT].outcomes, rows[BASELINE, SHORT].outcomes
    gains = [a.test.value - b.test.value for a, b in zip(one, other, strict=True)]  # type: ignore[operator]
    found = compaction.difference(one, other)
    assert found.value == pytest.approx(np.mean(gains))
    assert found.low < found.value < found.high
    assert found.high - found.low < 0.1


def test_searches_are_told_as_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deviation, "HERE", tmp_path)
    deviation.render()
    assert (tmp_path / "table.md").read_text() == (deviation.OUTCOMES.parent / "table.md").read_text()
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_searches_keep_to_their_plan() -> None:
    for outcome in deviation.outcomes().values():
        hits = [query for query in outcome.queries if query is not None]
        assert max(hits) <= outcome.budget
        assert len(hits) == len(outcome.l2) == len(outcome.ssim) == len(outcome.linf) == sum(outcome.triggers.values())
        assert outcome.asked >= sum(hits)
        if outcome.bound.startswith("16"):
            assert max(outcome.linf) <= 16
