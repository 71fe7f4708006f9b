from __future__ import annotations

from pathlib import Path

import pytest

from hubslice.core.errors import InputError
from hubslice.hub.ref import HubRef, LocalRef, check_data, parse_ref
from tests.task.photos import write


@pytest.mark.parametrize(
    ("text", "repo_id", "revision"),
    [
        ("owner/name", "owner/name", None),
        ("  owner/name ", "owner/name", None),
        ("owner/name@main", "owner/name", "main"),
        ("owner/name@v1.0", "owner/name", "v1.0"),
        ("owner/name@feature/x", "owner/name", "feature/x"),
        ("owner/name@refs/pr/3", "owner/name", "refs/pr/3"),
        ("owner/name@" + "a1" * 20, "owner/name", "a1" * 20),
        ("timm/resnet18.a1_in1k", "timm/resnet18.a1_in1k", None),
        ("resnet18.a1_in1k", "timm/resnet18.a1_in1k", None),
        ("resnet18.a1_in1k@main", "timm/resnet18.a1_in1k", "main"),
        ("hf-hub:owner/name", "owner/name", None),
        ("hf-hub:timm/resnet18.a1_in1k@v2", "timm/resnet18.a1_in1k", "v2"),
        ("hf://owner/name", "owner/name", None),
        ("hf://models/owner/name@main", "owner/name", "main"),
    ],
)
def test_hub_ids(text: str, repo_id: str, revision: str | None, tmp_path: Path) -> None:
    ref = parse_ref(text, tmp_path)
    assert isinstance(ref, HubRef)
    assert (ref.kind, ref.repo_id, ref.revision) == ("hub", repo_id, revision)
    assert str(ref) == (f"{repo_id}@{revision}" if revision else repo_id)


def test_local_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipes, elsewhere = tmp_path / "recipes", tmp_path / "elsewhere"
    for folder in (recipes / "owner" / "name", elsewhere / "owner" / "name", elsewhere / "only.here"):
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    (recipes / "run" / "student").mkdir(parents=True)
    (recipes / "model.onnx").write_bytes(b"")
    monkeypatch.chdir(elsewhere)

    def parse(text: str) -> tuple[str, Path]:
        ref = parse_ref(text, recipes)
        assert isinstance(ref, LocalRef)
        return ref.kind, ref.path

    assert parse("owner/name") == ("folder", recipes / "owner/name")  # beside the recipe first
    assert parse("./owner/name") == ("folder", recipes / "owner/name")
    assert parse("only.here") == ("folder", elsewhere / "only.here")
    assert parse(str(elsewhere / "owner/name")) == ("folder", elsewhere / "owner/name")
    assert parse("run") == ("run", recipes / "run")
    assert parse("model.onnx") == ("onnx", recipes / "model.onnx")


@pytest.mark.parametrize(
    ("text", "trouble", "hint"),
    [
        ("runs/beans", r"neither config\.json nor student/", "runs/beans@main"),
        ("runs/nope", "does not exist", "runs/nope@main"),
        ("runs/baens", "does not exist", "did you mean runs/beans?"),
        ("runs/half", "a run without a student: finish it with `hubslice slice", "runs/half@main"),
        ("runs/notes", "a file; of single files", "runs/notes@main"),
    ],
)
def test_what_begins_with_a_folder_here_is_not_asked_of_the_hub(
    text: str, trouble: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes, elsewhere = tmp_path / "recipes", tmp_path / "elsewhere"
    for place in (recipes, elsewhere):
        (place / "runs" / "beans").mkdir(parents=True)
        (place / "runs" / "half").mkdir()
        (place / "runs" / "half" / "run.json").write_text("{}")
        (place / "runs" / "notes").write_text("")
    for base, here in ((recipes, tmp_path), (tmp_path, elsewhere)):  # beside the recipe, and where one works
        monkeypatch.chdir(here)
        with pytest.raises(InputError, match=trouble) as caught:
            parse_ref(text, base)
        assert caught.value.exit_code == 2
        assert hint in str(caught.value.hint)
        assert parse_ref(f"{text}@main", base).kind == parse_ref(f"hf://{text}", base).kind == "hub"
        assert parse_ref("owner/beans", base).kind == "hub"


CLONE = ("setup.py", "README.md", "timm/__init__.py", "timm/models/resnet.py", "requirements.txt")


@pytest.mark.parametrize(
    ("files", "model", "data"),
    [
        (CLONE, "hub", "hub"),
        ((), "hub", "hub"),
        (("resnet50.a1_in1k/config.json",), "here", "hub"),
        (("teacher.onnx",), "here", "hub"),
        (("beans/run.json",), "here", "hub"),
        (("resnet18.a1_in1k/README.md",), "here", "here"),  # the very place, though there is no model
        (("pets/cat/1.JPG",), "hub", "here"),
        (("pets/train/cat/1.png",), "hub", "here"),
        (("test.parquet",), "hub", "here"),
        ((".git/1.png", "docs/"), "hub", "hub"),
    ],
)
def test_a_folder_called_as_an_owner_hides_the_hub_if_it_holds_such_things(
    files: tuple[str, ...], model: str, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "timm/resnet18.a1_in1k"
    (tmp_path / "timm").mkdir()
    write(tmp_path / "timm", files)
    if model == "here":
        with pytest.raises(InputError, match="the Hub is not asked, as there is a folder timm here"):
            parse_ref(text, tmp_path)
    else:
        assert parse_ref(text, tmp_path) == HubRef(text, text)
    if data == "hub" or (tmp_path / text).exists():
        check_data(text, tmp_path)  # what is here needs no Hub
    else:
        with pytest.raises(InputError, match="the Hub is not asked, as there is a folder timm here"):
            check_data(text, tmp_path)


def test_the_folder_of_runs_is_no_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match="there is no model at runs/beans"):
        parse_ref("runs/beans", tmp_path)


@pytest.mark.parametrize("text", ["x" * 300 + "/y", "~nobody-here/model", "~nobody-here", "./" + "x" * 300])
def test_paths_that_no_system_takes_are_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        parse_ref(text, tmp_path)
    check_data(text, tmp_path)


def test_a_folder_is_not_proposed_in_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet").mkdir()
    with pytest.raises(InputError, match="a folder with neither") as caught:
        parse_ref("resnet", tmp_path)
    assert "did you mean" not in str(caught.value.hint)


def test_a_file_called_as_an_owner_does_not_hide_the_hub(tmp_path: Path) -> None:
    (tmp_path / "owner").write_text("")
    assert parse_ref("owner/name", tmp_path).kind == "hub"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "no model is named", "owner/name"),
        ("resnet18", "neither a local model nor a Hub id", "owner/resnet18, or a timm tag: resnet18.tag"),
        ("./missing", "missing: does not exist", "Hub id"),
        ("/no/such/folder", "/no/such/folder: does not exist", "Hub id"),
        ("missing.onnx", r"missing\.onnx: does not exist", "did you mean missing1.onnx"),
        ("notes.safetensors", r"of single files only \.onnx is a model", "Hub id"),
        ("a/b/c", "neither a local model nor a Hub id", "Hub id"),
        ("owner/na--me", "neither a local model nor a Hub id", "Hub id"),
        ("hf-hub:resnet18", "not the id of a repository", "owner/name"),
        ("hf://owner/../x", "not the id of a repository", "owner/name"),
        ("hf-hub:owner/name@", "cannot be a branch, tag or commit", "main"),
        ("hf-hub:owner/name@../../x", "cannot be a branch, tag or commit", "main"),
        ("hf-hub:owner/name@a/../b", "cannot be a branch, tag or commit", "main"),
        ("https://huggingface.co/owner/name", "is an address", "owner/name"),
    ],
)
def test_neither(text: str, message: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "missing1.onnx").write_bytes(b"")
    (tmp_path / "notes.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=message) as caught:
        parse_ref(text, tmp_path)
    assert hint in str(caught.value.hint)
    assert caught.value.exit_code == 2


def test_what_was_tried_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        parse_ref("./model", tmp_path / "recipes")
    assert str(tmp_path / "recipes" / "model") in caught.value.message
    assert str(tmp_path / "model") in caught.value.message
