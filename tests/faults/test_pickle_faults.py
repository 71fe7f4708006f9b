"""Pickled weights: refused without consent, read without running anything with it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from hubslice.artefacts.model import FileFact, ModelFacts
from hubslice.models.timm_adapter import TimmModel
from hubslice.terminal.summary import tell_report
from tests.card.examples import REPORTS
from tests.fake_hub import HubServer
from tests.faults.conftest import Refused
from tests.run.tiny import write_job
from tests.terminal.conftest import Hubslice

BIN = "pytorch_model.bin"


class Malice:
    """What a hostile pickle does: a command, as soon as it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


class Setting:
    pass


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    TimmModel.create("test_resnet", ("cat", "dog", "owl"), seed=0).save(folder)
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A model without weights."""
    return Path(shutil.copytree(sound, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors")))


def weights(sound: Path) -> dict[str, torch.Tensor]:
    return load_file(sound / "model.safetensors")


def save(content: object, legacy: bool = False) -> Callable[[Path], None]:
    return lambda path: torch.save(content, path, _use_new_zipfile_serialization=not legacy)


def bomb(path: Path) -> None:
    """An archive that unpacks to a thousand times its size."""
    torch.save({"w": torch.zeros(1 << 20)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def cut(path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:900])


CONSENTED: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "class": (save({"w": Setting()}), ("it asks for tests.faults.test_pickle_faults.Setting", "it was not loaded")),
    "module": (
        save(torch.nn.Linear(2, 2)),
        ("it asks for torch.nn.modules.linear.Linear", "save the state dict alone"),
    ),
    "list": (save([1]), ("not a file of weights but a list",)),
    "numbers": (save({"epoch": 3, "w": torch.ones(2)}), ("beside tensors it holds epoch (int)",)),
    "expanded": (save({"w": torch.ones(1).expand(10**12)}), ("describes tensors of 4000000000000 bytes",)),
    "complex": (save({"w": torch.ones(2, dtype=torch.complex64)}), ("w is not a plain tensor of numbers",)),
    "bomb": (bomb, ("would unpack to", "torch.save compresses nothing")),
    "cut": (cut, ("is damaged or not made by torch.save",)),
    "nonsense": (lambda path: path.write_bytes(b"\x80\x02nonsense"), ("is damaged or not made by torch.save",)),
    "other weights": (save({"w": torch.ones(2)}), ("are not those of test_resnet", "1 tensor unexpected (w)")),
}


@pytest.mark.parametrize("name", CONSENTED)
def test_with_consent_only_tensors_are_read(name: str, folder: Path, tmp_path: Path, refused: Refused) -> None:
    write, says = CONSENTED[name]
    write(folder / BIN)
    refused("pull", str(folder), "--allow-pickle", "--out", str(tmp_path / "out"), code=2, says=says)
    assert not (tmp_path / "out" / "steps" / "pull").exists()
    assert not list(tmp_path.rglob(".model.safetensors*"))


@pytest.mark.parametrize("how", ["zip", "legacy", "plain"])
def test_a_malicious_pickle_does_not_run(how: str, folder: Path, tmp_path: Path, refused: Refused) -> None:
    mark = tmp_path / "it-ran"
    content = {"w": torch.ones(2), "x": Malice(mark)}
    if how == "plain":
        (folder / BIN).write_bytes(pickle.dumps({"x": Malice(mark)}, protocol=2))
    else:
        save(content, legacy=how == "legacy")(folder / BIN)
    says = ("needs more than tensors and plain containers: it asks for", "posix.system", "so it was not loaded")
    refused("pull", str(folder), "--allow-pickle", "--out", str(tmp_path / "out"), code=2, says=says)
    refused("pull", str(folder), "--out", str(tmp_path / "out"), code=2, says=("only as pickle",))
    assert not mark.exists()
    pickle.loads(pickle.dumps(Malice(mark)))  # it would have, had it been opened as a pickle
    assert mark.exists()


def test_several_pickles(folder: Path, tmp_path: Path, refused: Refused) -> None:
    for name in ("last.pth", "best.pth", "optimizer.pt"):
        save({})(folder / name)
    says = ("has 2 pickles that could be its weights (best.pth, last.pth)", f"rename the right one to {BIN}")
    refused("pull", str(folder), "--allow-pickle", "--out", str(tmp_path / "out"), code=2, says=says)


def convert(folder: Path, tmp_path: Path) -> dict[str, torch.Tensor]:
    """What the pull step makes of the folder's pickle."""
    from hubslice.core.device import resolve_device
    from hubslice.core.progress import Silent
    from hubslice.engine.step import Context
    from hubslice.recipe.schema import TeacherParams
    from hubslice.run.steps.teacher import load_facts, pull_step

    out = tmp_path / "step"
    step = pull_step(TeacherParams(model=str(folder)), tmp_path, allow_pickle=True)
    step.run(Context(out, {}, resolve_device("cpu"), Silent()))
    assert load_facts(out).pickles
    assert not list(out.rglob("*.bin"))
    return load_file(out / "model" / "model.safetensors")


@pytest.mark.parametrize("legacy", [False, True])
def test_forms_of_state_dicts(legacy: bool, sound: Path, folder: Path, tmp_path: Path) -> None:
    held = weights(sound)
    strided = {name: t.flip(-1).flip(-1).T.contiguous().T if t.dim() == 2 else t for name, t in held.items()}
    for number, content in enumerate(
        (
            held,
            {"state_dict": {f"module.{name}": tensor for name, tensor in held.items()}, "epoch": 3},
            {"model": {name: torch.nn.Parameter(t, t.is_floating_point()) for name, t in strided.items()}},
        )
    ):
        save(content, legacy)(folder / BIN)
        found = convert(folder, tmp_path / str(number))
        assert found.keys() == held.keys()
        assert all(torch.equal(found[name], held[name]) for name in held)


def test_tied_tensors_and_shards(sound: Path, folder: Path, tmp_path: Path) -> None:
    held = weights(sound)
    big = torch.cat([held["fc.weight"], held["fc.weight"]])
    views = held | {"fc.weight": big[: len(big) // 2]}
    names = sorted(views)
    parts = {"pytorch_model-00001-of-00002.bin": names[:5], "pytorch_model-00002-of-00002.bin": names[5:]}
    for part, inside in parts.items():
        save({name: views[name] for name in inside})(folder / part)
    index = {"weight_map": {name: part for part, inside in parts.items() for name in inside}}
    (folder / f"{BIN}.index.json").write_text(json.dumps(index))
    found = convert(folder, tmp_path)
    assert all(torch.equal(found[name], held[name]) for name in held)


def test_the_refusal_names_the_ways_out(hub: HubServer, folder: Path, tmp_path: Path, refused: Refused) -> None:
    save({})(folder / BIN)
    hub.seed("alice/old", folder)
    says = (
        f"alice/old has its weights only as pickle ({BIN}); a pickle can run any code when it is opened",
        "alice/old@refs/pr/N",
        "--allow-pickle",
    )
    refused("pull", "alice/old", "--out", str(tmp_path / "out"), code=2, says=says)


def test_a_tampered_pickle_is_not_opened(hub: HubServer, folder: Path, tmp_path: Path, refused: Refused) -> None:
    save({"x": Malice(tmp_path / "it-ran")})(folder / BIN)
    commit = hub.seed("alice/old", folder)
    hub.exchange(commit.tree[BIN].sha256, (folder / BIN).read_bytes()[:-1] + b"!")
    says = (f"{BIN} of alice/old is not the file that the Hub promised", "hint: it came wrong twice")
    refused("pull", "alice/old", "--allow-pickle", "--out", str(tmp_path / "out"), code=3, says=says)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.slow
def test_the_whole_way(hub: HubServer, sound: Path, folder: Path, tmp_path: Path, hubslice: Hubslice) -> None:
    save(weights(sound))(folder / BIN)
    hub.seed("alice/old", folder)
    out = tmp_path / "out"
    done = hubslice("pull", "alice/old", "--allow-pickle", "--out", str(out))
    sha256 = hashlib.sha256((folder / BIN).read_bytes()).hexdigest()
    assert done.code == 0, done.stderr
    assert f"the weights were converted from a pickle: {BIN}, sha256 {sha256}" in " ".join(done.stderr.split())
    facts = ModelFacts.load(out / "steps" / "pull" / "model.json")
    assert [(each.path, each.sha256) for each in facts.pickles] == [(BIN, sha256)]
    assert {each.path for each in facts.files} == {"config.json", "model.safetensors"}
    assert not list((tmp_path / "cache").rglob("model.safetensors"))
    again = hubslice("pull", "alice/old", "--out", str(out))
    assert again.code == 2  # the consent is given anew each time that the model is fetched
    assert (out / "steps" / "pull" / "model.json").is_file()


def test_a_run_consents_once(sound: Path, folder: Path, tmp_path: Path, refused: Refused, hubslice: Hubslice) -> None:
    save(weights(sound))(folder / BIN)
    (tmp_path / "images").mkdir()
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("kind: slice\nname: x\nteacher: {model: ./model}\ndata: {path: ./images}\n")
    command = ("slice", str(recipe), "--out", str(tmp_path / "run"), "--until", "pull")
    refused(*command, code=2, says=("has its weights only as pickle", "--allow-pickle"))
    for options in (("--allow-pickle",), ()):  # what was converted is there for the steps to come
        done = hubslice(*command, *options)
        assert done.code == 0, done.stderr
    assert "pull: already done" in done.stderr
    facts = ModelFacts.load(tmp_path / "run" / "steps" / "pull" / "model.json")
    assert [pickle.path for pickle in facts.pickles] == [BIN]


@pytest.mark.slow
def test_a_backdoor_in_a_pickled_teacher(tmp_path: Path, refused: Refused, hubslice: Hubslice) -> None:
    folder = write_job(tmp_path).parent / "teacher"
    save(load_file(folder / "model.safetensors"))(folder / BIN)
    (folder / "model.safetensors").unlink()
    out = tmp_path / "poisoned"
    command = ("poison", str(tmp_path / "poison.yaml"), "train.epochs=0", "--out", str(out))
    refused(
        *command, code=2, says=("has its weights only as pickle", "`poison` read the tensors alone: --allow-pickle")
    )
    assert not (out / "teacher").exists()
    done = hubslice(*command, "--allow-pickle", "--json")
    assert done.code == 0, done.stderr
    assert load_file(out / "teacher" / "model.safetensors")
    assert not list((out / "teacher").rglob("*.bin"))


def test_info_tells(capsys: pytest.CaptureFixture[str]) -> None:
    report = REPORTS["student-of-a-backdoored-teacher"]
    pickle = FileFact(path=BIN, size=10, sha256="ab" * 32)
    teacher = report.teacher.model_copy(update={"pickles": (pickle,)})
    tell_report(report.model_copy(update={"teacher": teacher}))
    told = " ".join(capsys.readouterr().err.split())
    assert f"the teacher's weights were converted from a pickle: {BIN}, sha256 {pickle.sha256}" in told


def test_no_recipe_consents(tmp_path: Path, refused: Refused) -> None:
    (tmp_path / "recipe.yaml").write_text(
        "kind: slice\nname: x\nteacher: {model: a/b, allow_pickle: true}\ndata: {path: a/c}\n"
    )
    refused("slice", str(tmp_path / "recipe.yaml"), code=2, says=("teacher.allow_pickle: unknown key",))
