"""The fault matrix: the same seeds spoil alike, what was tried is not tried again, and a few trials of each part."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
import yaml

from bench.faults import __main__ as faults
from bench.faults import spoil
from bench.faults.groups import Group, groups
from bench.faults.outcome import Outcome, Trial, outcomes, versions
from bench.faults.render import BEGIN, END, render, totals
from tests import warm

ROOT = Path(__file__).parents[2]
JSON = json.dumps({"a": [1, 2, {"b": "c"}], "model_type": "vit", "n": 0.5}).encode()
HEADER = json.dumps({"t": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}).encode()
GOOD = {
    spoil.by_bytes: b"0123456789" * 50,
    spoil.json_: JSON,
    spoil.yaml_: yaml.safe_dump(json.loads(JSON)).encode(),
    spoil.safetensors_: len(HEADER).to_bytes(8, "little") + HEADER + b"1234",
    spoil.lines_: b"file_name,label\na.png,red\nb.png,blue\n",
}


@pytest.mark.parametrize("kind", GOOD, ids=lambda kind: kind.__name__)
def test_a_seed_spoils_alike_and_almost_every_one_spoils(kind: spoil.Spoil) -> None:
    made = [[kind(GOOD[kind], random.Random(f"x {number}")) for number in range(200)] for _ in range(2)]
    assert made[0] == made[1]
    assert sum(content != GOOD[kind] for content in made[0]) > 180
    assert len(set(made[0])) > 80


def test_a_trial_that_ended_well_in_the_end_is_no_failure() -> None:
    outcome = Outcome(part="malformed files", group="weights", versions=versions(), commit="x")
    outcome = outcome.with_trial(Trial(name="0", ends=("2",), seconds=1.0, slowest=1.0, memory=5))
    outcome = outcome.with_trial(Trial(name="1", ends=("4",), wrong=("a traceback",), seconds=1.0, slowest=1.0))
    assert (outcome.tried, outcome.well, outcome.exits) == (2, 1, {"2": 1, "4": 1})
    outcome = outcome.with_trial(Trial(name="1", ends=("2",)))
    assert (outcome.tried, outcome.well, outcome.exits) == (2, 2, {"2": 2})


def test_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "OUTCOMES", tmp_path)
    group = Group("malformed files", "weights", 2)
    assert faults._missing(group, None)
    found = Outcome(part=group.part, group=group.name, versions=versions(), commit="x", tried=2)
    found.save(tmp_path / f"{group.key}.json")
    assert not faults._missing(group, None)
    assert not faults._missing(group, "failed")
    failed = found.model_copy(update={"failures": (Trial(name="1", ends=("4",), wrong=("a",)),)})
    failed.save(tmp_path / f"{group.key}.json")
    assert faults._missing(group, "failed")
    assert faults._missing(group, "all")
    assert not list(tmp_path.iterdir())
    found.model_copy(update={"versions": {"timm": "0"}}).save(tmp_path / f"{group.key}.json")
    assert faults._missing(group, None)


def test_the_tables_are_those_of_the_outcomes(tmp_path: Path) -> None:
    (tmp_path / "SECURITY.md").write_text((ROOT / "SECURITY.md").read_text())
    render(faults.OUTCOMES, tmp_path, tmp_path / "SECURITY.md")
    assert (tmp_path / "README.md").read_text() == (faults.HERE / "README.md").read_text()
    assert (tmp_path / "SECURITY.md").read_text() == (ROOT / "SECURITY.md").read_text()
    quoted = (ROOT / "SECURITY.md").read_text().partition(BEGIN)[2].partition(END)[0]
    assert quoted.strip().splitlines() == totals(outcomes(faults.OUTCOMES))


def test_nothing_that_was_tried_ended_badly() -> None:
    """What the house promises: mend what is told there, and try again with --again failed."""
    known = {(group.part, group.name): group.wanted for group in groups()}
    found = outcomes(faults.OUTCOMES)
    assert found
    for outcome in found:
        wanted = known[outcome.part, outcome.group]
        assert 0 < outcome.tried <= (wanted or outcome.tried), outcome.group
        assert outcome.failures == (), outcome.group


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "group", "trial"),
    [
        ("malformed files", "lock", "1"),
        ("Hub in trouble", "lineage index", "503 @ listing"),
        ("ended at random moments", "lineage index", "SIGTERM 1"),
    ],
)
def test_a_trial_of_each_part(part: str, group: str, trial: str, tmp_path: Path) -> None:
    command = ("-m", "bench.faults", "--part", part, "--group", group, "--only", trial)
    done = warm.run(*command, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "failed with" not in done.stdout
    assert '"wrong": []' in done.stdout, done.stdout
