"""What `hubslice execution` refuses or does without: told with the cause, and nothing is written or lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from hubslice.files.sealed import write_sealed
from hubslice.models.timm_adapter import TimmModel
from hubslice.verbs.execution.recording import site
from hubslice.verbs.execution.store import KIND, save_patterns
from tests.ancestry.runs import SITE, pattern
from tests.faults import odd_models
from tests.faults.conftest import Refused
from tests.terminal.conftest import Hubslice
from tests.verbs.detect.small import write_model
from tests.verbs.latency.graphs import convolution

AGAIN = "make it again with `hubslice patterns MODEL ... --out FILE`"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("execution")
    write_model(place / "model")
    TimmModel.create(odd_models.BRANCHES, ("a", "b", "c"), seed=0).save(place / "odd")
    convolution(place / "free.onnx", ("batch", 3, "height", "width"))
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    (place / "text.safetensors").write_bytes(b"no store")
    save_patterns(place / "store.safetensors", [pattern(0), pattern(1)], SITE)
    save_patterns(place / "thin.safetensors", [pattern(0, runs=2)], SITE)
    return place


EAGER = ("--stack", "eager")
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "an unknown stack": (
        ("execution", "model", "--stack", "tensorflow"),
        ("'tensorflow' is not a stack", "stacks are eager, compiled, ort-none", "--stack NAME"),
    ),
    "too few runs": (
        ("execution", "model", *EAGER, "--runs", "2"),
        ("2 runs are too few for a pattern: what repeated runs differ by", "give --runs 3 or more"),
    ),
    "too few runs to be known by": (
        ("patterns", "model", "--out", "new.safetensors", "--runs", "1"),
        ("1 run is too few for a pattern", "give --runs 3 or more"),
    ),
    "too few runs in a store": (
        ("execution", "model", "--store", "thin.safetensors"),
        ("2 runs are too few for a pattern",),
    ),
    "models and a store": (
        ("execution", "model", "--against", "odd", "--store", "store.safetensors"),
        ("give either models to compare with or a store of their patterns", "--against MODEL ..., or --store FILE"),
    ),
    "no such model": (("execution", "nobody", *EAGER), ("nobody is neither a local model nor a Hub id",)),
    "no such known model": (
        ("execution", "model", "--against", "./nobody", *EAGER),
        ("./nobody is neither a local model",),
    ),
    "no store": (
        ("execution", "model", "--store", "nowhere.safetensors"),
        ("cannot be read as a pattern store", AGAIN),
    ),
    "text as a store": (("execution", "model", "--store", "text.safetensors"), ("pattern store", AGAIN)),
    "weights as a store": (
        ("execution", "model", "--store", "model/model.safetensors"),
        ("is a safetensors file but not a pattern store of this version", AGAIN),
    ),
    "somebody's folder": (
        ("execution", "model", *EAGER, "--out", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced", "--out"),
    ),
    "a store over a folder": (
        ("patterns", "model", "--out", "busy", *EAGER),
        ("busy is a folder; a pattern store is a file",),
    ),
    "a model that cannot be exported": (
        ("execution", "odd", "--stack", "ort-all"),
        ("Odd cannot be exported to ONNX", "branches on the values of tensors"),
    ),
    "a graph of images of any size": (
        ("execution", "free.onnx", "--stack", "ort-all"),
        ("free.onnx takes images of any size", "--input-size PIXELS"),
    ),
    "a graph in PyTorch": (
        ("execution", "free.onnx", "--stack", "eager"),
        ("an ONNX file is recorded as it is, by ONNX Runtime alone", "--stack ort-none --stack ort-all"),
    ),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused(*arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


def test_a_store_of_another_version(place: Path, refused: Refused) -> None:
    write_sealed(place / "old.safetensors", KIND, {"version": 0}, {"durations": np.zeros(3, np.uint32)})
    kept = (place / "old.safetensors").read_bytes()
    says = ("old.safetensors holds patterns of version 0; this hubslice reads version 1", AGAIN)
    refused("execution", "model", "--store", "old.safetensors", code=2, says=says)
    assert (place / "old.safetensors").read_bytes() == kept


def test_a_bent_store(place: Path, refused: Refused) -> None:
    data = bytearray((place / "store.safetensors").read_bytes())
    data[-40] ^= 1
    (place / "store.safetensors").write_bytes(data)
    says = ("its content is not that of its checksum", AGAIN)
    refused("execution", "model", "--store", "store.safetensors", code=2, says=says)


def test_patterns_of_another_machine(place: Path, hubslice: Hubslice) -> None:
    """Said, and compared all the same; not where they are this machine's."""
    done = hubslice("execution", "model", "--store", "store.safetensors", "--json")
    assert done.code == 0
    told = " ".join(done.stderr.split())
    assert "store.safetensors were recorded on another machine or software (processor: a fast one, here" in told
    assert "torch: 2.14, here" in told
    assert "distances say little" in told
    assert len(json.loads(done.stdout)["elsewhere"]) >= 2
    save_patterns(place / "here.safetensors", [pattern(0), pattern(1)], site("cpu"))
    again = hubslice("execution", "model", "--store", "here.safetensors", "--json")
    assert "another machine" not in again.stderr
    assert json.loads(again.stdout)["elsewhere"] == []


def test_what_cannot_be_exported_still_runs(place: Path, hubslice: Hubslice) -> None:
    done = hubslice("execution", "odd", *EAGER, "--stack", "ort-none", "--runs", "3", "--json")
    assert done.code == 0
    assert "odd was not recorded on ort-none: Odd cannot be exported to ONNX" in " ".join(done.stderr.split())
    found = json.loads(done.stdout)
    assert [seen["stack"] for seen in found["observations"]] == ["eager"]
    assert set(found["skipped"]) == {"ort-none"}


def test_a_known_model_that_cannot_be_recorded_is_left_out(place: Path, hubslice: Hubslice) -> None:
    shutil.copytree(place / "model", place / "twin")
    (place / "twin/model.safetensors").write_bytes(b"cut")
    done = hubslice("execution", "model", "--against", "twin", "model", *EAGER, "--runs", "3", "--json")
    assert done.code == 0
    assert "twin was left out: " in done.stderr
    assert set(json.loads(done.stdout)["others"]) == {"twin"}


def test_without_a_compiler_the_other_stacks_are_recorded(
    place: Path, hubslice: Hubslice, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_compiler(*_: object, **__: object) -> object:
        def call(*_: object) -> object:
            raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")

        return call

    monkeypatch.setattr(torch, "compile", no_compiler)
    says = ("torch.compile does not work here", "No working C++ compiler found", "it needs a C++ compiler (g++)")
    refused("execution", "model", "--stack", "compiled", code=2, says=says)
    done = hubslice("execution", "model", *EAGER, "--stack", "compiled", "--runs", "3", "--quiet")
    assert done.code == 0
    assert "model was not recorded on compiled: torch.compile does not work here" in " ".join(done.stderr.split())


def test_inputs_that_the_model_does_not_take(place: Path, refused: Refused) -> None:
    deep = TimmModel.create("hubslice_vgg", ("a", "b"), seed=0, widths=(4,) * 5, depths=(1,) * 5)
    deep.save(place / "deep")
    says = (
        "cannot answer to an image",
        "of 8 x 8 pixels, as asked",
        "give --input-size with the side that it was made for",
    )
    refused("execution", "./deep", *EAGER, "--input-size", "8", code=2, says=says)
