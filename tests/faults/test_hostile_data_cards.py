"""Cards of data sets that grow without end or lead elsewhere: `datasets` does not get to read them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hubslice.task.data_card import what_is_said
from hubslice.task.folder import kind_of
from tests.faults.conftest import Refused
from tests.images import write_parquet

RECIPE = "kind: slice\nname: tiny\nteacher: {model: ./teacher}\ndata: {path: pets}\n"
GROWING = "a0: &a0 {k: 1}\n" + "".join(f"a{n + 1}: &a{n + 1} {{<<: [*a{n}, *a{n}]}}\n" for n in range(40))
PADDING = ("# " + "x" * 98 + "\n") * 22_000  # more than 2 MiB
GROWS = "has YAML that cannot be read: it has more than 1,000,000 values once aliases and merge keys are written out"
LONG = "README.md has YAML of more than 2,097,152 characters"


def head(yaml: str) -> str:
    return f"---\n{yaml}\n---\ntext\n"


def config(files: str) -> str:
    return f"configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {files}"


HOSTILE: dict[str, tuple[dict[str, str], str]] = {
    "card": ({"README.md": head(GROWING)}, f"README.md {GROWS}"),
    "after spaces": ({"README.md": "\ufeff" + head(GROWING)}, f"README.md {GROWS}"),
    "lines of an old Mac": ({"README.md": head(GROWING).replace("\n", "\r")}, f"README.md {GROWS}"),
    "settings": ({".huggingface.yaml": GROWING}, f".huggingface.yaml {GROWS}"),
    "card beside settings": ({".huggingface.yaml": "{}", "README.md": head(GROWING)}, f"README.md {GROWS}"),
    "settings beside card": ({"README.md": head("{}"), ".huggingface.yaml": GROWING}, GROWS),
    "late": ({"README.md": head(PADDING + GROWING)}, LONG),
    "far below": ({"README.md": "\n" * (3 << 20) + head(GROWING)}, LONG),
    "long settings": ({".huggingface.yaml": PADDING + GROWING}, ".huggingface.yaml has YAML of more than"),
    "address": (
        {"README.md": head(config("http://127.0.0.1:9/a.csv"))},
        "names 'http://127.0.0.1:9/a.csv' as its data",
    ),
    "of the Hub": (
        {"README.md": head(config("hf://datasets/a/b/c.csv"))},
        "names 'hf://datasets/a/b/c.csv' as its data",
    ),
    "chain": ({"README.md": head(config("'zip::a.zip'"))}, "names 'zip::a.zip' as its data"),
    "root": ({"README.md": head(config("/etc/passwd"))}, "names '/etc/passwd' as its data, which is not in its own"),
    "above": ({".huggingface.yaml": config("data/../../a.txt")}, "names 'data/../../a.txt' as its data"),
    "folder": (
        {"README.md": head("configs:\n- config_name: default\n  data_dir: ../other")},
        "names '../other' as its data",
    ),
}


@pytest.fixture
def pets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set's repository of tables."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    Path("recipe.yaml").write_text(RECIPE)
    write_parquet(tmp_path / "pets" / "data" / "train.parquet", 12)
    return tmp_path / "pets"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_folder_with_such_a_card(name: str, pets: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    files, says = HOSTILE[name]
    for file, text in files.items():
        (pets / file).write_text(text, newline="")
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *names, **_: asked.append(names))
    monkeypatch.setattr(socket.socket, "connect", lambda *names: asked.append(names))
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=(says, "hint: "))
    assert not asked


def test_a_file_of_infos_beyond_measure(pets: Path, refused: Refused) -> None:
    with (pets / "dataset_infos.json").open("wb") as file:
        file.truncate(1 << 30)
    says = (
        "pets cannot be read as a data-set repository: its dataset_infos.json has 1,024.0 MiB, and may have 64",
        "hint: ",
    )
    refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=says)


def test_a_long_card_with_a_usual_head_is_read(pets: Path) -> None:
    (pets / "README.md").write_text(head(config("data/train.parquet")) + PADDING)
    assert what_is_said(pets, "pets")["configs"][0]["data_files"] == [{"split": "train", "path": "data/train.parquet"}]
    assert kind_of(pets) == "repository"


def test_a_long_card_without_a_head_is_read(pets: Path) -> None:
    (pets / "README.md").write_text("# Pets\n" + PADDING)
    assert what_is_said(pets, "pets") == {}
