"""What a folder with data is: class folders of images, parquet files, a data-set repository, or a saved `Dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import datasets
from huggingface_hub import DatasetCard
from PIL import Image

Kind = Literal["saved", "repository", "parquet", "images"]

# What is tried to be read, for people.
WORDS: Mapping[Kind, str] = {
    "saved": "as what save_to_disk wrote",
    "repository": "as a data-set repository",
    "parquet": "as parquet",
    "images": "as a folder of pictures",
}
_SAVED = ("dataset_dict.json", "state.json")  # in a folder of DatasetDict.save_to_disk, or of Dataset.save_to_disk
_CARD, _SETTINGS = "README.md", ".huggingface.yaml"


def kind_of(folder: Path) -> Kind:
    """How the folder is to be read.

    A repository is one whose card names its files or columns, or that has parquet files below it and no images. An
    image folder with a card stays an image folder.
    """
    if any((folder / name).is_file() for name in _SAVED):
        return "saved"
    tables = [path for path in _seen(folder, ".parquet") if path.name != "metadata.parquet"]
    if not tables:
        return "images"
    if _declared(folder):
        return "repository"
    if any(path.parent == folder for path in tables):
        return "parquet"
    images = {ending for ending in Image.registered_extensions() if ending != ".eps"}
    return "images" if any(path.suffix.lower() in images for path in _seen(folder)) else "repository"


def read_folder(folder: Path, kind: Kind) -> Mapping[str, Any]:
    """The splits by name.

    Raises:
        Exception: whatever `datasets` raises over files that it cannot read.
    """
    splits: Mapping[str, Any]
    if kind == "saved":
        saved = datasets.load_from_disk(str(folder))
        splits = saved if isinstance(saved, datasets.DatasetDict) else {str(saved.split or "train"): saved}
    elif kind == "repository":
        splits = datasets.load_dataset(str(folder))
    elif kind == "parquet":
        splits = datasets.load_dataset("parquet", data_dir=str(folder))
    else:
        splits = datasets.load_dataset("imagefolder", data_dir=str(folder), drop_labels=False)
    return splits


def content(folder: Path) -> list[Path]:
    """The files that hold data, sorted: without hidden ones, such as what git and the Hub's client keep in a clone."""
    return sorted(_seen(folder))


def _seen(folder: Path, ending: str = "") -> list[Path]:
    return [
        path
        for path in folder.rglob(f"*{ending}")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts) and path.is_file()
    ]


def _declared(folder: Path) -> bool:
    """Whether the card of a repository says which files are which split, or what the columns are."""
    if (folder / _SETTINGS).is_file():
        return True
    card = folder / _CARD
    if not card.is_file():
        return False
    said = DatasetCard.load(card, ignore_metadata_errors=True).data.to_dict()
    return bool(said.get("configs") or said.get("dataset_info"))
