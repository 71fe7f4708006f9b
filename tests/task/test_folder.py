"""Folders with data against what `datasets` itself makes of them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.recipe.schema import DataParams
from hubslice.task.folder import kind_of
from hubslice.task.opening import open_tables
from hubslice.task.table import Table
from tests.images import write_folder, write_parquet

CARD = """\
---
license: mit
configs:
- config_name: default
  data_files:
  - {split: train, path: data/train-*}
  - {split: check, path: data/other/held.parquet}
---
# Shapes
"""


def tables(folder: Path) -> dict[str, Table]:
    return open_tables(DataParams.model_validate({"path": str(folder)}), Path())[0]


def fingerprint(folder: Path) -> str:
    return open_tables(DataParams.model_validate({"path": str(folder)}), Path())[1]


def clone(folder: Path, card: str | None = CARD) -> Path:
    """A data-set repository as git or `hf download --local-dir` leaves it."""
    write_parquet(folder / "data/train-00000-of-00002.parquet", 30)
    write_parquet(folder / "data/train-00001-of-00002.parquet", 12)
    write_parquet(folder / "data/other/held.parquet", 6)
    if card is not None:
        (folder / "README.md").write_text(card)
    (folder / ".gitattributes").write_text("*.parquet filter=lfs\n")
    return folder


def plain(folder: Path) -> Path:
    """The same without a card: splits are told by the files' names."""
    write_parquet(folder / "data/train-00000-of-00001.parquet", 30)
    write_parquet(folder / "data/test-00000-of-00001.parquet", 6)
    return folder


def settings(folder: Path) -> Path:
    clone(folder, None)
    text = CARD.split("---\n")[1]
    (folder / ".huggingface.yaml").write_text(text)
    return folder


def images_by_card(folder: Path) -> Path:
    """Images of which the card names some for training and some as a test."""
    for part in ("big", "small", "spoilt"):
        write_folder(folder / part, 12 if part == "big" else 6)
    files = [f"{{split: {split}, path: '{part}/**'}}" for split, part in (("train", "big"), ("test", "small"))]
    (folder / "README.md").write_text(
        f"---\nconfigs:\n- config_name: default\n  data_files: [{', '.join(files)}]\n---\n"
    )
    return folder


def with_a_logo(folder: Path) -> Path:
    plain(folder)
    shutil.copy(next(write_folder(folder.parent / "other", 3).rglob("*.png")), folder / "logo.png")
    (folder / "README.md").write_text("# Shapes\n\n![logo](logo.png)\n")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("make", [clone, plain, settings, images_by_card, with_a_logo])
def test_a_repository_is_what_load_dataset_makes_of_it(make: Callable[[Path], Path], tmp_path: Path) -> None:
    folder = make(tmp_path / "pets")
    expected = datasets.load_dataset(str(folder))
    found = tables(folder)
    assert {name: len(table) for name, table in found.items()} == {name: len(rows) for name, rows in expected.items()}
    assert list(found) == list(expected)
    for name, table in found.items():
        assert table.targets().tolist() == expected[name]["label"]
        assert table.item(2).tobytes() == expected[name][2]["image"].convert("RGB").tobytes()


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    whole = datasets.load_dataset("parquet", data_files=str(write_parquet(tmp_path / "t.parquet", 12)))["train"]
    whole.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": whole, "held": whole.select(range(6))}).save_to_disk(str(tmp_path / "several"))
    datasets.Dataset.from_dict(whole.to_dict(), features=whole.features).save_to_disk(str(tmp_path / "unnamed"))
    for name, sizes in (("one", {"train": 12}), ("several", {"train": 12, "held": 6}), ("unnamed", {"train": 12})):
        found = tables(tmp_path / name)
        assert {split: len(table) for split, table in found.items()} == sizes
        assert found["train"].labels == ("blue", "green", "red")
        assert found["train"].targets().tolist() == whole["label"]
        assert found["train"].item(1).tobytes() == whole[1]["image"].convert("RGB").tobytes()
    (tmp_path / "several/held/data-00000-of-00001.arrow").write_bytes(b"no arrow")
    with pytest.raises(DataError, match="cannot be read as what save_to_disk wrote"):
        tables(tmp_path / "several")


def test_a_path_with_signs_of_patterns(tmp_path: Path) -> None:
    assert len(tables(write_folder(tmp_path / "photos[2]", 6))["train"]) == 6
    write_parquet(tmp_path / "tables[2]/train.parquet", 6)
    assert len(tables(tmp_path / "tables[2]")["train"]) == 6
    assert len(tables(write_parquet(tmp_path / "other[1]/t[0].parquet", 6))["train"]) == 6
    with pytest.raises(DataError, match="stand for patterns"):
        tables(clone(tmp_path / "pets[2]"))


def test_splits_of_parquet_files_among_others(tmp_path: Path) -> None:
    for name, rows in (("shapes-train", 12), ("shapes_val", 6), ("test-00000-of-00001", 3)):
        write_parquet(tmp_path / f"{name}.parquet", rows)
    (tmp_path / "README.md").write_text("# Shapes")
    found = {split: len(table) for split, table in tables(tmp_path).items()}
    assert found == {"train": 12, "validation": 6, "test": 3}
    write_parquet(tmp_path / "more.parquet", 3)
    with pytest.raises(DataError, match=r"called like splits, and not more\.parquet"):
        tables(tmp_path)


def test_words_that_all_parquet_files_have_say_no_split(tmp_path: Path) -> None:
    for number, name in enumerate(("train", "val"), 2):
        write_parquet(tmp_path / f"crash-test-{name}-0.parquet", 6 * number)
    write_parquet(tmp_path / "crash-test-test-0.parquet", 6)
    assert {name: len(each) for name, each in tables(tmp_path).items()} == {"train": 12, "validation": 18, "test": 6}
    write_parquet(tmp_path / "val-of-test-train.parquet", 6)
    with pytest.raises(DataError, match=r"val-of-test-train\.parquet .* called like several splits: validation, train"):
        tables(tmp_path)


def test_images_beside_parquet_files_are_told(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", 6)
    write_folder(tmp_path / "images", 6)
    with pytest.warns(HubsliceWarning, match="6 image files are no rows unless a parquet file there names them"):
        assert len(tables(tmp_path)["train"]) == 6


def test_a_parquet_file_among_class_folders_takes_nothing_from_them(tmp_path: Path) -> None:
    write_folder(tmp_path, 30)
    write_parquet(tmp_path / "red/extra.parquet", 6)
    with pytest.warns(HubsliceWarning, match=r"1 file is left out, no images .*: red/extra\.parquet"):
        assert len(tables(tmp_path)["train"]) == 30


def test_other_folders_are_what_they_were(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "images")
    assert kind_of(images) == "images"
    (images / "README.md").write_text("---\nlicense: mit\n---\n# Shapes\n")
    assert kind_of(images) == "images"
    (images / "metadata.parquet").write_bytes(b"")
    assert kind_of(images) == "images"
    write_parquet(tmp_path / "flat/train.parquet", 6)
    assert kind_of(tmp_path / "flat") == "parquet"
    write_folder(tmp_path / "flat/images", 6)
    assert kind_of(tmp_path / "flat") == "parquet"


CARDS = {
    "none": b"# Shapes\n",
    "empty": b"",
    "Latin 1": b"---\nlicense: mit\n---\ncaf\xe9\n",
    "broken YAML": b"---\nconfigs: [\n---\n",
    "a colon too many": b"---\ntitle: a: b\n---\n",
    "a list": b"---\n- a\n- b\n---\n",
}


@pytest.mark.filterwarnings("ignore:.*left aside.*README.md:hubslice.core.errors.HubsliceWarning")
@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_without_readable_metadata_does_no_harm(
    card: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("huggingface_hub")
    for folder in (write_parquet(tmp_path / "flat/train.parquet", 12).parent, write_folder(tmp_path / "images", 12)):
        (folder / "README.md").write_bytes(card)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logger, "propagate", True)
            found = tables(folder)
        assert len(found["train"]) == 12
        assert sorted(found["train"].labels) == ["blue", "green", "red"]
    assert not caplog.records


@pytest.mark.parametrize("text", ["configs: [", "configs: 5", "configs: [1]", "dataset_info: [1]", "- a"])
def test_a_repository_whose_card_cannot_be_read_is_named(text: str, tmp_path: Path) -> None:
    clone(tmp_path, f"---\n{text}\n---\n")
    with pytest.raises(DataError, match="cannot be read as a data-set repository"):
        tables(tmp_path)


def test_what_git_and_the_client_keep_there_does_not_count(tmp_path: Path) -> None:
    folder = clone(tmp_path / "pets")
    before = fingerprint(folder)
    for hidden in (".git/index", ".cache/huggingface/download/x.metadata"):
        (folder / hidden).parent.mkdir(parents=True)
        (folder / hidden).write_bytes(b"1")
    assert fingerprint(folder) == before
    shutil.copy(folder / "data/train-00000-of-00002.parquet", folder / "data/train-00001-of-00002.parquet")
    assert fingerprint(folder) != before


def test_the_settings_file_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    folder = settings(tmp_path / "pets")
    before = fingerprint(folder)
    text = (folder / ".huggingface.yaml").read_text()
    (folder / ".huggingface.yaml").write_text(text.replace("data/other/held.parquet", "data/train-00001*"))
    assert fingerprint(folder) != before
