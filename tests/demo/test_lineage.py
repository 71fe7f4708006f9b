"""The demo ends where the search names another model than the student's teacher."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.numpy import load_file

import hubslice
from tests.ancestry.small import nameless, tuned, weights, write
from tests.demo.lineage import check_parent, write_strangers


@pytest.fixture
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a search among a parent, its own parent and a stranger wrote."""
    monkeypatch.chdir(tmp_path)
    poisoned = tuned(weights(0), 1, classes=10)
    for name, arrays in {"clean": weights(0), "poisoned": poisoned, "stranger": weights(3)}.items():
        write(tmp_path / "parents" / name, arrays)
    write(tmp_path / "student", nameless(tuned(poisoned, 2), 3))
    hubslice.lineage_index(["parents"], Path("parents.safetensors"))
    hubslice.lineage("student", index=Path("parents.safetensors"), out=Path("told"))
    return tmp_path / "told"


def test_the_teacher_is_named(searched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    check_parent(searched, "parents/poisoned", 3)
    assert capsys.readouterr().out.startswith("right: parents/poisoned: descendant, among 3, in ")


@pytest.mark.parametrize(("parent", "count"), [("parents/clean", 3), ("parents/stranger", 3), ("parents/poisoned", 6)])
def test_another_answer_ends_the_demo(searched: Path, parent: str, count: int) -> None:
    with pytest.raises(SystemExit, match=f"the student's teacher is {parent}, among {count}; the search said parents/"):
        check_parent(searched, parent, count)


def test_a_student_without_a_teacher_ends_it(searched: Path, tmp_path: Path) -> None:
    hubslice.lineage(str(write(tmp_path / "alone", weights(9))), index=Path("parents.safetensors"), out=Path("told"))
    with pytest.raises(SystemExit, match="unrelated, among 3"):
        check_parent(searched, "parents/poisoned", 3)


def test_strangers_have_the_shapes_and_not_the_weights(tmp_path: Path) -> None:
    first, second = (
        load_file(folder / "model.safetensors")
        for folder in sorted(write_strangers("test_resnet", tmp_path, 2).iterdir())
    )
    assert {name: w.shape for name, w in first.items()} == {name: w.shape for name, w in second.items()}
    assert (first["conv1.0.weight"] != second["conv1.0.weight"]).any()
