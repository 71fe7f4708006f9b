"""Texts of which no classifier reads the end, files of very many, and what is no text: told before any work."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from hubslice.core.errors import DataError
from hubslice.task.texts import LONGEST, open_texts
from tests.faults.conftest import Refused

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16, "hidden_size": 16}
    config = BertConfig(**sizes, vocab_size=len(WORDS), max_position_embeddings=32)
    BertForSequenceClassification(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


LINES: dict[str, tuple[bytes, str]] = {
    "long": (b"good film\n" + b"good film " * 200_000 + b"\nbad film\n", "line 2 of {} has 2,000,000 characters"),
    "alone": (b"x" * 2_000_000, "line 1 of {} has 2,000,000 characters, and a text may have 50,000"),
    "nul": (b"good film\nbad\0film\n", "line 2 of {} is no text: it has a NUL character after 'bad'"),
    "binary": (bytes(range(256)) * 100, "{} is not UTF-8: byte 128 is 0x80"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_that_is_no_seed(
    name: str, model: Path, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, says = LINES[name]
    monkeypatch.chdir(tmp_path)
    Path("seeds.txt").write_bytes(content)
    command = ("diff", str(model), str(model), "-i", "seeds.txt", "--out", "out", "--budget", "1", "--device", "cpu")
    refused(*command, code=2, says=(says.format("seeds.txt"), "hint: "))
    assert not Path("out").exists()


def test_the_longest_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "seeds.txt"
    path.write_text("x" * LONGEST)
    assert open_texts(str(path), None).texts == ("x" * LONGEST,)


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_a_row_of_a_table(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    path = tmp_path / f"seeds{ending}"
    texts = ["good film", "x" * (LONGEST + 1)]
    if ending == ".csv":
        path.write_text("text\n" + "\n".join(texts))
    elif ending == ".jsonl":
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    else:
        pq.write_table(pa.table({"text": texts}), path)
    with pytest.raises(DataError, match=r"row 1 of .* has 50,001 characters, and a text may have 50,000"):
        open_texts(str(path), None)


@pytest.mark.parametrize("ending", [".txt", ".csv", ".jsonl"])
def test_a_file_of_gigabytes(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"seeds{ending}"
    with path.open("wb") as file:
        file.truncate(2 << 30)  # takes no space on the disk
    with pytest.raises(DataError, match=r"has 2,048.0 MiB, and a file of texts may have 256"):
        open_texts(str(path), None)
