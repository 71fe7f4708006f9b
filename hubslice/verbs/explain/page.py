"""Render a slice as one self-contained HTML page with embedded images."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from hubslice.core.artefact import write_atomically
from hubslice.core.pages import page_template
from hubslice.task.user_inputs import UserInputs
from hubslice.tracing.engine import Traced
from hubslice.tracing.traceable import TraceableModel
from hubslice.verbs.explain.facts import Explanation, force_words
from hubslice.verbs.explain.views import view

SHOWN = 24  # inputs
TEMPLATE = "page.html.j2"


def write_page(path: Path, subject: TraceableModel, given: UserInputs, traced: Traced, facts: Explanation) -> None:
    """Write the page of all inputs, or of the first ones if there are many."""
    shown = [view(subject, given.pixels(at, at + 1)[0].numpy(), traced, at) for at in range(min(SHOWN, len(given)))]
    template = page_template("hubslice.verbs.explain", TEMPLATE, image=_image, force=force_words)
    strongest = {
        layer.name: max([abs(e.force) for e in (*layer.decisive, *layer.opposing)], default=1) for layer in facts.layers
    }
    write_atomically(
        path, template.render(facts=facts, shown=list(zip(shown, facts.inputs, strict=False)), strongest=strongest)
    )


def _image(image: np.ndarray) -> str:
    """Return an image as a data URI."""
    raw = BytesIO()
    Image.fromarray(image).save(raw, "JPEG", quality=85, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(raw.getvalue()).decode()}"
