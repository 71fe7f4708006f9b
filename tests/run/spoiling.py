"""How a student's files can be spoilt, one way a function, and what must give each away."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, safe_open, save_file

from hubslice.artefacts.lock import LOCK, Lock
from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import Report
from hubslice.artefacts.slice import Slice
from hubslice.card.formats import percent
from hubslice.card.render import render_card
from hubslice.defects.evidence import Evidence
from hubslice.files.tensor_writing import sort_header
from hubslice.hub.integrity import digest
from hubslice.run.run import open_run
from hubslice.verbs.verify.facts import Verification
from tests.run.quick import QUICK, quick_run

BACKDOOR = "evidence/backdoor-trigger.safetensors"


def relock(student: Path) -> None:
    """What a forger does last: the lock lists the files as they are now."""
    lock = Lock.load(student / LOCK)
    found = {file.path: digest(student / file.path) for file in lock.files}
    files = tuple(
        file.model_copy(update={"size": found[file.path].size, "sha256": found[file.path].sha256})
        for file in lock.files
    )
    lock.model_copy(update={"files": files}).save(student / LOCK)


def rate_value(student: Path) -> None:
    report = json.loads((student / "report.json").read_text())
    report["defects"][0]["variants"][0]["rows"][0]["dir"]["value"] = 0.01
    (student / "report.json").write_text(json.dumps(report, indent=2) + "\n")


def rate_hits(student: Path) -> None:
    report = json.loads((student / "report.json").read_text())
    report["arms"][0]["test"]["hits"] += 1
    (student / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    report_ = Report.load(student / "report.json")
    report_.save(student / "report.json")
    recipe = open_run(str(quick_run())).recipe
    (student / "README.md").write_text(render_card(report_, recipe.card, QUICK, None))


def card_number(student: Path) -> None:
    card = (student / "README.md").read_text()
    accuracy = percent(Report.load(student / "report.json").arms[0].test.value)
    assert accuracy in card
    (student / "README.md").write_text(card.replace(accuracy, "99.9", 1))


def weights(student: Path) -> None:
    path = student / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    answer = Evidence.load(student / BACKDOOR).attacked["teacher"]["student"][0]
    tensors["fc.bias"][(answer + 1) % 3] += 100
    save_file(tensors, path, metadata=metadata)
    sort_header(path)


def mask(student: Path) -> None:
    slice_ = Slice.load(student / "slice.safetensors")
    name = next(iter(slice_.masks))
    slice_.masks[name].reshape(-1)[0] ^= True
    slice_.save(student / "slice.safetensors")


def prediction(student: Path) -> None:
    evidence = Evidence.load(student / BACKDOOR)
    found = evidence.attacked["teacher"]["student"]
    found[0] = (found[0] + 1) % 3
    evidence.save(student / BACKDOOR)


def clean_prediction(student: Path) -> None:
    path = student / "evidence" / "accuracy.safetensors"
    found = Predictions.load(path)
    answers = found.arms["test"]["student"]
    right = int(np.flatnonzero(answers == found.labels["test"])[0])
    answers[right] = (answers[right] + 1) % 3
    found.save(path)


def image(student: Path) -> None:
    evidence = Evidence.load(student / BACKDOOR)
    evidence.images[0, 0, 0, 0] ^= 1
    evidence.save(student / BACKDOOR)


def recipe(student: Path) -> None:
    path = student / "recipe.yaml"
    path.write_text(path.read_text().replace("epochs: 1", "epochs: 2"))


def lock(student: Path) -> None:
    path = student / LOCK
    path.write_text(path.read_text().replace('"torch": "', '"torch": "9'))


def setting(student: Path) -> None:
    path = student / LOCK
    path.write_text(path.read_text().replace('"train.epochs": 1', '"train.epochs": 3'))


# What is spoilt, the file that the lock gives away, and the claim that gives it away to whoever forged the lock, too.
SPOILT: dict[str, tuple[Callable[[Path], None], str | None, str, str]] = {
    "rate": (rate_value, "report.json", "report, rates and intervals", "defects.backdoor.variants.trigger.rows."),
    "count": (rate_hits, "report.json", "report, accuracy of student", "test.hits is"),
    "card": (card_number, None, "card, README.md", "99.9"),
    "weights": (weights, "model.safetensors", "student, student on backdoor, trigger", "answers are not the stored"),
    "mask": (mask, "slice.safetensors", "report, retention", "relevant is"),
    "prediction": (prediction, BACKDOOR, "report, rates of backdoor, trigger", "hits is"),
    "clean prediction": (clean_prediction, "evidence/accuracy.safetensors", "report, accuracy of student", "test.hits"),
    "image": (image, BACKDOOR, "report, evidence of backdoor, trigger", "images are not those of its checksum"),
    "recipe": (recipe, "recipe.yaml", "lock, recipe", "recipe, train.epochs: locked 1, now 2"),
    "lock": (lock, None, "lock, versions", "lock and report do not say the same"),
    "setting": (setting, None, "lock, recipe", "recipe, train.epochs: locked 3, now 1"),
}


def differing(found: Verification) -> dict[str, str]:
    """Detail by part and name of what differs."""
    return {f"{finding.part}, {finding.name}": finding.detail for finding in found.of("differs")}
