"""What `hubslice detect` refuses: told with the cause, and nothing is written or lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import hubslice as package
from tests.faults.conftest import Refused
from tests.verbs.detect.small import clean, write_model

pytestmark = pytest.mark.slow  # every test is quick, all of them together are not


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a detector of the first, and inputs good and bad; made once and copied."""
    place = tmp_path_factory.mktemp("detect")
    write_model(place / "model")
    write_model(place / "other", scale=5.0)
    images = clean(200)
    np.save(place / "clean.npy", images)
    red, rest = images[::3], np.concatenate([images[1::3], images[2::3]])
    np.save(place / "lopsided.npy", np.concatenate([red[:7], rest]))
    np.save(place / "red.npy", red)
    np.save(place / "large.npy", np.zeros((2, 3, 32, 32), np.float32))
    (place / "empty").mkdir()
    (place / "notes.txt").write_text("no image")
    package.detect_fit(place / "model", place / "clean.npy", fpr=0.1, out=place / "guard")
    for name, change in {"cut": lambda data: data[:-40], "bent": _bent, "text": lambda data: b"no detector"}.items():
        shutil.copytree(place / "guard", place / name)
        path = place / name / "detector.safetensors"
        path.write_bytes(change(path.read_bytes()))
    shutil.copytree(place / "guard", place / "swapped")
    shutil.copy(place / "model/model.safetensors", place / "swapped/detector.safetensors")
    (place / "busy").mkdir()
    (place / "busy/thesis.tex").write_text("years of work")
    return place


def _bent(data: bytes) -> bytes:
    return data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]


AGAIN = "make the detector again with `hubslice detect fit MODEL`"
FAULTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "too few of a class": (
        ("fit", "model", "--data", "lopsided.npy"),
        ("the model answers 'red' to 7 of the images; 20 are needed", "give more images of it", "--skip-rare"),
    ),
    "one class": (
        ("fit", "model", "--data", "red.npy"),
        ("gives 1 answers to the images often enough", "compares two or more", "--data"),
    ),
    "too few for the rate": (
        ("fit", "model", "--data", "clean.npy", "--fpr", "0.001"),
        ("60 images for validation cannot tell a false positive rate of 0.001: 999 are needed", "a higher --fpr"),
    ),
    "rate of zero": (("fit", "model", "--data", "clean.npy", "--fpr", "0"), ("rate of 0 is not between 0 and 1",)),
    "rate of one": (("fit", "model", "--data", "clean.npy", "--fpr", "1"), ("rate of 1 is not between 0 and 1",)),
    "rate that is no number": (("fit", "model", "--data", "clean.npy", "--fpr", "low"), ("--fpr",)),
    "empty data": (("fit", "model", "--data", "empty"), ("empty holds no images", "inputs are an image, a folder")),
    "no data": (("fit", "model", "--data", "nowhere.npy"), ("there is nothing at nowhere.npy",)),
    "data of another kind": (("fit", "model", "--data", "notes.txt"), ("notes.txt cannot be read: not an image",)),
    "data of another size": (("fit", "model", "--data", "large.npy"), ("the model takes pixels [N, 3, 16, 16]",)),
    "no such layer": (
        ("fit", "model", "--data", "clean.npy", "--layer", "features.5"),
        ("the model has no layer 'features.5'; did you mean 'features.", "its last layers are features.0, features.4"),
    ),
    "somebody's folder": (
        ("fit", "model", "--data", "clean.npy", "--out", "busy"),
        ("busy holds thesis.tex", "nothing there is replaced", "--out"),
    ),
    "empty folder": (("check", "guard", "--inputs", "empty"), ("empty holds no images",)),
    "inputs of another kind": (("check", "guard", "-i", "notes.txt"), ("notes.txt cannot be read: not an image",)),
    "inputs of another size": (
        ("check", "guard", "-i", "large.npy"),
        ("an array of [2, 3, 32, 32]; the model takes pixels [N, 3, 16, 16]",),
    ),
    "another model": (
        ("check", "other", "-d", "guard", "-i", "clean.npy"),
        (
            "guard is a detector of another model",
            "/other begins with",
            "make one of this model with `hubslice detect fit",
        ),
    ),
    "no detector": (
        ("check", "model", "-i", "clean.npy"),
        ("model-detector holds no detector", "make one with `hubslice detect fit MODEL`"),
    ),
    "a cut detector": (("check", "cut", "-i", "clean.npy"), ("cannot be read as a detector: its tensors", AGAIN)),
    "a bent detector": (("check", "bent", "-i", "clean.npy"), ("its content is not that of its checksum", AGAIN)),
    "text as detector": (("check", "text", "-i", "clean.npy"), ("cannot be read as a detector", AGAIN)),
    "weights as detector": (
        ("check", "swapped", "-i", "clean.npy"),
        ("is a safetensors file but not a detector of this version", AGAIN),
    ),
}


@pytest.mark.parametrize(("arguments", "says"), FAULTS.values(), ids=FAULTS)
def test_what_is_refused(place: Path, refused: Refused, arguments: tuple[str, ...], says: tuple[str, ...]) -> None:
    before = sorted(place.rglob("*"))
    refused("detect", *arguments, code=2, says=says)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ("--data", "rare.npy"),
            ("answers 'blue' to 3, 'red' to 7 of the images; 20 of each are needed", "of these"),
        ),
        (("--data", "lopsided.npy"), ("the model answers 'red' to 7 of the images; 20 are needed",)),
        (("--data", "rare.npy", "--skip-rare"), ("gives 1 answers to the images often enough",)),
        (("--data", "clean.npy", "--fpr", "0.001"), ("999 are needed",)),
    ],
)
def test_what_is_too_rare_is_told_before_anything_is_traced(
    place: Path, refused: Refused, options: tuple[str, ...], says: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object, **__: object) -> None:
        raise AssertionError("what is slow was begun")

    images = clean(200)
    np.save("rare.npy", np.concatenate([images[::3][:7], images[1::3], images[2::3][:3]]))
    monkeypatch.setattr("hubslice.tracing.means.take_means", slow)
    monkeypatch.setattr("hubslice.verbs.detect.vectors.trace_each", slow)
    refused("detect", "fit", "model", *options, code=2, says=says)


def test_a_model_that_has_changed_under_its_detector(place: Path, refused: Refused) -> None:
    """The detector names its model by path; what lies there is checked, not trusted."""
    package.detect_fit("model", "clean.npy", fpr=0.1, out=Path("mine"))
    kept = (place / "mine/detector.safetensors").read_bytes()
    shutil.rmtree(place / "model")
    shutil.copytree(place / "other", place / "model")
    refused("detect", "check", "mine", "-i", "clean.npy", code=2, says=("is a detector of another model",))
    assert (place / "mine/detector.safetensors").read_bytes() == kept


def test_skipping_answers_with_too_few_images(place: Path) -> None:
    made = package.detect_fit("model", "lopsided.npy", fpr=0.1, skip_rare=True)
    assert made.skipped == {"red": 7}
    found = package.detect_check("model", "red.npy")
    assert found.flagged == len(found.inputs) == 67
    assert all(entry.score is None for entry in found.inputs)
