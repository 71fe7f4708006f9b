"""Students of teachers with every image processor of transformers, from the recipe to the card's lines.

`python -m tests.modality.image.every_processor [NAME...]` slices a small teacher for each (default settings where they
give images of at most 512 pixels, else smaller ones), and lets `verify` run the card's snippet on test images under
stock code. A line each: the check's words, or the words of the refusal.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import transformers
from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

import hubslice
from hubslice.core.errors import HubsliceError
from tests.images import write_parquet
from tests.modality.image.small import a_resnet

# Those of the backend "pil" save the same settings, of which stock code makes the class of the other backend.
NAMES = sorted(
    {names.get("torchvision") or next(iter(names.values())) for names in IMAGE_PROCESSOR_MAPPING_NAMES.values()}
    - {None}
)
LARGE = 512  # pixels
RECIPE = """\
kind: slice
name: prepared
teacher: {model: ./teacher}
data: {path: ./shapes.parquet, group: group}
slice: {method: magnitude, ratio: 0.2}
train: {epochs: 1, batch_size: 16, augment: none, workers: 0}
baselines: []
"""


def settings_of(name: str) -> dict[str, object]:
    """The class's own settings, with smaller images where they would be very large."""
    settings: dict[str, object] = json.loads(getattr(transformers, name)().to_json_string())
    for key in ("size", "crop_size", "pad_size"):
        sizes = settings.get(key)
        if isinstance(sizes, dict) and all(LARGE < side <= 4096 for side in sizes.values()):
            settings[key] = {side: value // 8 for side, value in sizes.items()}
    return settings


def run(settings: dict[str, object], place: Path) -> str:
    """What `verify` says of the card's snippet, or what `slice` says of the teacher."""
    place.mkdir(parents=True)
    a_resnet(place / "teacher", settings)
    write_parquet(place / "shapes.parquet", samples=36)
    (place / "recipe.yaml").write_text(RECIPE)
    try:
        finished = hubslice.slice(place / "recipe.yaml", out=place / "run")
    except HubsliceError as error:
        return f"refused: {error}"
    checked = hubslice.verify(finished.path)
    (said,) = (each for each in checked.findings if each.name == "the card's snippet")
    return f"{said.state}: {said.detail}"


def main(names: list[str]) -> None:
    """Try these, and count how they ended."""
    warnings.simplefilter("ignore")
    transformers.utils.logging.set_verbosity_error()
    counted: dict[str, int] = {}
    for name in names or NAMES:
        place = Path(tempfile.mkdtemp(prefix="hubslice-"))
        try:
            said = run(settings_of(name), place / "job")
        except (ImportError, TypeError) as error:
            said = f"cannot be made alone: {type(error).__name__}"
        finally:
            shutil.rmtree(place, ignore_errors=True)
        counted[said.partition(":")[0]] = counted.get(said.partition(":")[0], 0) + 1
        print(f"{name:38} {said}", flush=True)
    print(counted)


if __name__ == "__main__":
    main(sys.argv[1:])
