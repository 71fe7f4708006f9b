"""Text is taken for a path everywhere in Python: every parameter of every public function, every artefact's file."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

import hubslice
from hubslice.artefacts.contributions import Contributions
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.profile import SNAC, Profile
from hubslice.artefacts.slice import Slice
from hubslice.core.errors import DetectError, InputError, RunError
from hubslice.core.paths import as_path
from hubslice.core.rate import Rate
from hubslice.verbs.detect.detector import Detector

# What does the work behind each public function, and the arguments that it cannot do without.
BEHIND: dict[str, tuple[str, dict[str, object]]] = {
    "convert": ("hubslice.verbs.convert.service.convert", {"form": "onnx"}),
    "detect_check": ("hubslice.verbs.detect.service.detect_check", {}),
    "detect_fit": ("hubslice.verbs.detect.service.detect_fit", {}),
    "diff": ("hubslice.verbs.diff.service.diff", {}),
    "execution": ("hubslice.verbs.execution.service.execution", {}),
    "execution_patterns": ("hubslice.verbs.execution.service.record_patterns", {}),
    "explain": ("hubslice.verbs.explain.service.explain", {}),
    "exposure": ("hubslice.verbs.exposure.service.exposure", {}),
    "latency": ("hubslice.verbs.latency.service.measure_latency", {}),
    "lineage": ("hubslice.verbs.lineage.service.lineage", {}),
    "lineage_index": ("hubslice.verbs.lineage.indexing.lineage_index", {}),
    "load": ("hubslice.models.load.parse_ref", {}),
    "plan_push": ("hubslice.verbs.push.service.plan_push", {"repo_id": "you/beans"}),
    "poison": ("hubslice.verbs.poison.service.poison", {}),
    "pull": ("hubslice.verbs.pull.service.pull", {}),
    "push": ("hubslice.verbs.push.service.plan_push", {"repo_id": "you/beans"}),
    "slice": ("hubslice.run.run.open_run", {}),
    "verify": ("hubslice.verbs.verify.service.verify", {}),
}
FUNCTIONS = [name for name in hubslice.__all__ if inspect.isfunction(getattr(hubslice, name))]


class Seen(Exception):  # noqa: N818 - no error: it brings the arguments of the function behind
    """Raised in place of the work."""


def path_parameters(name: str) -> dict[str, str]:
    found = inspect.signature(getattr(hubslice, name)).parameters
    return {key: str(parameter.annotation) for key, parameter in found.items() if "Path" in str(parameter.annotation)}


def test_the_table_names_every_public_function_that_takes_paths() -> None:
    assert sorted(BEHIND) == [name for name in FUNCTIONS if path_parameters(name)]
    assert sum(len(path_parameters(name)) for name in FUNCTIONS) > 40


@pytest.mark.parametrize("name", sorted(BEHIND))
def test_a_function_makes_the_same_of_text_as_of_a_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, others = BEHIND[name]
    module, _, attribute = place.rpartition(".")

    def show(*args: object, **options: object) -> object:
        raise Seen(args, sorted((key, value) for key, value in options.items() if key != "reporter"))

    monkeypatch.setattr(importlib.import_module(module), attribute, show)

    def call(kind: Callable[[str], Any]) -> Any:
        given: dict[str, Any] = dict(others)
        for key, annotation in path_parameters(name).items():
            one = kind(str(tmp_path / key))
            given[key] = [one] if "Sequence" in annotation else one
        with pytest.raises(Seen) as seen:
            getattr(hubslice, name)(**given)
        return seen.value.args

    assert repr(call(str)) == repr(call(Path)) == repr(call(Other))


class Other(os.PathLike[str]):
    """A path of another library."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __fspath__(self) -> str:
        return self.text


def test_every_artefact_that_is_saved_or_loaded_takes_text() -> None:
    """A `path` of `save` or `load` that must be a `Path` is found by its annotation."""
    found, narrow = 0, []
    for info in pkgutil.walk_packages(hubslice.__path__, "hubslice."):
        if not info.name.startswith(("hubslice.artefacts.", "hubslice.verbs.detect.", "hubslice.tracing.means")):
            continue
        for name, kind in inspect.getmembers(importlib.import_module(info.name), inspect.isclass):
            for verb in ("save", "load"):
                method = getattr(kind, verb, None)
                if kind.__module__ != info.name or method is None:
                    continue
                annotation = str(inspect.signature(method).parameters["path"].annotation)
                found += 1
                narrow += [f"{name}.{verb}: {annotation}"] if "AnyPath" not in annotation else []
    assert found > 40
    assert narrow == []


@pytest.mark.parametrize(
    "made",
    [
        Slice({"w": np.array([True, False])}, "remos", {}),
        Profile(counts={"w": np.array([1])}, samples=1, criterion=SNAC, provider="cpu", model="m", data="d"),
        Contributions({"w": np.array([1])}, 1, {}),
        Predictions({"test": np.array([0])}, {"test": {"student": np.array([0])}}),
        Rate(hits=1, total=2),
    ],
    ids=lambda made: type(made).__name__,
)
def test_a_file_is_written_and_read_by_text(
    made: Slice | Profile | Contributions | Predictions | Rate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made.save("by-text")
    made.save(tmp_path / "by-path")
    assert Path("by-text").read_bytes() == Path("by-path").read_bytes()
    assert repr(type(made).load("by-text")) == repr(type(made).load(Path("by-text")))
    with pytest.raises(RunError, match="nowhere"):
        type(made).load("nowhere")


def test_a_detector_that_is_not_there_is_named_by_text_too() -> None:
    with pytest.raises(DetectError, match="holds no detector"):
        Detector.load("nowhere/detector.safetensors")


def test_an_empty_text_is_not_the_working_directory() -> None:
    with pytest.raises(InputError, match="empty"):
        hubslice.pull("./m", out="")
    assert as_path(None) is None
    assert as_path(PurePath("a")) == Path("a")
