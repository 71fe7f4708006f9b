from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
from rich.console import Console

from hubslice.core.progress import Reporter, Silent
from hubslice.core.rate import Rate
from hubslice.terminal.output import Mode, out
from hubslice.terminal.reporters import Lines, Live
from hubslice.terminal.summary import tell_report
from tests.card.examples import REPORTS

ROWS = [{"name": "a\tb", "share": 0.123456, "tags": ["x", "y"], "done": True, "more": None}]


@pytest.fixture(autouse=True)
def human_again() -> Iterator[None]:
    out.mode = "human"
    yield
    out.close()
    out.mode = "human"


def work(reporter: Reporter) -> None:
    reporter.step("pull", "Teacher", "cached")
    reporter.step("profile", "Coverage", "start")
    with reporter.track("batches of [bold]x[/bold]", 3, "batches") as bar:
        for number in range(3):
            bar.advance(note=f"{number} done")
    reporter.step("profile", "Coverage", "done", 75.4)


def test_table_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    out.table(ROWS, {"name": "NAME", "share": "SHARE", "tags": "TAGS", "done": "DONE"})
    assert capsys.readouterr().out == "NAME\tSHARE\tTAGS\tDONE\na b\t0.1235\tx, y\tyes\n"


def test_table_as_json_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    out.mode = "json"
    out.table(ROWS, {"name": "NAME"})
    assert json.loads(capsys.readouterr().out) == ROWS


def test_result_of_an_artefact(capsys: pytest.CaptureFixture[str]) -> None:
    rate = Rate(hits=1, total=4)
    out.result(rate)
    assert capsys.readouterr().out.splitlines()[2] == "value     0.25"
    out.result(rate, "one in four")
    assert capsys.readouterr().out == "one in four\n"
    out.mode = "json"
    out.result(rate, "one in four")
    assert json.loads(capsys.readouterr().out)["value"] == 0.25
    out.mode = "quiet"
    out.result(rate)
    out.result(rate, quiet=0.25)
    assert capsys.readouterr().out == "0.25\n"


@pytest.mark.parametrize(
    ("mode", "told"), [("human", "i\nhint: h\nwarning: w\n"), ("quiet", "warning: w\n"), ("json", '{"warning": "w"}\n')]
)
def test_messages_go_to_stderr(capsys: pytest.CaptureFixture[str], mode: Mode, told: str) -> None:
    out.mode = mode
    out.info("i")
    out.hint("h")
    out.warning("w")
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", told)


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    out.warning("title \x1b]0;owned\x07")
    out.fields({"name": "\x1b[31mred\nline"})
    streams = capsys.readouterr()
    assert "\x1b" not in streams.err + streams.out
    assert streams.out == "name  \\x1b[31mred line\n"


@pytest.mark.parametrize(("mode", "kind"), [("human", Lines), ("json", Silent), ("quiet", Silent)])
def test_no_bars_without_a_terminal(capsys: pytest.CaptureFixture[str], mode: Mode, kind: type[Reporter]) -> None:
    out.mode = mode
    reporter = out.progress()
    assert type(reporter) is kind
    work(reporter)
    streams = capsys.readouterr()
    lines = [
        "pull: already done, taken from the run folder",
        "profile: Coverage ...",
        "profile: done in 1 min 15 s",
    ]
    assert streams.out == ""
    assert streams.err.splitlines() == (lines if mode == "human" else [])


def test_long_work_is_told_of_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal: after ten seconds, then rarer and rarer."""
    seconds = iter(range(0, 400, 4))
    monkeypatch.setattr("hubslice.terminal.reporters.time.monotonic", lambda: next(seconds))
    with Lines().track("Compare", 1200, "models") as bar:
        for number in range(20):
            bar.advance(50, f"m{number}")
    assert capsys.readouterr().err.splitlines() == [
        "Compare: 150/1,200 models, m2",
        "Compare: 400/1,200 models, m7",
        "Compare: 900/1,200 models, m17",
    ]


def test_bars_on_a_terminal() -> None:
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=100))
    work(live)
    with live.track("batches of [bold]x[/bold]", 3, "batches") as bar:
        bar.advance(3, note="loss 0.41")
        live._progress.refresh()
    live.stop()
    shown = screen.getvalue()
    assert "3/3 batches" in shown
    assert "batches of [bold]x[/bold]" in shown
    assert "loss 0.41" in shown
    assert "done in 1 min 15 s" in shown
    assert shown.rstrip().endswith("\x1b[?25h")  # the cursor is shown again


@pytest.mark.parametrize("kind", [Lines, Live])
def test_names_in_progress_do_not_steer_the_terminal(kind: type[Reporter], capsys: pytest.CaptureFixture[str]) -> None:
    name, shown = "\x1b]0;owned\x07[bold]\n\u202e", r"\x1b]0;owned\x07[bold]\n\u202e"
    screen = io.StringIO()
    reporter = Live(Console(file=screen, force_terminal=True, width=300)) if kind is Live else Lines()
    for state in ("start", "done"):
        reporter.step(name, f"Pull {name}", state)  # type: ignore[arg-type]
    with reporter.track(f"Compare {name}", 3, name) as bar:
        bar.advance(1, note=f"now {name}")
        if isinstance(reporter, Live):
            reporter._progress.refresh()
            reporter.stop()
    told = screen.getvalue() + capsys.readouterr().err
    assert "\x1b]0;" not in told
    assert "\u202e" not in told
    parts = ("Pull", "Compare", "now") if kind is Live else ("Pull",)
    assert [part for part in parts if f"{part} {shown}" not in told] == []


def test_a_live_display_is_taken_away_before_an_error_is_told() -> None:
    screen = io.StringIO()
    live = Live(Console(file=screen, force_terminal=True, width=100))
    live.step("train", "Training", "start")
    out._live = live
    out.error("boom", hint=None, exit_code=4)
    assert screen.getvalue().rstrip().endswith("\x1b[?25h")  # the cursor is shown again


def test_how_a_search_went_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell_report(REPORTS["student-made-smaller"])
    told = " ".join("".join(capsys.readouterr()).split())
    assert (
        "epoch 10 of 10 kept 39.7% of the weights of the layers that may be sliced, 43.3% of the whole network's, "
        "validation 88.0% [83.9%, 91.2%] n = 308; all weights 91.2%" in told
    )
    tell_report(REPORTS["student-without-defects-measured"])
    assert "search" not in "".join(capsys.readouterr())
