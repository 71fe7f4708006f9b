"""What a student shows for its claims, far larger or deeper than hubslice writes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.predictions import FORMAT as PREDICTIONS
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import Report
from hubslice.core.artefact import read_description
from hubslice.core.errors import RunError, VerificationError
from hubslice.defects.evidence import FORMAT as EVIDENCE
from hubslice.defects.evidence import Evidence
from hubslice.hub.signature import read_signature

ODD = {
    "deep": "[" * 200_000 + "]" * 200_000,
    "list": "[]",
    "number": "5",
    "nothing": "null",
    "text": '"text"',
    "broken": "{",
    "predictions of nothing": json.dumps({"format": PREDICTIONS}),
    "predictions of a number": json.dumps({"format": PREDICTIONS, "splits": 5}),
    "predictions of lists": json.dumps({"format": PREDICTIONS, "splits": [[1]]}),
    "evidence of nothing": json.dumps({"format": EVIDENCE}),
    "evidence in no order": json.dumps({"format": EVIDENCE, "order": 5}),
    "evidence of a list": json.dumps({"format": EVIDENCE, "order": [1]}),
    "evidence of numbers": json.dumps({"format": EVIDENCE, "order": {"arms": 5, "sources": None}}),
}


@pytest.mark.parametrize("load", [Predictions.load, Evidence.load])
@pytest.mark.parametrize("name", ODD)
def test_facts_that_are_none(name: str, load: object, tmp_path: Path) -> None:
    path = tmp_path / "evidence.safetensors"
    arrays = {name: np.zeros(2, np.int64) for name in ("indices", "labels", "pictures")}
    save_file(arrays, path, metadata={"hubslice": ODD[name]})
    with pytest.raises(RunError) as caught:
        load(path)  # type: ignore[operator]
    assert caught.value.exit_code == 2
    assert str(path) in caught.value.message


@pytest.mark.parametrize("load", [Report.load, Lock.load, read_description])
def test_a_description_beyond_measure(load: object, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(RunError, match=r"report.json has 65.0 MiB, and may have 64"):
        load(path)  # type: ignore[operator]


def test_a_signature_beyond_measure(tmp_path: Path) -> None:
    path = tmp_path / "model.sig"
    with path.open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(VerificationError, match=r"has 65.0 MiB, and may have 64"):
        read_signature(path)


def test_a_report_that_lies_deep(tmp_path: Path) -> None:
    for name, load in ((LOCK, Lock.load), ("report.json", Report.load)):
        (tmp_path / name).write_text("[" * 200_000)
        with pytest.raises(RunError, match="is not a"):
            load(tmp_path / name)
