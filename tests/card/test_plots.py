from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from hubslice.artefacts.report import Report
from hubslice.card.facts import plots_of
from hubslice.card.plot_curve import _spread
from hubslice.card.plots import plot_accuracy_and_defects, plot_defect_curve, plot_retention, plot_search, write_plots
from tests.card.examples import REPORTS

FULL = REPORTS["student-of-a-backdoored-teacher"]
PLAIN = REPORTS["student-without-defects-measured"]
SMALL = REPORTS["student-made-smaller"]


def with_layers(number: int) -> Report:
    layers = tuple(
        layer.model_copy(update={"parameter": f"stages.{index // 9}.{layer.parameter}"})
        for index, layer in enumerate((FULL.slice.layers * 5)[:number])
    )
    return FULL.model_copy(update={"slice": FULL.slice.model_copy(update={"layers": layers})})


def colours(path: Path) -> int:
    with Image.open(path) as image:
        assert min(image.size) > 100
        assert not {"Software", "date:create", "Creation Time"} & set(image.info)
        return len(image.convert("RGB").getcolors(maxcolors=2**20) or [])


@pytest.mark.parametrize("report", [FULL, PLAIN, SMALL], ids=["full", "plain", "small"])
def test_plots_lie_where_the_card_looks_for_them_and_repeat_byte_by_byte(report: Report, tmp_path: Path) -> None:
    first = write_plots(report, tmp_path / "one")
    second = write_plots(report, tmp_path / "two")
    assert [str(path.relative_to(tmp_path / "one")) for path in first] == list(plots_of(report))
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes()
        assert colours(one) > 10


def test_numbers_move_the_image(tmp_path: Path) -> None:
    plot_accuracy_and_defects(FULL, tmp_path / "a.png")
    fewer = FULL.model_copy(update={"arms": FULL.arms[:2]})
    plot_accuracy_and_defects(fewer, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("number", [1, 5, 40, 41, 200])
def test_retention_keeps_a_readable_size_whatever_the_number_of_layers(number: int, tmp_path: Path) -> None:
    plot_retention(with_layers(number), tmp_path / "r.png")
    with Image.open(tmp_path / "r.png") as image:
        assert image.width == 1216
        assert 200 < image.height < 1500


def test_a_curve_needs_two_budgets(tmp_path: Path) -> None:
    assert plot_defect_curve(PLAIN, tmp_path / "c.png") is False
    assert not (tmp_path / "c.png").exists()
    assert plot_defect_curve(FULL, tmp_path / "c.png") is True


def test_a_search_is_drawn_with_its_floor_and_its_choice(tmp_path: Path) -> None:
    assert plot_search(FULL, tmp_path / "s.png") is False
    assert not (tmp_path / "s.png").exists()
    search = SMALL.search
    assert search is not None
    changed = [
        search,
        search.model_copy(update={"chosen": 3}),
        search.model_copy(update={"floor": 0.5}),
        search.model_copy(update={"epochs": search.epochs[:1], "chosen": 0}),
        search.model_copy(update={"epochs": search.epochs * 100}),
    ]
    drawn = set()
    for each in changed:
        assert plot_search(SMALL.model_copy(update={"search": each}), tmp_path / "s.png") is True
        drawn.add((tmp_path / "s.png").read_bytes())
    assert len(drawn) == len(changed)


def test_labels_of_a_curve_do_not_overlap_and_stay_below_the_top() -> None:
    places = _spread([10.0, 11.0, 98.0, 99.0, 99.5])
    assert all(later - earlier >= 5.4 for earlier, later in pairwise(places))
    assert max(places) <= 100


def test_the_card_is_written_without_loading_matplotlib() -> None:
    code = "import sys, hubslice.card.render, hubslice.card.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
