"""The code snippet of a card, which loads the student and classifies one image, and a way to run exactly this code.

The code that is run is always generated here; text of an existing card is never executed.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hubslice.artefacts.delta import DeltaFacts
from hubslice.artefacts.report import Report
from hubslice.modality.image.modes import mode_of
from hubslice.models.libraries import library_called
from hubslice.models.library import Lines
from hubslice.recipe.transparency import Transparency

FOLDER, IMAGE = "student", "image.jpg"  # the snippet's names for a student that is not on the Hub, and for an image
OURS = "hubslice"
HUBSLICE = Lines(
    setup="import hubslice\n\nmodel = hubslice.load({home})\n",
    answer="answer = model.predict({image})\nprint(answer)\n",
    result="answer.probabilities[0]",
    remark="`model.module` is the stock library's own object.",
)
REGISTER = "import hubslice.models.small  # registers the architecture\n"


@dataclass(frozen=True)
class Snippet:
    """Code that loads the student and classifies one image.

    `library` is what loads it: `hubslice` if the stock libraries cannot (custom widths, a delta to the teacher). `home`
    is an id on the Hub if it is `published`, else a folder. `registers`: the architecture is one that hubslice adds to
    timm. `mode` is Pillow's mode of the images that the model takes.
    """

    library: str
    home: str
    published: bool
    transparency: Transparency
    registers: bool = False
    mode: str = "RGB"
    image: str = IMAGE

    @property
    def lines(self) -> Lines:
        """The library-specific lines."""
        return HUBSLICE if self.library == OURS else library_called(self.library).lines

    @property
    def setup(self) -> str:
        """Imports, the model, and its preprocessing."""
        lines = self.lines
        where = lines.hub if self.published else lines.local
        return REGISTER * self.registers + lines.setup.format(home=_quoted(f"{where}{self.home}"))

    @property
    def answer(self) -> str:
        """The code for one image."""
        return self.lines.answer.format(image=_quoted(self.image), read=self._read())

    @property
    def text(self) -> str:
        """The whole code, as shown on the card."""
        return f"{self.setup}{self.answer}"

    def _read(self) -> str:
        upright = f"image = ImageOps.exif_transpose(Image.open({_quoted(self.image)}))"
        taken = '.convert("RGB")' + (f'.convert("{self.mode}")' if self.mode != "RGB" else "")
        if self.transparency == "drop":
            return f"{upright}{taken}\n"
        behind = f'Image.new("RGBA", image.size, "{self.transparency}")'
        return f'{upright}.convert("RGBA")\nimage = Image.alpha_composite({behind}, image){taken}\n'


def snippet_of(report: Report, repo_id: str | None, delta: DeltaFacts | None) -> Snippet:
    """Return the snippet for the student of a report, as shown on its card."""
    prepared = report.teacher.preprocessing
    alone = not report.slice.own_widths and delta is None
    return Snippet(
        report.teacher.library if alone else OURS,
        repo_id or FOLDER,
        repo_id is not None,
        report.task.shown,
        registers=alone and not report.teacher.stock,
        mode=mode_of(prepared.input_size[0]) if prepared else "RGB",
    )


def run_snippet(snippet: Snippet, folder: Path, images: Sequence[Path]) -> np.ndarray:
    """Run the snippet on the student in `folder`, once for each image: probabilities [N, classes].

    The code only differs in the paths of student and image; the model is loaded once.

    Raises:
        Exception: anything that the code raises.
    """
    local = replace(snippet, home=str(folder.resolve()), published=False)
    names: dict[str, Any] = {"print": lambda *_: None}
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, about palettes with transparency
        exec(compile(local.setup, "snippet", "exec"), names)
        for image in images:
            exec(compile(replace(local, image=str(image.resolve())).answer, "snippet", "exec"), names)
            found.append(eval(local.lines.result, names))
    return np.stack([each.float().numpy() for each in found])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
