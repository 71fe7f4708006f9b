"""What tables look like: with a terminal, in a pipe, and for machines."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hubslice.artefacts.report import BASELINE, STUDENT, DeviationReport, GateReport
from hubslice.core.cells import Fixed, cell, flat, mebibytes, percent
from hubslice.core.rate import Rate
from hubslice.terminal.layout import GAP, column_widths
from hubslice.terminal.output import Output, out
from hubslice.terminal.rates import rate_cells
from hubslice.terminal.summary import tell_report
from hubslice.verbs.explain.cli import _tell as tell_explanation
from hubslice.verbs.explain.facts import ChannelShare, Explanation, LayerFacts
from tests.card.examples import REPORTS

COLUMNS = {"name": "NAME", "seconds": "TIME (s)", "words": "WHAT IS DONE", "note": "NOTE"}
ROWS = [
    {"name": "pull", "seconds": Fixed(1234.56), "words": "fetch the teacher's files at one commit", "note": None},
    {"name": "a.rather.long.name.of.a.step", "seconds": Fixed(0.01), "words": "measure", "note": None},
]


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Size:
    width: int
    height: int


@pytest.fixture(autouse=True)
def human_again() -> Iterator[None]:
    out.mode = "human"
    yield
    out.mode = "human"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def of(width: int) -> None:
        monkeypatch.setattr(Output, "terminal", True)
        monkeypatch.setenv("COLUMNS", str(width))

    return of


def test_a_pipe_gets_headings_and_plain_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    out.table(ROWS, COLUMNS)
    assert capsys.readouterr().out.splitlines() == [
        "NAME\tTIME (s)\tWHAT IS DONE\tNOTE",
        "pull\t1234.6\tfetch the teacher's files at one commit\t",
        "a.rather.long.name.of.a.step\t0.01\tmeasure\t",
    ]


def test_headings_are_no_markup(capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]) -> None:
    """They may be names of models."""
    terminal(80)
    out.table([{"a": 1}], {"a": "[red]model[/red] \x1b[31m"})
    told = capsys.readouterr().out
    assert "[red]model[/red]" in told
    assert "\x1b[31m" not in told


def test_a_pipe_gets_headings_where_there_are_no_rows(capsys: pytest.CaptureFixture[str]) -> None:
    out.table([], COLUMNS)
    assert capsys.readouterr().out == "NAME\tTIME (s)\tWHAT IS DONE\tNOTE\n"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_whole_words_and_no_empty_column(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None], width: int
) -> None:
    terminal(width)
    out.table(ROWS, COLUMNS)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    assert "NOTE" not in words
    for row in ROWS:
        assert set(f"{row['name']} {row['words']}".split()) <= set(words)
    first = next(line for line in lines if line.startswith("pull"))
    assert first.index("1,234.6") + len("1,234.6") == lines[-1].index("<0.1") + len("<0.1")  # numbers stand right


@pytest.mark.parametrize("space", [20, 40, 80, 200])
def test_columns_fit_where_they_can(space: int) -> None:
    columns = [["NAME", "x" * 30], ["WORDS", "some words of a sentence " * 4], ["N", "1234"]]
    widths = column_widths(columns, space)
    assert sum(widths) + 2 * GAP <= max(space, 24 + 6 + 4 + 2 * GAP)
    assert widths[2] == 4
    assert 24 <= widths[0] <= 30


def test_signs_that_take_two_places_have_them() -> None:
    assert column_widths([["NAME", "猫の画像"], ["N", "1"]], 80) == [8, 1]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, ""),
        (True, "yes"),
        (1234567, "1,234,567"),
        (99.7e3, "99,700"),
        (1e-7, "1e-7"),
        (Path("runs/a"), "runs/a"),
        (Colour.RED, "red"),
        (Size(3, 4), "width 3, height 4"),
        ({"bytes": 12, "teacher": "lab/teacher"}, "bytes 12, teacher lab/teacher"),
        (Rate(hits=1, total=4), "hits 1, total 4"),
        ({"b", "a"}, "a, b"),
        ([np.float32(0.5), np.int64(3), None], "0.5, 3, "),
        (np.float64(100.0), "100"),
        (percent(0.9999), ">99.9"),
        (percent(0.0001), "<0.1"),
        (percent(-0.00001), "0.0"),
        (mebibytes(3 * 2**30), "3,072.00"),
    ],
)
def test_no_cell_is_written_as_python_would(value: object, told: str) -> None:
    assert cell(value) == told


def test_facts_within_facts_are_told_by_both_names(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"url": "https://hub/a/b", "pr_url": None, "delta": {"teacher": "lab/teacher", "bytes": 12}}
    assert dict(flat(data)) == {"url": "https://hub/a/b", "delta teacher": "lab/teacher", "delta bytes": 12}
    out.result(data)
    told = capsys.readouterr().out
    assert [line.split()[-1] for line in told.splitlines()] == ["https://hub/a/b", "lab/teacher", "12"]
    assert "None" not in told
    assert "{" not in told


def test_a_report_tells_gates_deviations_and_exposure(capsys: pytest.CaptureFixture[str]) -> None:
    base = REPORTS["student-of-a-backdoored-teacher"]
    deviations = DeviationReport(
        baseline=BASELINE,
        budget=100,
        max_linf=16,
        min_ssim=None,
        found=Rate(hits=11, total=12),
        disagreed=Rate(hits=2, total=14),
        median_queries=3.0,
        facts="evidence/deviations.json",
        evidence="evidence/deviations.safetensors",
        gallery="evidence/deviations.png",
    )
    gates = (
        GateReport(name="max_accuracy_drop", limit=0.03, measured=0.012, passed=True),
        GateReport(name="max_deviation_rate", limit=0.5, measured=11 / 12, passed=False),
    )
    tell_report(base.model_copy(update={"deviations": deviations, "gates": gates}))
    told = capsys.readouterr().out
    assert "11 of 12 test images, changed, get another answer than from the fine-tuned baseline, 2 of 14" in told
    assert "1 of 2 failed" in told
    assert "GATE\tSTATE\tMEASURED (%)\tLIMIT (%)\n" in told
    assert "max_accuracy_drop\tpassed\t1.2\t3.0\n" in told
    assert "max_deviation_rate\tfailed\t91.7\t50.0\n" in told
    assert base.exposure is not None
    student = base.exposure.arm(STUDENT)
    assert student is not None
    assert f"{student.exposure:.1%} of the bits needed to answer like the student are the teacher's" in told


@pytest.mark.parametrize("width", [None, 80, 120])
def test_a_report_has_no_empty_column(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None], width: int | None
) -> None:
    """An attack without a target has no rate of reaching it."""
    if width is not None:
        terminal(width)
    for report in REPORTS.values():
        tell_report(report)
        told = capsys.readouterr().out
        for defect in report.defects:
            for variant in (each for each in defect.variants if each.headline):
                table = told.partition(f"{defect.title}: {variant.title}\n")[2].partition("\n\n")[0]
                assert ("ASR" in table) == any(row.asr for row in variant.rows)


def test_forces_are_told_without_exponents(capsys: pytest.CaptureFixture[str]) -> None:
    channels = tuple(ChannelShare(channel=at, contribution=1, force=force) for at, force in enumerate((99.7, 1e5, -99)))
    layer = LayerFacts(
        name="conv",
        parameter="conv.weight",
        operator="Conv",
        channels=8,
        positions=4,
        live_neurons=0.5,
        live_synapses=0.00001,
        decisive=channels[:2],
        opposing=channels[2:],
    )
    found = Explanation(
        model="m", model_hash="0", architecture="a", rule="threshold", theta=0.1, mean="channel", mean_samples=2,
        inputs=(), layers=(layer,), live_neurons=0.5, seconds=1.0, folder="f", files=(),
    )  # fmt: skip
    tell_explanation(found)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "LAYER\tTOOK PART (%)\tWEIGHTS USED (%)\tCHANNELS FOR (FORCE)\tCHANNELS AGAINST (FORCE)",
        "conv\t50.0\t0.001\t0 (+100), 1 (+100,000)\t2 (-99)",
    ]


def test_a_rate_without_hits_begins_at_zero() -> None:
    none, all_ = (rate_cells("dir", Rate(hits=hits, total=20)) for hits in (0, 20))
    assert (cell(none["dir low"]), cell(all_["dir high"])) == ("0.0", "100.0")
