"""A model's files may name code, repositories and other files: none is loaded, asked or read, whatever is done."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import ViTConfig, ViTForImageClassification

import hubslice as library
from hubslice.core.errors import ModelError
from hubslice.hub.pull import fetch
from hubslice.hub.ref import LocalRef
from hubslice.hub.tensors import open_tensors
from hubslice.modality.image.image_processor import plain_settings
from hubslice.models.folder import load_model, random_model
from hubslice.models.timm_adapter import TimmModel
from hubslice.verbs.verify.student import check_stock
from tests.faults.conftest import Refused
from tests.faults.names_elsewhere import BACKBONES, KEPT, KERNEL, LEFT_OUT, REFUSED, SOURCES


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound model of each kind, by name."""
    folder = tmp_path_factory.mktemp("good")
    TimmModel.create("test_resnet", ("cat", "dog", "owl"), seed=0).save(folder / "timm")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8
    )
    ViTForImageClassification(config).save_pretrained(folder / "transformers")
    (folder / "transformers" / "preprocessor_config.json").write_text(json.dumps(plain_settings(32)))
    return folder


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What somebody tried to connect to: nothing, at the end of every test here."""
    asked: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        asked.append(arguments[-2:])
        raise OSError("no connection is opened here")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setenv("HF_TOKEN", "hf_" + "0123456789")
    yield asked
    assert not asked


def changed(folder: Path, target: Path, **entries: object) -> Path:
    """A copy of the model with these entries in its config.json."""
    shutil.copytree(folder, target)
    path = target / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return target


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("name", LEFT_OUT)
def test_code_that_a_network_does_not_need_is_left_out(name: str, good: Path, tmp_path: Path) -> None:
    folder = changed(good / "transformers", tmp_path / "model", **LEFT_OUT[name])
    model = load_model(folder)
    (note,) = model.notes
    assert "names code from elsewhere" in note
    assert note.partition(":")[0] in json.dumps(LEFT_OUT[name])
    pixels = torch.rand(2, 3, 32, 32)
    assert torch.equal(model.logits(pixels), load_model(good / "transformers").logits(pixels))
    assert random_model(folder).notes == model.notes
    model.save(tmp_path / "saved")
    assert KERNEL not in (tmp_path / "saved" / "config.json").read_text()
    assert load_model(tmp_path / "saved").notes == ()


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("name", KEPT)
def test_names_behind_which_is_nothing_are_kept(name: str, good: Path, tmp_path: Path) -> None:
    model = load_model(changed(good / "transformers", tmp_path / "model", **KEPT[name]))
    assert model.notes == ()
    assert {parameter.dtype for parameter in model.module.parameters()} == {torch.float32}


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_leads_elsewhere_is_refused(name: str, good: Path, tmp_path: Path, refused: Refused) -> None:
    entries, says = REFUSED[name]
    folder = changed(good / "transformers", tmp_path / "model", **entries)
    for file in ("other.safetensors", "adapter_model.bin"):
        shutil.copyfile(folder / "model.safetensors", folder / file)
    for command in (("pull", "--out", str(tmp_path / "out")), ("convert", "--to", "onnx", "--out", "x")):
        refused(command[0], str(folder), *command[1:], code=2, says=(says,))
    refused("lineage", str(folder), "--candidates", str(good / "transformers"), code=2, says=(says,))
    ref = LocalRef(str(folder), folder, "folder")
    for read in (load_model, random_model, lambda _: fetch(ref), lambda _: open_tensors(ref)):
        with pytest.raises(ModelError) as caught:
            read(folder)
        assert says in caught.value.message


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("kind", BACKBONES)
def test_a_backbone_that_the_hub_would_be_asked_for_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind, **BACKBONES[kind]}))
    save_file({"x": torch.zeros(3)}, tmp_path / "model.safetensors")
    for read in (load_model, random_model):
        with pytest.raises(ModelError, match=r"from its own files: transformers would ask huggingface\.co") as caught:
            read(tmp_path)
        assert "backbone_config" in str(caught.value.hint)


@pytest.mark.usefixtures("tried")
@pytest.mark.parametrize("form", ["today's", "the oldest", "in transformers' wrapper"])
def test_what_timm_says_of_where_weights_were_is_not_followed(form: str, good: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(good / "timm", tmp_path / "model"))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["pretrained_cfg"] |= SOURCES
    if form == "the oldest":
        config = config["pretrained_cfg"] | {"architecture": config["architecture"], "num_classes": 3}
    elif form != "today's":
        config |= {"model_type": "timm_wrapper", "architectures": ["TimmWrapperForImageClassification"]}
    path.write_text(json.dumps(config))
    pixels = torch.rand(2, 3, 160, 160)
    assert torch.equal(load_model(folder).logits(pixels), load_model(good / "timm").logits(pixels))
    random_model(folder)
    fetch(LocalRef(str(folder), folder, "folder"))


@pytest.mark.usefixtures("tried")
def test_what_else_lies_in_a_folder_is_not_read(good: Path, tmp_path: Path) -> None:
    """Adapters, shards of a training on several machines, code, and settings of generation."""
    folder = Path(shutil.copytree(good / "transformers", tmp_path / "model"))
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base", "peft_type": "LORA"}')
    (folder / "generation_config.json").write_text('{"custom_generate": "owner/code"}')
    (folder / "shard-00000-model-00001-of-00001.safetensors").write_bytes(b"no tensors")
    (folder / ".metadata").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit('run')")
    pixels = torch.rand(2, 3, 32, 32)
    model = load_model(folder)
    assert torch.equal(model.logits(pixels), load_model(good / "transformers").logits(pixels))
    assert check_stock(folder, model, torch.device("cpu")).state == "agrees"


def test_verify_tells_that_stock_code_does_not_answer(good: Path, tmp_path: Path) -> None:
    folder = changed(good / "transformers", tmp_path / "model", return_dict=False)
    found = check_stock(folder, load_model(folder), torch.device("cpu"))
    assert (found.state, "it cannot load it and answer" in str(found)) == ("differs", True)


@pytest.mark.usefixtures("tried")
def test_verify_does_not_load_code_that_a_student_names(good: Path, tmp_path: Path) -> None:
    folder = changed(good / "transformers", tmp_path / "model", _attn_implementation=KERNEL)
    found = check_stock(folder, load_model(folder), torch.device("cpu"))
    assert "names code from elsewhere" in str(found)
    assert "it was not loaded" in str(found)


@pytest.mark.usefixtures("tried")
def test_prediction_opens_no_connection(good: Path, tmp_path: Path) -> None:
    from PIL import Image

    folder = changed(good / "transformers", tmp_path / "model", **LEFT_OUT["a kernel"], **KEPT["where it was saved"])
    assert len(library.load(folder).predict(Image.new("RGB", (40, 50)))) == 1


STAND_IN = '''
import json, sys, types

def note(*what):
    with open({notes!r}, "a") as file:
        file.write(json.dumps([str(each) for each in what]) + "\\n")

class Noted:
    """Anything of the package: what is made or called of it is noted."""
    def __init__(self, name):
        self._name = name
    def __getattr__(self, name):
        return Noted(self._name + "." + name)
    def __call__(self, *given, **named):
        note(self._name, *given, named)
        raise RuntimeError("code of a stranger")

def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Noted(name)

def use_kernel_forward_from_hub(layer):
    return lambda kind: kind

def use_kernelized_func(*functions):
    return lambda kind: kind

__version__ = "0.18.2"
'''

SCRIPT = """
import json, sys
from pathlib import Path
sys.addaudithook(lambda event, given: event in ("socket.connect", "socket.getaddrinfo", "socket.sendto") and sys.exit(
    f"{event} {given}"))
from hubslice.app import run
from hubslice.models.folder import load_model, random_model

place, notes = Path(sys.argv[1]), Path(sys.argv[2])
for folder in sorted(path for path in place.iterdir() if path.name.startswith("all-")):
    load_model(folder), random_model(folder)
model, other = str(place / "model"), str(place / "good")
for command in (
    ["pull", model, "--out", str(place / "pulled")],
    ["convert", model, "--to", "onnx", "--out", str(place / "onnx")],
    ["lineage", model, "--candidates", other],
):
    assert run(command) in (0, 1), command
assert not notes.exists(), notes.read_text()

from transformers import AutoModelForImageClassification
try:
    AutoModelForImageClassification.from_pretrained(model)
except Exception as error:
    print(type(error).__name__, error)
assert "owner/kernel" in notes.read_text()  # it is what transformers does where nobody looks after it
print("all was done")
"""


@pytest.mark.slow
def test_the_kernels_package_is_asked_for_nothing(good: Path, tmp_path: Path) -> None:
    """Where it is installed; a stand-in notes whatever is called of it."""
    site, place, notes = tmp_path / "site", tmp_path / "place", tmp_path / "notes"
    (site / "kernels").mkdir(parents=True)
    (site / "kernels" / "__init__.py").write_text(STAND_IN.format(notes=str(notes)))
    (site / "kernels-0.18.2.dist-info").mkdir()
    (site / "kernels-0.18.2.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: kernels\nVersion: 0.18.2\n"
    )
    place.mkdir()
    for number, entries in enumerate([*LEFT_OUT.values(), *KEPT.values()]):
        changed(good / "transformers", place / f"all-{number}", **entries)
    changed(good / "transformers", place / "model", **LEFT_OUT["a kernel"])
    shutil.copytree(good / "transformers", place / "good")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place), str(notes)],
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{Path(__file__).parents[2]}", "HF_TOKEN": "hf_0123456789"},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all was done" in done.stdout
