"""A student that is on the Hub as a difference: loaded as if it were whole, refused where its teacher changed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from hubslice.artefacts.delta import write_delta
from hubslice.artefacts.model import FileFact
from hubslice.core.errors import FetchError, IntegrityError, RunError
from hubslice.hub.preview import preview
from hubslice.hub.pull import fetch
from hubslice.hub.push import plan_push, push
from hubslice.hub.ref import HubRef, LocalRef
from hubslice.hub.restore import teacher_tensors
from hubslice.hub.tensors import open_tensors
from tests.fake_hub import HubServer
from tests.hub.conftest import MakeClient, model, write

STUDENT = HubRef("alice/student", "alice/student")


def arrays(seed: int) -> dict[str, np.ndarray]:
    return {
        name: np.random.default_rng((seed, n)).normal(size=(40, 50)).astype(np.float32) for n, name in enumerate("ab")
    }


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUBSLICE_CACHE", str(tmp_path / "made"))
    return tmp_path / "made"


@pytest.fixture
def way(request: pytest.FixtureRequest, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """How the Hub keeps weights; what its repositories hold for that."""
    kept = getattr(request, "param", "xet")
    hub.xet.offered = kept == "xet"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", kept == "lfs")
    return {".gitattributes": b""} if kept == "regular" else {}


@pytest.fixture
def student(way: dict[str, bytes], hub: HubServer, tmp_path: Path) -> tuple[Path, bytes]:
    """A folder with the difference of a student to a teacher that is on the Hub, and the student's weights."""
    teacher = write(tmp_path / "teacher", model() | {"model.safetensors": save(arrays(0))})
    hub.seed("alice/student", way)
    hub.seed("lab/teacher", way)
    commit = hub.seed("lab/teacher", teacher).oid
    weights = save(
        {name: w + np.float32(1e-3) for name, w in arrays(0).items()} | {"head": np.ones((3, 2), np.float32)}
    )
    pinned = (fact(teacher / "model.safetensors"),)
    folder = write(tmp_path / "student", {name: data for name, data in model().items() if name != "model.safetensors"})
    whole = FileFact(path="model.safetensors", size=len(weights), sha256=hashlib.sha256(weights).hexdigest())
    get = teacher_tensors(teacher, pinned)
    write_delta(folder / "delta.safetensors", weights, whole, get, model="lab/teacher", commit=commit, files=pinned)
    return folder, weights


def fact(path: Path) -> FileFact:
    data = path.read_bytes()
    return FileFact(path=path.name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("way", ["xet", "lfs", "regular"], indirect=True)
def test_it_comes_back_whole(
    way: dict[str, bytes],
    hub: HubServer,
    client_of: MakeClient,
    student: tuple[Path, bytes],
    cache: Path,
    tmp_path: Path,
) -> None:
    folder, weights = student
    client = client_of("hf_alice")
    push(plan_push(folder, "alice/student", poisoned=False, client=client))
    assert "model.safetensors" not in hub.files("alice/student")
    found = fetch(STUDENT, client=client)
    assert (found.folder / "model.safetensors").read_bytes() == weights
    assert {file.path for file in found.files} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "README.md",
    }
    assert (found.repo_id, found.license) == ("alice/student", "mit")
    assert fetch(LocalRef("here", folder, "folder"), client=client).folder == found.folder
    assert [path.name for path in (cache / "restored").iterdir()] == [found.folder.name]
    tensors = open_tensors(STUDENT, client=client)
    assert (tensors.name, set(tensors.infos)) == ("alice/student", {"a", "b", "head"})
    assert set(preview(STUDENT, tmp_path / "seen", client=client).tensors) == {"a", "b", "head"}


def test_what_was_restored_and_then_bent_is_restored_again(
    hub: HubServer, client_of: MakeClient, student: tuple[Path, bytes]
) -> None:
    folder, weights = student
    made = fetch(LocalRef("here", folder, "folder"), client=client_of()).folder / "model.safetensors"
    made.write_bytes(weights[:-1] + b"x")
    fetch(LocalRef("here", folder, "folder"), client=client_of())
    assert made.read_bytes() == weights


def test_a_push_leaves_one_of_weights_and_difference(
    hub: HubServer, client_of: MakeClient, student: tuple[Path, bytes], tmp_path: Path
) -> None:
    folder, weights = student
    client = client_of("hf_alice")
    whole = write(tmp_path / "whole", model() | {"model.safetensors": weights})
    for source, there, gone in [
        (whole, "model.safetensors", "delta.safetensors"),
        (folder, "delta.safetensors", "model.safetensors"),
        (whole, "model.safetensors", "delta.safetensors"),
    ]:
        push(plan_push(source, "alice/student", poisoned=False, client=client))
        assert there in hub.files("alice/student")
        assert gone not in hub.files("alice/student")
        assert load((fetch(STUDENT, client=client).folder / "model.safetensors").read_bytes())["head"].shape == (3, 2)


def rewrite(folder: Path, change: dict[str, object], parts: object = None) -> None:
    """The same difference with other facts and parts, and a good seal."""
    from hubslice.artefacts.delta import KIND
    from hubslice.files.sealed import read_sealed, write_sealed

    path = folder / "delta.safetensors"
    about, streams = read_sealed(path, KIND, lambda about, streams: (about, streams))
    about["facts"] |= change
    about["parts"] = about["parts"] | (parts or {}) if isinstance(parts, dict | None) else parts
    write_sealed(path, KIND, about, streams)


FAULTS: dict[str, tuple[dict[str, object], type[Exception], str]] = {
    "another teacher": (
        {"files": [{"path": "model.safetensors", "size": 16_144, "sha256": "0" * 64}]},
        IntegrityError,
        "the teacher lab/teacher@.* has changed: model.safetensors now has sha256",
    ),
    "a file less": (
        {"files": [{"path": "more.safetensors", "size": 1, "sha256": "0" * 64}]},
        IntegrityError,
        "has changed: more.safetensors is not there",
    ),
    "a teacher that is gone": ({"teacher": "lab/gone"}, FetchError, "without that there are no weights: .*lab/gone"),
    "a commit that is gone": ({"commit": "1" * 40}, FetchError, "without that there are no weights: .*no"),
    "a branch for a commit": ({"commit": "main"}, RunError, "pins its teacher to 'main', which is no commit"),
    "a file elsewhere": (
        {"student": {"path": "../config.json", "size": 16_200, "sha256": "0" * 64}},
        RunError,
        "cannot be read as a delta: it makes a file '../config.json', not model.safetensors",
    ),
    "another outcome": (
        {"student": {"path": "model.safetensors", "size": 16_200, "sha256": "0" * 64}},
        RunError,
        "cannot be read as a delta: its tensors take",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_refused(
    hub: HubServer, client_of: MakeClient, student: tuple[Path, bytes], cache: Path, fault: str
) -> None:
    change, kind, says = FAULTS[fault]
    rewrite(student[0], change)
    with pytest.raises(kind, match=says):
        fetch(LocalRef("here", student[0], "folder"), client=client_of())
    assert not list(cache.rglob("*.safetensors"))


KEPT: dict[str, object] = {"how": ["difference"], "streams": 4, "number": 0}
MALFORMED: dict[str, tuple[object, str]] = {
    "no table of parts": ([KEPT], "cannot be read as a delta"),
    "a part that is no table": ({"a": 3}, "cannot be read as a delta: 1 validation error"),
    "no number of streams": ({"a": KEPT | {"streams": "some"}}, "cannot be read as a delta: 1 validation error"),
    "a way that nobody knows": ({"a": KEPT | {"how": 7}}, "cannot be read as a delta: 1 validation error"),
    "a tensor too many": ({"c": KEPT}, "cannot be read as a delta: its parts are not the tensors of the model"),
    "streams without end": ({"a": KEPT | {"streams": 10**15}}, "cannot be put together: a: there is no stream '0.4'"),
    "too few streams": ({"a": KEPT | {"streams": 0}}, "cannot be put together: a: "),
    "as it is, and of another size": ({"a": KEPT | {"how": []}}, "cannot be put together: a: a part has not the 8000"),
}


@pytest.mark.parametrize(("parts", "says"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_fields_under_a_good_seal(
    client_of: MakeClient, student: tuple[Path, bytes], cache: Path, parts: object, says: str
) -> None:
    rewrite(student[0], {}, parts)
    with pytest.raises(RunError, match=says):
        fetch(LocalRef("here", student[0], "folder"), client=client_of())
    assert not list(cache.rglob("*.safetensors"))


def test_a_wrong_checksum_of_the_outcome(
    hub: HubServer, client_of: MakeClient, student: tuple[Path, bytes], cache: Path
) -> None:
    folder, weights = student
    rewrite(folder, {"student": {"path": "model.safetensors", "size": len(weights), "sha256": "0" * 64}})
    with pytest.raises(IntegrityError, match=r"make weights of sha256 .*, not 0000"):
        fetch(LocalRef("here", folder, "folder"), client=client_of())
    assert not list(cache.rglob("*.safetensors"))
