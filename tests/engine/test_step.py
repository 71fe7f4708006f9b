"""A step's key holds all of its fields but the free ones, and how its inputs are opened."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import hubslice.run
from hubslice.core.progress import Silent
from hubslice.engine.execution import cached, execute
from hubslice.engine.run_folder import RunFolder
from hubslice.engine.step import Context, Step
from hubslice.recipe.schema import ProfileParams, TrainParams


@dataclass(frozen=True, kw_only=True)
class Write(Step):
    """Write a word; how often it is read by later steps is told by `times`."""

    kind: ClassVar[str] = "write"
    free: ClassVar[frozenset[str]] = frozenset({"remark"})
    kept: ClassVar[bool] = True

    word: str
    times: int = 1
    params: TrainParams | ProfileParams | None = None
    remark: str = ""

    @property
    def title(self) -> str:
        return "Write"

    def run(self, context: Context) -> None:
        (context.out / "word").write_text(self.word)

    def open(self, folder: Path) -> list[str]:
        OPENED.append(self.name)
        return [(folder / "word").read_text()] * self.times

    def opening(self) -> Mapping[str, object]:
        return {"times": self.times}

    def lend(self, opened: object) -> object:
        assert isinstance(opened, list)
        return list(opened)


@dataclass(frozen=True, kw_only=True)
class Join(Step):
    """Join what was read, and spoil it."""

    kind: ClassVar[str] = "join"

    @property
    def title(self) -> str:
        return "Join"

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("write",)

    def run(self, context: Context) -> None:
        words = context.open("write", list)
        (context.out / "text").write_text(" ".join(words))
        words.clear()


OPENED: list[str] = []


def run_of(path: Path, *steps: Step) -> RunFolder:
    run = RunFolder(path)
    OPENED.clear()
    execute(steps, run, torch.device("cpu"), Silent())
    return run


def test_every_field_but_the_free_ones_is_in_the_key() -> None:
    step = Write(word="a")
    assert step.key({}) == Write(word="a", remark="another").key({})
    others = (
        Write(word="b"),
        Write(word="a", times=2),
        Write(word="a", suffix="x"),
        Write(word="a", params=TrainParams()),
        Write(word="a", params=TrainParams(lr=0.5)),
        Write(word="a", params=ProfileParams()),
    )
    assert len({each.key({}) for each in (step, *others)}) == 1 + len(others)


def test_what_is_only_speed_is_not() -> None:
    assert Write(word="a", params=TrainParams(workers=3)).key({}) == Write(word="a", params=TrainParams()).key({})


def test_what_is_opened_is_kept_and_lent(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", Write(word="a", times=2), Join(), Join(suffix="again"))
    assert OPENED == ["write"]
    assert [(run.step(name) / "text").read_text() for name in ("join", "join.again")] == ["a a", "a a"]


def test_a_way_of_opening_is_a_part_of_later_keys(tmp_path: Path) -> None:
    """The file is the same, and read otherwise."""
    run = run_of(tmp_path / "run", Write(word="a"), Join())
    assert (run.step("join") / "text").read_text() == "a"
    steps = [Write(word="a", times=3), Join()]
    assert cached(steps, run) == {"write": False, "join": False}
    run_of(tmp_path / "run", *steps)
    assert (run.step("join") / "text").read_text() == "a a a"
    assert cached(steps, run) == {"write": True, "join": True}


def test_what_is_made_anew_is_opened_anew(tmp_path: Path) -> None:
    run_of(tmp_path / "run", Write(word="a"), Join())
    run = run_of(tmp_path / "run", Write(word="b"), Join())
    assert (run.step("join") / "text").read_text() == "b"


def kinds(base: type[Step] = Step) -> Iterator[type[Step]]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith("hubslice."):
            yield kind
            yield from kinds(kind)


def test_free_fields_are_there_and_everything_of_a_step_is_a_field() -> None:
    for module in pkgutil.walk_packages(hubslice.run.__path__, "hubslice.run."):
        importlib.import_module(module.name)
    found = list(kinds())
    assert len(found) > 14
    for kind in found:
        assert kind.free <= {each.name for each in fields(kind)}, kind
        assert set(kind.__annotations__) <= {each.name for each in fields(kind)} | {
            "kind",
            "version",
            "shared",
            "free",
            "kept",
            "weight_copies",
        }, kind


def test_something_else_than_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("a")
    context = Context(tmp_path, {"write": tmp_path}, torch.device("cpu"), Silent(), {"write": Write(word="a")})
    with pytest.raises(TypeError, match="step write holds a list, not a int"):
        context.open("write", int)
