"""The files of class folders: which are images, links, what cannot be read, and what is noticed of a change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hubslice.core.errors import DataError
from hubslice.task.aside import Reason
from tests.task.photos import CAT, DOG, PNG, TWO, classes, content, read, several, write


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP", "JPEG2000", "ICO", "PPM", "TGA"])
def test_every_format_that_pillow_decodes_is_read(tmp_path: Path, kind: str) -> None:
    ending = {"JPEG2000": ".jp2"}.get(kind, f".{kind.lower()}")
    write(write(tmp_path / "photos", CAT), several("dog", 20, ending), content(kind))
    tables, told = read(tmp_path / "photos")
    assert classes(tables) == {"train": TWO}
    assert not told
    assert tables["train"].item(30).mode == "RGB"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_an_image_is_known_by_its_first_bytes(tmp_path: Path, kind: str) -> None:
    write(write(tmp_path / "photos", CAT), several("dog", 20, ".dat"), content(kind))
    assert classes(read(tmp_path / "photos")[0]) == {"train": TWO}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("notes.txt", b"a cat"),
        ("film.mpg", b"\x00\x00\x01\xb3" + bytes(40)),
        ("page.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n"),
        ("archive.zip", b"PK\x03\x04" + bytes(40)),
        ("photo.heic", b"\x00\x00\x00\x18ftypheic" + bytes(40)),
        ("page", b"<html>"),
        ("empty", b""),
        ("short", b"\x00"),
        ("begins.png.part", PNG[:8]),
    ],
)
def test_what_is_no_image_is_told_with_its_ending(tmp_path: Path, name: str, data: bytes) -> None:
    write(write(tmp_path / "photos", [*CAT, *DOG]), [f"cat/{name}"], data)
    tables, told = read(tmp_path / "photos")
    assert classes(tables) == {"train": TWO}
    kind = f".{name.rpartition('.')[2]}" if "." in name else "without ending"
    assert told == [f"photos: 1 file is left out, no images that Pillow reads (1 {kind}): cat/{name}"]


def test_a_class_of_another_format_is_refused_with_it(tmp_path: Path) -> None:
    write(write(tmp_path / "photos", [*CAT, *DOG]), several("owl", 2, ".heic"), b"\x00\x00\x00\x18ftypheic" + bytes(40))
    with pytest.raises(DataError, match=r"no image of a class: owl; Pillow does not read owl/00\.heic"):
        read(tmp_path / "photos")


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*CAT, *several("dog/deep/deeper", 18)])
    write(tmp_path / "elsewhere", [*several("owl"), "one.png"])
    (root / "owl").symlink_to(tmp_path / "elsewhere/owl")
    (root / "cat/one.png").symlink_to(tmp_path / "elsewhere/one.png")
    (root / "cat/gone.png").symlink_to("nowhere.png")
    (root / "cat/self").symlink_to("self")
    (root / "dog/deep/up").symlink_to(root)
    (root / "dog/deep/a link").symlink_to("deeper")
    (root / "dog/again").symlink_to("deep")
    tables, told = read(root)
    assert classes(tables) == {"train": {"cat": 21, "dog": 18, "owl": 20}}
    assert "photos: 2 files are left out, links that lead nowhere: cat/gone.png, cat/self" in told
    loops = "links that lead back to a folder which is read already: dog/again, dog/deep/a link, dog/deep/up"
    assert f"photos: 3 files are left out, {loops}" in told


def test_folders_full_of_links_to_one_another_end(tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(9)]
    root = write(tmp_path / "photos", [place for name in names for place in several(f"{name}/own", 20)])
    for name in names:
        for other in names:
            (root / name / f"to {other}").symlink_to(root / other)
    tables, told = read(root, allow_skipped=True)
    assert len(tables["train"]) <= len(names) ** 2 * 20
    assert any(str(Reason.LOOP) in line for line in told)


def test_a_split_may_be_a_link_to_another(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [f"{split}/{place}" for split in ("train", "val") for place in (*CAT, *DOG)])
    (root / "test").symlink_to("val")
    tables, told = read(root)
    assert classes(tables) == {"train": TWO, "validation": TWO, "test": TWO}
    assert "photos: images are read twice, through links to folders that are read as well: test (val)" in told


def test_a_class_that_is_a_link_to_another_is_told(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*CAT, *DOG])
    (root / "dog2").symlink_to("dog")
    (root / "a dog").symlink_to("dog")
    tables, told = read(root)
    assert classes(tables) == {"train": TWO | {"a dog": 20, "dog2": 20}}
    assert told == [
        "photos: images are read twice, through links to folders that are read as well: a dog (dog), dog2 (dog)"
    ]


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*CAT, *DOG])
    os.mkfifo(root / "cat/pipe")
    assert read(root)[1] == ["photos: 1 file is left out, neither files nor folders: cat/pipe"]


def test_a_name_that_is_no_text_is_told(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*CAT, *DOG])
    (root / os.fsdecode(b"cat/caf\xe9.png")).write_bytes(PNG)
    tables, told = read(root)
    assert classes(tables) == {"train": TWO}
    assert told == [r"photos: 1 file is left out, with names that are not UTF-8: cat/caf\udce9.png"]


def test_a_folder_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "photos", [*CAT, *DOG])
    scan = os.scandir

    def refusing(path: str | os.PathLike[str]) -> object:
        if os.fspath(path).rstrip("/").endswith("dog"):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match=r"photos cannot be read as a folder: .*Permission denied.*dog"):
        read(root)


def test_a_folder_of_the_system_may_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `lost+found` is, in the topmost folder of a disk."""
    root = write(tmp_path / "photos", [*CAT, *DOG, "lost+found/", ".Trash-0/", ".mine/"])
    scan = os.scandir

    def refusing(path: str | os.PathLike[str]) -> object:
        if any(name in os.fspath(path) for name in ("lost+found", ".Trash-0", ".mine")):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refusing)
    tables, told = read(root)
    assert classes(tables) == {"train": TWO}
    assert any("2 files are left aside" in line and ".Trash-0/, lost+found/" in line for line in told)
    assert any("1 file is left out, hidden" in line and ".mine/" in line for line in told)


def test_a_folder_is_listed_once_and_no_image_opened_to_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hubslice.task import walk

    root = write(tmp_path / "photos", [place for name in "abcde" for place in several(f"{name}/deep", 50)])
    calls: list[object] = []
    scan = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: calls.append(path) or scan(path))
    monkeypatch.setattr(walk, "is_image", lambda path: pytest.fail(f"{path} was opened"))
    assert len(walk.walk(root).images) == 250
    assert len(calls) == 11


def test_a_run_in_the_folder_is_no_change(tmp_path: Path) -> None:
    from hubslice.task.walk import stamps

    root = write(tmp_path / "photos", CAT)
    before = len(stamps(root))
    write(root, ["runs/a/run.json", "runs/a/steps/data/task.json"])
    assert len(stamps(root)) == before == 20


def test_a_change_behind_a_link_is_noticed(tmp_path: Path) -> None:
    from hubslice.task.walk import stamps

    root = write(tmp_path / "photos", CAT)
    write(tmp_path / "elsewhere", DOG)
    (root / "dog").symlink_to(tmp_path / "elsewhere/dog")
    assert sum(each.st_size for each in stamps(root)) == 40 * len(PNG)
    (tmp_path / "elsewhere/dog/00.png").write_bytes(b"")
    assert sum(each.st_size for each in stamps(root)) == 39 * len(PNG)
