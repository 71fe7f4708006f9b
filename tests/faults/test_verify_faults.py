"""Locks and verification on the command line: what is refused, with which code and words."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from hubslice.artefacts.lock import LOCK
from hubslice.models.timm_adapter import TimmModel
from tests.fake_hub import Fault, HubServer
from tests.faults.conftest import Refused
from tests.images import COLOURS, write_parquet
from tests.run.conftest import hub
from tests.run.differing import student_as_delta
from tests.run.quick import quick_run
from tests.terminal.conftest import Hubslice

__all__ = ["hub"]

pytestmark = pytest.mark.slow


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return shutil.copytree(quick_run().parent, tmp_path / "job") / "run"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def swap(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def lengthen(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(70 << 20)


# One bit or number in each thing that is claimed, and what names it.
SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "report": (lambda run: swap(run / "student/report.json", '"value": ', '"value": 9'), "files, report.json: sha256"),
    "card": (lambda run: swap(run / "student/README.md", "n = 12", "n = 13"), "card, README.md:"),
    "endless card": (lambda run: lengthen(run / "student/README.md"), "README.md has 70.0 MiB, and may have 64"),
    "endless report": (lambda run: lengthen(run / "student/report.json"), "report.json has 70.0 MiB, and may have 64"),
    "weights": (lambda run: flip(run / "student/model.safetensors"), "files, model.safetensors: sha256"),
    "mask": (lambda run: flip(run / "student/slice.safetensors"), "files, slice.safetensors: sha256"),
    "evidence": (
        lambda run: flip(run / "student/evidence/backdoor-trigger.safetensors"),
        "files, evidence/backdoor-trigger.safetensors: sha256",
    ),
    "recipe": (lambda run: swap(run / "student/recipe.yaml", "epochs: 1", "epochs: 3"), "files, recipe.yaml: sha256"),
    "lock": (lambda run: swap(run / "student" / LOCK, '"timm": "', '"timm": "9'), "lock, versions: lock and report"),
    "teacher": (lambda run: flip(run / "steps/pull/model/model.safetensors"), "sources, teacher: model.safetensors"),
    "step": (lambda run: flip(run / "steps/train.finetune/model/model.safetensors"), "steps/train.finetune does not"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_was_spoilt_is_named(hubslice: Hubslice, run: Path, what: str) -> None:
    spoil, says = SPOILT[what]
    spoil(run)
    done = hubslice("verify", str(run), "--sample", "2")
    told = " ".join(done.stderr.split())
    assert done.code == 1
    assert re.search(r"error: (1 claim of .* does not agree with what it|\d+ claims of .* do not agree with)", told)
    assert says in told
    assert "Traceback" not in told
    assert "\nnot verified: " in done.stdout
    assert "\tdiffers\t" in done.stdout


def test_a_good_run_is_verified(hubslice: Hubslice, run: Path) -> None:
    done = hubslice("verify", str(run), "--sample", "2", "--json")
    assert (done.code, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["verified"] is True
    assert {finding["state"] for finding in found["findings"]} == {"agrees"}
    assert hubslice("verify", str(run), "--sample", "2", "-q").stdout == "verified\n"


def test_nothing_to_verify(refused: Refused, run: Path, tmp_path: Path) -> None:
    refused("verify", str(run.parent / "teacher"), code=2, says=("makes no claims", "report.json", "name a run"))
    refused("verify", str(tmp_path / "nothing"), code=2, says=("neither a local model nor a Hub id",))
    shutil.rmtree(run / "student")
    refused("verify", str(run), code=2, says=("has no finished student", "hubslice slice"))
    refused("verify", str(quick_run()), "--data", str(tmp_path / "none"), code=2, says=("Invalid value for '--data'",))
    refused("verify", str(quick_run()), "--sample", "0", code=2, says=("--sample",))


def test_data_of_another_kind(refused: Refused, tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a", "b"]}).to_parquet(str(tmp_path / "texts.parquet"))
    refused(
        "verify",
        str(quick_run()),
        "--data",
        str(tmp_path / "texts.parquet"),
        code=2,
        says=("texts.parquet has no column 'image'", "its columns are text"),
    )


def test_locked_refuses_what_drifted(refused: Refused, run: Path) -> None:
    recipe, job = str(run.parent / "recipe.yaml"), run.parent
    before = (run / LOCK).read_bytes()
    again = ("slice", recipe, "--locked", "--out", str(run))
    refused(*again, "train.epochs=2", code=2, says=("recipe, train.epochs: locked 1, now 2", "run without --locked"))
    refused(*again, "--dry-run", "seed=5", code=2, says=("recipe, seed: locked 0, now 5",))
    student = (run / "student" / "model.safetensors").read_bytes()
    TimmModel.create("test_resnet", tuple(COLOURS), seed=2).save(job / "teacher")
    write_parquet(job / "shapes.parquet", samples=60)
    refused(
        *again,
        "-q",
        code=2,
        says=("teacher, model.safetensors: locked", "data, train samples: locked 66, now 42", "data fingerprint"),
    )
    assert (run / LOCK).read_bytes() == before
    assert (run / "student" / "model.safetensors").read_bytes() == student
    swap(run / LOCK, '"torch": "', '"torch": "0.')
    refused(*again, code=2, says=("torch: locked 0.", ", now "))
    (run / LOCK).unlink()
    refused(*again, code=2, says=("there is no lock for", "recipe.lock", "run once without --locked"))


def test_a_smaller_difference_is_a_warning(hubslice: Hubslice, run: Path) -> None:
    swap(run / LOCK, '"python": "', '"python": "0')
    done = hubslice("slice", str(run), "--locked")
    assert done.code == 0, done.stderr
    assert "warning: python: locked 0" in done.stderr


def test_a_difference_without_its_teacher(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    """The weights of the folder cannot be known: no claim about them is called checked, and nothing is left behind."""
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "made"))
    folder = student_as_delta(hub, tmp_path / "student")
    before = sorted(folder.rglob("*"))
    hub.faults.append(Fault(lambda request: "lab/teacher" in request.path, status=404, times=None))
    says = ("the model is a difference to its teacher lab/teacher@", "without that there are no weights")
    refused("verify", str(folder), code=3, says=says)
    data = bytearray((folder / "delta.safetensors").read_bytes())
    data[-1000] ^= 1
    (folder / "delta.safetensors").write_bytes(data)
    says = ("delta.safetensors cannot be read as a delta: its content is not that of its checksum", "fetch the file")
    refused("verify", str(folder), code=2, says=says)
    assert sorted(folder.rglob("*")) == before
    assert not list((tmp_path / "made").rglob("*.safetensors"))


IMPOSSIBLE: dict[str, tuple[tuple[str | int, ...], int]] = {
    "a layer without weights": (("slice", "layers", 0, "weights"), 0),
    "fewer relevant weights than none": (("slice", "layers", 0, "relevant"), -3),
    "more hits than trials": (("arms", 0, "test", "hits"), 10**9),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_numbers_that_cannot_be(hubslice: Hubslice, run: Path, what: str) -> None:
    """They are a finding, whatever would be computed from them."""
    (*keys, last), number = IMPOSSIBLE[what]
    path = run / "student/report.json"
    report = holder = json.loads(path.read_text())
    for key in keys:
        holder = holder[key]
    holder[last] = number
    path.write_text(json.dumps(report))
    done = hubslice("verify", str(run / "student"))
    assert done.code == 1
    assert "report.json is not a Report of this version" in done.stderr
