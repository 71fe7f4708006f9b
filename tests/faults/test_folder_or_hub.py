"""`runs/nope` where there is a folder `runs`: told as a slip, and nothing is asked of the Hub, whatever the command."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hubslice.models.timm_adapter import TimmModel
from tests.faults.conftest import Refused
from tests.images import COLOURS, write_parquet

MODELS = [
    ("pull", "runs/nope"),
    ("pull", "runs/nope", "--dry-run"),
    ("convert", "runs/nope", "--to", "onnx"),
    ("convert", "runs/beans", "--to", "distilled", "--into", "runs/nope", "--data", "data.parquet"),
    ("latency", "runs/beans", "runs/nope"),
    ("explain", "runs/nope", "--inputs", "data.parquet"),
    ("detect", "fit", "runs/nope", "--data", "data.parquet"),
    ("diff", "runs/beans", "runs/nope", "--inputs", "data.parquet"),
    ("lineage", "runs/nope", "--candidates", "runs/beans"),
    ("lineage", "runs/beans", "--candidates", "runs/nope"),
    ("exposure", "runs/nope", "--teacher", "runs/beans", "--data", "data.parquet"),
    ("lineage", "index", "runs/nope", "--out", "index.safetensors"),
    ("verify", "runs/nope"),
    ("slice", "runs/nope"),
    ("slice", "model.yaml"),
]
DATA = [
    ("convert", "runs/beans", "--to", "int8", "--data", "runs/nope"),
    ("convert", "runs/beans", "--to", "pruned", "--data", "runs/nope"),
    ("detect", "fit", "runs/beans", "--data", "runs/nope"),
    ("diff", "runs/beans", "runs/beans", "--inputs", "runs/nope"),
    ("explain", "runs/beans", "--inputs", "data.parquet", "--data", "runs/nope"),
    ("exposure", "runs/beans", "--teacher", "runs/beans", "--data", "runs/nope"),
    ("slice", "data.yaml"),
]


@pytest.mark.parametrize("arguments", [*MODELS, *DATA], ids=" ".join)
def test_the_hub_is_not_asked_for_what_begins_with_a_folder_here(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Refused
) -> None:
    asked: list[object] = []

    def nowhere(host: object, *_: object, **__: object) -> object:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "nobody is asked in this test")

    monkeypatch.setattr(socket, "getaddrinfo", nowhere)
    monkeypatch.chdir(tmp_path)
    TimmModel.create("test_resnet", tuple(COLOURS), seed=1).save(tmp_path / "runs" / "beans")
    write_parquet(tmp_path / "data.parquet")
    recipe = "kind: slice\nname: x\nteacher: {model: %s}\ndata: {path: %s}\n"
    Path("model.yaml").write_text(recipe % ("runs/nope", "data.parquet"))
    Path("data.yaml").write_text(recipe % ("runs/beans", "runs/nope"))
    refused(*arguments, code=2, says=("runs/nope", "hint: "))
    assert asked == []
