"""Run the card's snippet on test images, as a reader of the card would."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from hubslice.artefacts.predictions import Predictions
from hubslice.artefacts.report import STUDENT
from hubslice.card.snippet import Snippet, run_snippet, snippet_of
from hubslice.core.artefact import read_description
from hubslice.core.foreign_errors import message_of
from hubslice.files.names import CARD
from hubslice.models.base import Model
from hubslice.run.steps.audit import EVIDENCE
from hubslice.task.task import Split, Task
from hubslice.verbs.verify.card import written_for
from hubslice.verbs.verify.claims import Claims
from hubslice.verbs.verify.differences import differences
from hubslice.verbs.verify.facts import Finding, compared, unchecked
from hubslice.verbs.verify.repredicting import Repredicted

PART, NAME = "student", "the card's snippet"
IMAGES: Final = 16  # of the test split
# Relative to the distance between an image's highest and lowest logit. Both sides compute on the CPU, from the same
# file.
ROUNDING: Final = 1e-3
_LEAST: Final = 1e-30  # probabilities below it are rounded to zero


def check_preparation(claims: Claims, model: Model) -> Iterator[Finding]:
    """Check that images are prepared for the student as in the report's measurements."""
    claimed = claims.report.teacher.preprocessing
    if claimed is None:
        return
    now, rule = model.image_preprocessing, claims.report.task.transparency
    left_out = {"transparency", "crop_pct"}
    if claimed.processor is None and now.processor is not None:  # a report of an older hubslice, with its own wording
        left_out |= {"resize", "processor", "channel_order", "interpolation"}
    wrong = differences(
        claimed.model_dump(mode="json", exclude=left_out), now.model_dump(mode="json", exclude=left_out)
    )
    resized, told = (min(each.input_size[1:]) / each.crop_pct for each in (now, claimed))
    if now.processor is None and abs(resized - told) > 1:  # sizes are rounded by up to a pixel
        wrong.append(f"images are resized to {resized:.0f} pixels, the report says {told:.0f}")
    if rule is not None and now.transparency != rule:
        wrong.append(f"config.json records {now.transparency or 'no rule'} for transparent images, the report {rule}")
    yield compared(PART, "preparation of images", wrong, "config and report say the same")


def check_snippet(claims: Claims, model: Model, task: Task | Finding) -> Iterator[Finding]:
    """Check that the card's code gives the recorded predictions for test images, and the same as hubslice."""
    snippet = _in_card(claims)
    if snippet is None:
        yield unchecked(PART, NAME, "the card does not show the lines that hubslice writes: they are not run")
        return
    stored = claims.report.predictions
    if isinstance(task, Finding) or task.report.fingerprint != claims.report.task.fingerprint or stored is None:
        yield unchecked(PART, NAME, "it is run on images of the test split, which are not at hand")
        return
    places = np.unique(np.linspace(0, len(task.test) - 1, IMAGES).round().astype(np.int64))
    with tempfile.TemporaryDirectory(prefix="hubslice-") as scratch:
        files = {int(at): _file(task.test, int(at), Path(scratch)) for at in places}
        files = {at: file for at, file in files.items() if not _deep(file)}
        if not files:
            yield unchecked(PART, NAME, "the images are greys of 16 bits, which its lines are not for")
            return
        try:
            found = _logarithms(run_snippet(snippet, claims.place.folder, list(files.values())))
        except Exception as error:  # libraries may raise anything for damaged files
            yield compared(PART, NAME, [f"it fails: {type(error).__name__}: {message_of(error)}"], "")
            return
        ours = _logarithms(_measured(model, claims).predict(list(files.values())).probabilities.numpy())
    answers = Predictions.load(claims.place.folder / EVIDENCE / stored).arms["test"][STUDENT][list(files)]
    judged = _judged(found, answers, list(files))
    spread = np.maximum(ours.max(1) - ours.min(1), 1e-12)
    apart = np.abs(found - ours).max(1) / spread
    wrong = judged.differences
    if (apart > ROUNDING).any():
        wrong.append(
            f"{int((apart > ROUNDING).sum())} of {len(files)} images are prepared or answered otherwise than by "
            f"hubslice: logits differ by up to {apart.max():.1%} of their spread (image {list(files)[apart.argmax()]})"
        )
    yield compared(PART, NAME, wrong, f"{judged.agreeing}, in plain {snippet.library}")


def _in_card(claims: Claims) -> Snippet | None:
    """Return the snippet shown on the card, verbatim; None if it shows another, or there is no card."""
    if CARD not in claims.place.names:
        return None
    text = read_description(claims.place.folder / CARD).decode(errors="replace")
    made = (snippet_of(claims.report, home, delta) for home, delta in written_for(claims, text))
    return next((snippet for snippet in made if f"```python\n{snippet.text}```" in text), None)


def _file(split: Split, at: int, folder: Path) -> Path:
    """Return the stored image at this position of the split as a file."""
    stored = split.table.stored(int(split.rows[at]))
    if isinstance(stored, Path):
        return stored
    path = folder / str(at)
    path.write_bytes(stored)
    return path


def _deep(file: Path) -> bool:
    with Image.open(file) as image:
        return image.mode.startswith("I")


def _measured(model: Model, claims: Claims) -> Model:
    """Return the model with the rule for transparent images that was used when it was measured."""
    measured = copy.copy(model)
    measured.show_transparent(claims.report.task.shown)
    return measured


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    """Return logits [n, classes] up to a constant per row, as far as probabilities determine them."""
    found: np.ndarray = np.log(np.maximum(probabilities.astype(np.float64), _LEAST))
    return found


def _judged(found: np.ndarray, answers: np.ndarray, places: list[int]) -> Repredicted:
    """Compare the stored predictions [n] with the current results [n, classes]."""
    highest, spread = found.max(1), np.maximum(found.max(1) - found.min(1), 1e-12)
    known = (answers >= 0) & (answers < found.shape[1])
    of_stored = found[np.arange(len(found)), np.where(known, answers, 0)]
    gaps = np.where(known, (highest - of_stored) / spread, 1.0)
    different = np.flatnonzero(found.argmax(1) != answers)
    return Repredicted(len(found), {places[i]: float(gaps[i]) for i in different})
