"""Exposure against a slow reference: layers mixed by hand, bits counted one by one."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ViTModel

import hubslice as package
from hubslice.ancestry.exposure import changed_bits, needed
from hubslice.ancestry.leading_bits import STEPS, obtained
from hubslice.artefacts.exposure import Exposure, Obtained
from hubslice.models.transformers_adapter import TransformersModel
from tests.terminal.conftest import Hubslice, hubslice
from tests.verbs.detect.small import clean, write_model

__all__ = ["hubslice"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher, and a student whose first layer is the teacher's; its last convolution and head are not."""
    place = tmp_path_factory.mktemp("exposure")
    write_model(place / "teacher")
    write_model(place / "student")
    weights = load_file(place / "student/model.safetensors")
    weights["features.4.weight"] = weights["features.4.weight"].roll(1, 0)  # other colours where the teacher has these
    weights["classifier.weight"] = weights["classifier.weight"].roll(1, 1)
    save_file(weights, place / "student/model.safetensors", metadata={"format": "pt"})
    np.save(place / "clean.npy", clean(90))
    return place


@pytest.fixture
def place(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_agreement_by_hand(place: Path) -> None:
    found = package.exposure("student", "teacher", "clean.npy")
    student, teacher = (load_file(place / name / "model.safetensors") for name in ("student", "teacher"))
    model = package.load("student")
    pixels = torch.from_numpy(clean(90))
    with torch.inference_mode():
        right = model.logits(pixels).argmax(1)
        for point, taken in zip(
            found.curve,
            [(), ("classifier.",), ("classifier.", "features.5."), ("classifier.", "features.5.", "features.4.")],
            strict=False,
        ):
            mixed = {
                n: student[n] if n.startswith(taken) or not t.is_floating_point() else teacher[n]
                for n, t in student.items()
            }
            model.module.load_state_dict(mixed)
            agreeing = (model.logits(pixels).argmax(1) == right).float().mean()
            assert point.agreement == pytest.approx(float(agreeing), abs=1e-6)
            sizes = [t.numel() for n, t in student.items() if t.is_floating_point() and n.startswith(taken)]
            assert point.weights == pytest.approx(sum(sizes) / sum(layer.weights for layer in found.layers), abs=1e-6)
    assert [layer.layer for layer in found.layers] == [
        "classifier",
        "features.5",
        "features.4",
        "features.1",
        "features.0",
    ]
    assert (found.start, found.curve[-1].agreement, found.curve[-1].weights) == (found.curve[0].agreement, 1.0, 1.0)
    assert found.start == 1  # both compute the same, by other channels, which half of a mixture does not
    assert found.curve[1].agreement < 0.5
    changed = {layer.layer for layer in found.layers if layer.unchanged != 1}
    assert changed == {"classifier", "features.4"}
    assert 0 < found.bits_needed < found.weights_needed < 1
    assert found.bits_needed < found.bits_alone < 1


def test_a_head_of_another_size_has_to_be_obtained(place: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "teacher")
    weights = load_file(tmp_path / "teacher/model.safetensors")
    weights["classifier.weight"] = torch.zeros(10, weights["classifier.weight"].shape[1])
    weights["classifier.bias"] = torch.zeros(10)
    save_file(weights, tmp_path / "other.safetensors")
    found = package.exposure("student", tmp_path / "other.safetensors", "clean.npy")
    assert found.layers[0].layer == "classifier"
    assert found.layers[0].bits is None
    assert found.curve[0].layer == "classifier"
    assert found.curve[0].weights > 0


def test_the_teacher_itself_is_wholly_exposed(place: Path) -> None:
    found = package.exposure("teacher", "teacher", "clean.npy")
    assert (found.start, found.weights_needed, found.bits_needed, found.exposure) == (1.0, 0.0, 0.0, 1.0)
    assert [(point.bits, point.agreement) for point in found.leading] == [(0, 1)] * len(found.leading)
    assert [point.bits for point in found.alone] == [(9 + point.fraction) / 32 for point in found.alone]


def test_bits_one_by_one() -> None:
    rng = np.random.default_rng(0)
    mine = rng.normal(size=200).astype(np.float32)
    theirs = np.concatenate([mine[:50], mine[50:150] * np.float32(1.001), rng.normal(size=50).astype(np.float32)])
    for first, second, bits in zip(mine, theirs, changed_bits(mine, theirs), strict=True):
        pair = [struct.unpack("<I", struct.pack("<f", value))[0] for value in (first, second)]
        assert bits == (pair[0] ^ pair[1]).bit_length()


def leading_bits(mine: float, theirs: float | None, fraction: int) -> tuple[float, int]:
    """What is known of a weight, and the bits that took, from its binary digits."""
    digits, beside = (f"{struct.unpack('<I', struct.pack('<f', value or 0.0))[0]:032b}" for value in (mine, theirs))
    last = 9 + fraction
    first = 0 if theirs is None else next((n for n in range(32) if digits[n] != beside[n]), 32)
    if theirs is not None and first >= last:
        return theirs, 0
    known = digits if mine == 0 or last == 32 else digits[:last] + "1" + "0" * (31 - last)
    return struct.unpack("<f", struct.pack("<I", int(known, 2)))[0], last - first


def test_leading_bits_one_by_one() -> None:
    rng = np.random.default_rng(0)
    mine = rng.normal(size=300).astype(np.float32)
    theirs = np.concatenate([mine[:50], mine[50:200] * np.float32(1.001), rng.normal(size=100).astype(np.float32)])
    mine[::7] = 0
    counters = {"steps": torch.tensor(3)}
    student = {"a": torch.from_numpy(mine), "b": torch.from_numpy(mine[:10]).reshape(2, 5), **counters}
    for known in ({"a": torch.from_numpy(theirs)}, {}):
        for fraction in STEPS:
            state, share = obtained(student, known, fraction)
            beside = theirs.tolist() if known else [None] * 300
            pairs = [leading_bits(m, t, fraction) for m, t in zip(mine.tolist(), beside, strict=True)]
            others = [leading_bits(m, None, fraction) for m in mine[:10].tolist()]
            assert state["a"].tolist() == [value for value, _ in pairs]
            assert state["b"].tolist() == [[value for value, _ in others[at : at + 5]] for at in (0, 5)]
            assert state["steps"] == 3
            assert share == pytest.approx(sum(bits for _, bits in pairs + others) / (32 * 310))
    assert torch.equal(obtained(student, {}, 23)[0]["a"], student["a"])
    mask = {"mask": torch.tensor([-torch.inf, 0.0, torch.inf])}
    assert torch.equal(obtained(mask, {}, 3)[0]["mask"], mask["mask"])


def test_needed_is_for_good() -> None:
    points = [
        Obtained(layer=str(n), weights=n / 4, bits=n / 8, agreement=a) for n, a in enumerate((0.95, 0.5, 0.96, 0.97))
    ]
    assert needed(points, 0.94).weights == 0.5
    assert needed(points, 0.99).weights == 0.75


@pytest.mark.slow
def test_the_command(place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    arguments = ("exposure", "student", "--teacher", "teacher", "--data", "clean.npy")
    done = hubslice(*arguments, "--out", str(tmp_path / "told"), "--json")
    assert (done.code, done.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "told").iterdir()) == ["exposure.json", "exposure.png"]
    assert Exposure.load(tmp_path / "told/exposure.json") == Exposure.model_validate_json(done.stdout)
    found = json.loads(done.stdout)
    shown = hubslice(*arguments).stdout
    assert found["start"] == 1
    assert "the teacher as it is gives 100.0% of 90 answers" in shown
    assert float(hubslice(*arguments, "--quiet").stdout) == pytest.approx(found["exposure"], abs=1e-4)
    alone = hubslice("exposure", "teacher", *arguments[2:], "--quiet")
    assert alone.stdout == "1.0000\n"


def test_with_an_unknown_head_the_teacher_is_not_said_to_be_as_it_is(
    place: Path, tmp_path: Path, hubslice: Hubslice
) -> None:
    write_other(place, tmp_path / "other.safetensors", {"classifier.weight": (10, 8), "classifier.bias": (10,)})
    shown = hubslice(*("exposure", "student", "--teacher", str(tmp_path / "other.safetensors"), "--data", "clean.npy"))
    assert shown.stderr == ""  # most of the weights are in layers of the same names
    assert "with nothing but the layers that it lacks the teacher gives " in shown.stdout


def test_the_size_of_the_input(place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    np.save(tmp_path / "large.npy", np.ones((2, 3, 24, 24), np.float32))
    arguments = ("exposure", "student", "--teacher", "teacher", "--data", str(tmp_path / "large.npy"))
    assert "the model takes pixels [N, 3, 16, 16]" in " ".join(hubslice(*arguments).stderr.split())
    done = hubslice(*arguments, "--input-size", "24", "--json")
    assert (done.code, json.loads(done.stdout)["inputs"]) == (0, 2)


def write_other(place: Path, path: Path, changed: dict[str, tuple[int, ...]], renamed: str = "") -> None:
    """The teacher's tensors as a file, some of another shape, and names that begin with `renamed` others."""
    weights = load_file(place / "teacher/model.safetensors")
    weights |= {name: torch.zeros(shape) for name, shape in changed.items()}
    save_file({f"old.{n}" if renamed and n.startswith(renamed) else n: t for n, t in weights.items()}, path)


def test_a_file_whose_names_are_others_is_warned_of(place: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    write_other(place, tmp_path / "other.safetensors", {}, renamed="features.4")
    arguments = ("exposure", "student", "--data", "clean.npy", "--teacher")
    done = hubslice(*arguments, str(tmp_path / "other.safetensors"), "--json")
    found = json.loads(done.stdout)
    (warning,) = found["warnings"]
    assert json.loads(done.stderr) == {"warning": warning}
    share = sum(layer["weights"] for layer in found["layers"] if layer["bits"] is not None)
    share /= sum(layer["weights"] for layer in found["layers"])
    assert 0 < share < 0.5
    assert warning.startswith(f"only {share:.0%} of the weights lie in layers that ")
    assert "its names are those in its file: a file does not say how its network would name them" in warning
    assert "the exposure may be far higher" in warning
    (tmp_path / "folder").mkdir()  # the same without a network that could be built
    (tmp_path / "other.safetensors").rename(tmp_path / "folder/model.safetensors")
    (tmp_path / "folder/config.json").write_text('{"architecture": "hubslice_vgg", "num_classes": 3}')
    (warning,) = json.loads(hubslice(*arguments, str(tmp_path / "folder"), "--json").stdout)["warnings"]
    assert "its names are those in its file: the weights in " in warning
    assert "are not those of hubslice_vgg: " in warning


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT as transformers saves it, under names that are not those of its network; and without its head."""
    place = tmp_path_factory.mktemp("vit")
    about = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = TransformersModel.from_architecture("vit", ("red", "green", "blue"), 16, seed=0, patch_size=8, **about)
    for name, module in (("student", model.module), ("base", ViTModel(model.module.config, add_pooling_layer=False))):
        model.save(place / name)
        if name == "base":
            module.load_state_dict(model.module.vit.state_dict())
        module.save_pretrained(place / name)
    np.save(place / "clean.npy", clean(9))
    return place


def test_a_network_whose_file_has_other_names(vit: Path) -> None:
    own = load_file(vit / "student/model.safetensors").keys() - package.load(vit / "student").module.state_dict().keys()
    assert any("attention.attention.query" in name for name in own)
    for teacher in ("student", "student/model.safetensors"):
        found = package.exposure(vit / "student", vit / teacher, vit / "clean.npy")
        assert (found.exposure, found.shared, found.warnings) == (1.0, 1.0, ())


def test_a_teacher_without_a_head(vit: Path, caplog: pytest.LogCaptureFixture) -> None:
    state = torch.random.get_rng_state()
    found = package.exposure(vit / "student", vit / "base", vit / "clean.npy")
    assert [layer.layer for layer in found.layers if layer.bits is None] == ["classifier"]
    assert all(layer.unchanged == 1 for layer in found.layers[1:])
    assert (found.start, found.weights_needed, found.warnings) == (1.0, found.curve[0].weights, ())
    assert torch.equal(torch.random.get_rng_state(), state)  # a head was drawn and dropped
    assert not caplog.records
