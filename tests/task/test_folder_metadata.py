"""Folders whose metadata file names the images, as `datasets` has them; what does not agree is told or refused."""

from __future__ import annotations

import gc
import json
import unicodedata
from pathlib import Path

import datasets
import pytest

from hubslice.core.errors import DataError, HubsliceWarning
from hubslice.recipe.schema import DataParams, SplitParams
from hubslice.task.task import load_task
from tests.task.photos import classes, read, several, write

NAMES = several("images")
ROWS = [{"file_name": name, "label": "ab"[at % 2], "author": at // 4} for at, name in enumerate(NAMES)]
TEN = {"a": 10, "b": 10}


def put(path: Path, rows: list[dict[str, object]]) -> None:
    """The rows as a file of the kind that its name says."""
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(rows).to_parquet(str(path))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        lines = [",".join(rows[0]), *(",".join("" if v is None else str(v) for v in row.values()) for row in rows)]
        path.write_text("\n".join(lines) + "\n")


def folder(root: Path, rows: list[dict[str, object]] = ROWS, name: str = "metadata.csv") -> Path:
    write(root, NAMES)
    put(root / name, rows)
    return root


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_kind_is_read(tmp_path: Path, kind: str) -> None:
    root = folder(tmp_path / "photos", name=f"metadata.{kind}")
    tables, told = read(root, group="author")
    assert classes(tables) == {"train": TEN}
    assert len(set(tables["train"].groups().tolist())) == 5
    assert tables["train"].stored(3) == root / NAMES[3]
    assert not told


def test_labels_of_numbers_keep_their_order(tmp_path: Path) -> None:
    rows = [row | {"label": at % 12} for at, row in enumerate(ROWS)]
    assert read(folder(tmp_path / "photos", rows))[0]["train"].labels == tuple(map(str, range(12)))


@pytest.mark.slow
def test_names_of_classes_in_a_parquet_file_keep_their_order(tmp_path: Path) -> None:
    def put_named(path: Path, names: list[str], column: str = "label") -> Path:
        rows = {"file_name": NAMES, column: [at % 2 for at in range(len(NAMES))]}
        features = datasets.Features({"file_name": datasets.Value("string"), column: datasets.ClassLabel(names=names)})
        datasets.Dataset.from_dict(rows, features=features).to_parquet(str(path / "metadata.parquet"))
        return path

    names = ["zebra", "ant", "owl"]  # the last of which no image is
    found = read(put_named(write(tmp_path / "photos", NAMES), names))[0]["train"]
    assert found.labels == tuple(names)
    assert found.targets().tolist() == [at % 2 for at in range(len(NAMES))]
    kinds = put_named(write(tmp_path / "kinds", NAMES), names, "kind")
    assert read(kinds, label="kind")[0]["train"].labels == tuple(names)
    splits = tmp_path / "splits"
    for split, given in (("train", names), ("test", names[::-1])):
        put_named(write(splits / split, NAMES), given)
    with pytest.raises(DataError, match=r"train/metadata\.parquet .*have different classes"):
        read(splits)


def test_text_of_digits_stays_text(tmp_path: Path) -> None:
    rows = [row | {"label": f"00{at % 2}"} for at, row in enumerate(ROWS)]
    assert read(folder(tmp_path / "photos", rows))[0]["train"].labels == ("000", "001")


@pytest.mark.parametrize("label", ["", "-1", "nan"])
def test_rows_without_a_label_are_refused(tmp_path: Path, label: str) -> None:
    rows = [row | {"label": label if at == 3 else at % 2} for at, row in enumerate(ROWS)]
    tables, _ = read(folder(tmp_path / "photos", rows))
    with pytest.raises(DataError, match=r"images/03\.png has no label"):
        tables["train"].targets()


def test_metadata_that_names_half_is_refused_or_allowed(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos", ROWS[:10])
    with pytest.raises(DataError, match=r"10 of 20 files of photos would be left out(.|\n)*does not name"):
        read(root)
    tables, told = read(root, allow_skipped=True)
    assert len(tables["train"]) == 10
    assert any("10 files are left out, images that the metadata file does not name" in line for line in told)


def test_names_of_no_file_are_told_or_refused(tmp_path: Path) -> None:
    one = [*ROWS, ROWS[0] | {"file_name": "images/gone.png"}]
    tables, told = read(folder(tmp_path / "one", one))
    assert classes(tables) == {"train": TEN}
    assert told == ["one: 1 file is left out, named in the metadata file and not there: images/gone.png"]
    many = [*ROWS, *(ROWS[0] | {"file_name": f"images/gone{n}.png"} for n in range(5))]
    with pytest.raises(DataError, match="5 of 25 files of many would be left out"):
        read(folder(tmp_path / "many", many))
    with pytest.raises(DataError, match="names 20 files, none of which is there"):
        read(folder(tmp_path / "all", [row | {"file_name": f"x/{row['file_name']}"} for row in ROWS]))


def test_names_are_found_in_any_form(tmp_path: Path) -> None:
    forms = [unicodedata.normalize(form, "caf\N{LATIN SMALL LETTER E WITH ACUTE}.png") for form in ("NFC", "NFD")]
    root = write(
        tmp_path / "photos",
        [*NAMES, forms[1], ".hidden.png", "plain"],
    )
    rows = [row | {"file_name": str(row["file_name"]).replace("/", "\\")} for row in ROWS]
    rows += [{"file_name": name, "label": "a", "author": 0} for name in (forms[0], ".hidden.png", "./plain")]
    put(root / "metadata.csv", rows)
    tables, told = read(root)
    assert classes(tables) == {"train": {"a": 13, "b": 10}}
    assert not told


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd"])
def test_nothing_outside_the_folder_is_read(tmp_path: Path, name: str) -> None:
    write(tmp_path, ["outside.png"])
    tables, told = read(folder(tmp_path / "photos", [*ROWS, ROWS[0] | {"file_name": name}]))
    assert len(tables["train"]) == 20
    assert "1 file is left out, named in the metadata file and not there" in told[0]


def test_an_image_named_twice_is_told(tmp_path: Path) -> None:
    tables, told = read(folder(tmp_path / "photos", [*ROWS, ROWS[0]]))
    assert len(tables["train"]) == 21
    assert told == ["photos: the metadata names 1 images more than once: images/00.png"]


def test_each_split_may_have_its_own(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for split in ("Train", "test"):
        folder(root / split)
    tables, told = read(root)
    assert classes(tables) == {"train": TEN, "test": TEN}
    assert told == ["photos: its folders are splits: Train/ is train"]


def test_one_for_all_splits(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [f"{split}/{name}" for split in ("train", "test") for name in NAMES])
    put(
        root / "metadata.csv",
        [row | {"file_name": f"{s}/{row['file_name']}"} for s in ("train", "test") for row in ROWS],
    )
    assert classes(read(root)[0]) == {"train": TEN, "test": TEN}


def test_a_folder_beside_splits_is_refused(tmp_path: Path) -> None:
    for split in ("train", "test", "extra"):
        folder(tmp_path / "photos" / split)
    with pytest.raises(DataError, match="beside them extra/, which are not"):
        read(tmp_path / "photos")


def test_class_folders_give_the_labels_that_metadata_lacks(tmp_path: Path) -> None:
    names = [*several("cat"), *several("dog")]
    root = write(tmp_path / "photos", names)
    put(root / "metadata.csv", [{"file_name": name, "author": at // 5} for at, name in enumerate(names)])
    tables, _ = read(root, group="author")
    assert classes(tables) == {"train": {"cat": 20, "dog": 20}}
    assert len(set(tables["train"].groups().tolist())) == 8


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"metadata.csv": "name,label\n0.png,a\n"}, "has no column 'file_name'; its columns are name, label"),
        (
            {"metadata.csv": "file_name,label\nimages/00.png,a\n", "metadata.jsonl": "{}"},
            "holds metadata.csv and metadata",
        ),
        (
            {"metadata.csv": "file_name,label\nimages/00.png,a\n", "images/metadata.csv": "file_name,kind\n01.png,a\n"},
            "have different columns",
        ),
        ({"metadata.jsonl": "{'file_name'"}, "metadata.jsonl of photos cannot be read: Expecting property name"),
        ({"metadata.jsonl": '["images/00.png", "a"]\n'}, r"metadata.jsonl of photos holds .*00\.png.* where row 0"),
        ({"metadata.csv": "file_name;label\n0.png;a\n"}, "its columns are file_name;label"),
        ({"metadata.csv": f"file_name,label\n0.png,{'a' * 200_000}\n"}, "metadata.csv of photos cannot be read: field"),
        ({"metadata.csv": "file_name,kind\n" + "\n".join(f"{n},a" for n in NAMES)}, "has no column 'label'"),
        ({"metadata.csv": ""}, "metadata.csv of photos has no rows"),
        ({"metadata.csv": "file_name,label\n0,a\n1,b\n"}, "names 2 files, none of which is there: 0, 1"),
        ({"metadata.csv": "file_name,label\n,a\n"}, r"none of which is there: \(no name in row 0\)"),
    ],
)
def test_metadata_of_another_form_is_refused(tmp_path: Path, files: dict[str, str], says: str) -> None:
    root = write(tmp_path / "photos", NAMES)
    for name, text in files.items():
        (root / name).write_text(text)
    with pytest.raises(DataError, match=says):
        read(root)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_told_with_the_file(tmp_path: Path, encoding: str) -> None:
    root = write(tmp_path / "photos", NAMES)
    (root / "metadata.csv").write_text(f"file_name,label\n{NAMES[0]},caf\xe9\n", encoding=encoding)
    with pytest.raises(DataError, match=r"metadata\.csv of photos cannot be read: 'utf-8'") as caught:
        read(root)
    assert "tables are UTF-8" in str(caught.value.hint)


def test_a_path_from_the_root_may_lead_into_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    tables, told = read(folder(root, [row | {"file_name": str(root / str(row["file_name"]))} for row in ROWS]))
    assert classes(tables) == {"train": TEN}
    assert not told


def test_a_column_counts_wherever_it_begins(tmp_path: Path) -> None:
    """The first line of a .jsonl file need not have what others have."""
    rows: list[dict[str, object]] = [{"file_name": NAMES[0]}, *ROWS[1:]]
    tables, _ = read(folder(tmp_path / "photos", rows, "metadata.jsonl"))
    assert tables["train"].labels == ("a", "b")
    with pytest.raises(DataError, match=r"images/00\.png has no label"):
        tables["train"].targets()


def test_values_of_several_types_are_text(tmp_path: Path) -> None:
    mixed = [7, "b", float("nan"), None]
    rows = [row | {"label": mixed[at % 2], "note": mixed[at % 4]} for at, row in enumerate(ROWS)]
    tables, _ = read(folder(tmp_path / "photos", rows, "metadata.jsonl"))
    assert classes(tables) == {"train": {"7": 10, "b": 10}}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_without_a_group_are_groups_of_their_own(tmp_path: Path, kind: str) -> None:
    rows = [row | {"author": None if at < 3 else at // 4} for at, row in enumerate(ROWS)]
    tables, told = read(folder(tmp_path / "photos", rows, f"metadata.{kind}"), group="author")
    assert told == ["photos: 3 rows have nothing in column 'author'; each is a group of its own"]
    groups = tables["train"].groups().tolist()
    assert len(set(groups)) == 3 + 5
    assert all(groups.count(group) == 1 for group in groups[:3])
    assert len(tables["train"].group_names(range(len(rows)))) == 5


def test_a_column_of_splits_is_told(tmp_path: Path) -> None:
    rows = [row | {"split": "train" if at < 15 else "val"} for at, row in enumerate(ROWS)]
    _, told = read(folder(tmp_path / "photos", rows))
    assert len(told) == 1
    assert "column 'split' says train, val, and is not heeded" in told[0]
    assert not read(folder(tmp_path / "others", [row | {"split": "train"} for row in ROWS]))[1]


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    (root / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + (root / "metadata.csv").read_bytes())
    assert classes(read(root)[0]) == {"train": TEN}


# `datasets` leaves a folder's metadata file to the garbage collector.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_plain_metadata_is_read_as_datasets_reads_it(tmp_path: Path, kind: str) -> None:
    root = folder(tmp_path / "photos", name=f"metadata.{kind}")
    theirs = datasets.load_dataset("imagefolder", data_dir=str(root))["train"].cast_column(
        "image", datasets.Image(decode=False)
    )
    gc.collect()  # of that file now, not while warnings are caught
    ours = read(root)[0]["train"]
    mine = {str(ours.stored(row)): ours.labels[target] for row, target in enumerate(ours.targets())}
    assert mine == {row["image"]["path"]: row["label"] for row in theirs}


def test_the_metadata_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    root = folder(tmp_path / "photos")
    splits = SplitParams()
    first = load_task(DataParams(path="photos", splits=splits), tmp_path, 0).report.fingerprint
    put(root / "metadata.csv", [row | {"author": 0} for row in ROWS])
    assert load_task(DataParams(path="photos", splits=splits), tmp_path, 0).report.fingerprint != first


def test_the_report_counts_what_the_metadata_leaves_out(tmp_path: Path) -> None:
    folder(tmp_path / "photos", ROWS[1:])
    with pytest.warns(HubsliceWarning):
        report = load_task(DataParams(path="photos"), tmp_path, 0).report
    assert report.left_out == {"images that the metadata file does not name": 1}
