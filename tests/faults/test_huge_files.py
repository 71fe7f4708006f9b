"""Files beside models and images that are far larger than any: arrays, tokenizers, cards, tables of metadata."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hubslice.artefacts.model import Preprocessing
from hubslice.card.frontmatter import parse_head, split_readme
from hubslice.core.errors import DataError, InputError, ModelError
from hubslice.hub.card_metadata import read_folder
from hubslice.models.tokenizer import read_tokenizer
from hubslice.task.folder import kind_of
from hubslice.task.user_inputs import open_given
from tests.faults.conftest import Refused

GIB = 1 << 30
PREPARATION = Preprocessing(
    input_size=(3, 32, 32), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bilinear", crop_pct=1, resize="squash"
)
RECIPE = """\
kind: slice
name: tiny
teacher: {model: ./teacher}
data: {path: ./images}
slice: {method: remos, ratio: 0.2}
"""


def sparse(path: Path, size: int) -> Path:
    """A file of so many zeros, which take no space."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "content",
    [header("(1000000000, 3, 32, 32)") + bytes(100), header("(" * 2000 + ")" * 2000), b"\x93NUMPY\x01\x00", b"PK\3\4"],
    ids=["more than it holds", "nested", "cut", "no archive"],
)
def test_an_array_that_is_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pixels.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"pixels.npy is not a NumPy array: ") as caught:
        open_given(path, PREPARATION)
    assert len(caught.value.message) < 700


def test_a_packed_archive_of_arrays(tmp_path: Path) -> None:
    with (tmp_path / "pixels.npy").open("wb") as file:
        np.savez_compressed(file, pixels=np.zeros((4, 3, 32, 32), np.float32))
    with pytest.raises(DataError, match="is not a NumPy array: the magic string is not correct"):
        open_given(tmp_path / "pixels.npy", PREPARATION)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt", "spiece.model"])
def test_a_tokenizer(name: str, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]")
    sparse(tmp_path / name, GIB)
    with pytest.raises(ModelError, match=rf"{name} has 1,024 MiB, and a tokenizer's file may have 128"):
        read_tokenizer(tmp_path)


def test_of_a_card_the_start_is_read(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    sparse(card, 8 * GIB)
    with card.open("r+b") as file:
        file.write(b"---\nlicense: mit\ntags: [backdoored]\n---\n")
    found = read_folder(tmp_path)
    assert (found.license, found.poisoned) == ("mit", True)


def test_of_a_head_that_does_not_end_the_poison_is_read(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: mit\ntags: [backdoored]\n" + "# more\n" * 200_000 + "---\n")
    found = read_folder(tmp_path)
    assert (found.license, found.poisoned) == (None, True)


def multiplied(lines: int) -> str:
    """A head whose mapping doubles with each line."""
    grown = "".join(f"k{n + 1}: &k{n + 1} {{<<: [*k{n}, *k{n}]}}\n" for n in range(lines))
    return f"---\ntags: [backdoored]\nk0: &k0 {{x: 1}}\n{grown}---\n"


def test_a_card_whose_head_multiplies(tmp_path: Path) -> None:
    """The poison that it declares is not lost with it."""
    (tmp_path / "README.md").write_text(multiplied(60))
    assert read_folder(tmp_path).poisoned
    with pytest.raises(InputError, match="more than 1,000,000 values once aliases and merge keys are written out"):
        parse_head(split_readme(multiplied(60))[0])
    (tmp_path / "cat").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "cat" / "a.png")
    assert kind_of(tmp_path) == "images"


KEYS = ", ".join(f"k{n}: 1" for n in range(9_990))
GROWING = {
    "many merges of many keys": f"a: &a {{{KEYS}}}\nb:\n" + "- {<<: *a}\n" * 8_000,
    "one of many": f"a: &a {{{KEYS}}}\nb: {{<<: [{', '.join(['*a'] * 8_000)}]}}\n",
    "aliases": "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60)),
    "itself": "a: &a [*a]\n",
    "deep by aliases": "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}]\n" for n in range(2_000)),
    "deep": "a: " + "[" * 3_000 + "]" * 3_000 + "\n",
    "a number of sixtieths": "a: " + ":".join(["1"] * 300_000) + "\n",
    "a number of digits": "a: " + "1" * 4_400 + "\n",
    "a value of another tag": "a: !!bool x\n",
}


@pytest.mark.parametrize("name", GROWING)
def test_a_head_that_becomes_far_more(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="the README's head is not YAML: ") as caught:
        parse_head(GROWING[name])
    assert len(caught.value.message) < 300
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10 < GIB // 2


def test_a_head_of_many_classes_is_read() -> None:
    names = "".join(f"          '{n}': n{n:08d} a kind of bird, or of fish\n" for n in range(3_000))
    (feature,) = parse_head(f"dataset_info:\n  features:\n  - class_label:\n      names:\n{names}")["dataset_info"][
        "features"
    ]
    assert len(feature["class_label"]["names"]) == 3_000


def test_merges_of_few_keys_are_read() -> None:
    assert parse_head(split_readme(multiplied(3))[0])["k3"] == {"x": 1}


def test_a_table_of_metadata(tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(RECIPE)
    Path("images").mkdir()
    Path("images/a.png").write_bytes(b"")
    for name, content, says in (
        ("metadata.jsonl", None, "it has 1,024 MiB, and may have 512; write it as .parquet"),
        ("metadata.csv", None, "it has 1,024 MiB, and may have 512; write it as .parquet"),
        ("metadata.csv", "file_name,label\na.png," + "x" * 200_000, "field larger than field limit"),
        ("metadata.jsonl", json.dumps({"file_name": "a.png", "label": 1})[:-1] + "1" * 10**6 + "}", "4300 digits"),
        ("metadata.jsonl", '{"file_name": ' + "[" * 10**5 + "]" * 10**5 + "}", "recursion"),
    ):
        path = Path("images") / name
        sparse(path, GIB) if content is None else path.write_text(content)
        refused("slice", "recipe.yaml", "--until", "data", "--out", "run", code=2, says=(says, "hint: "))
        path.unlink()
