"""Convert a run's student, or any model, to a compact, pruned or distilled model, or to an ONNX graph."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.core.errors import HubsliceWarning
from hubslice.core.paths import as_path, as_text
from hubslice.core.progress import Reporter, stage
from hubslice.core.whole_folder import check_free, whole_folder
from hubslice.engine.run_folder import undisturbed
from hubslice.files.names import SHAPES, WEIGHTS
from hubslice.hub.pull import fetch
from hubslice.hub.ref import LocalRef, Ref, parse_ref
from hubslice.verbs.convert.params import ConvertParams, Form
from hubslice.verbs.convert.targets.options import OF, check

if TYPE_CHECKING:
    from hubslice.hub.pull import Fetched
    from hubslice.verbs.convert.targets.job import Job, Made

MAKERS: Mapping[Form, str] = {  # module and function, imported on demand
    "compact": "compact.compact_form",
    "onnx": "graphs.onnx_form",
    "fp16": "graphs.fp16_form",
    "int8": "graphs.int8_form",
    "pruned": "trained.pruned_form",
    "distilled": "trained.distilled_form",
}
OURS = {  # what a conversion writes, and may replace
    "config.json",
    "preprocessor_config.json",
    SHAPES,
    WEIGHTS,
    "model.onnx",
    "model.onnx.data",
}
UNFINISHED = ".unfinished"  # suffix of the folder beside the result that stores an unfinished training


@dataclass(frozen=True)
class Converted:
    """The result's path, and its cost. `parameters` and `size` (bytes) are those of the model and of the result."""

    path: Path
    form: Form
    parameters: tuple[int, int]
    size: tuple[int, int]
    made: Made


def convert(params: ConvertParams, reporter: Reporter) -> Converted:
    """Convert a model and check the result."""
    where = as_path(params.out)
    with undisturbed(Path(params.model), *([where] if where is not None else [])):
        return _convert(params, reporter)


def _convert(params: ConvertParams, reporter: Reporter) -> Converted:
    from hubslice.models.folder import load_model
    from hubslice.verbs.convert.targets.job import Job

    model, form = as_text(params.model), params.form
    check(params)
    ref = parse_ref(model, Path.cwd())
    target = as_path(params.out) or _default(ref, form)
    check_free(target, OURS)
    with stage(reporter, "load", f"Load {model}"):
        fetched = fetch(ref, reporter=reporter)
        loaded = load_model(fetched.folder)
    loaded.poisoned = loaded.poisoned or fetched.poisoned
    for note in loaded.notes:
        warnings.warn(f"{model}: {note}", HubsliceWarning, stacklevel=2)
    unfinished = target.with_name(f".{target.name}.{_key(fetched, params)}{UNFINISHED}")
    with whole_folder(target) as draft:
        made = _maker(form)(Job(loaded, ref, draft, unfinished, params, reporter))
    shutil.rmtree(unfinished, ignore_errors=True)
    size = sum(file.size for file in fetched.files if file.path.endswith(".safetensors"))
    return Converted(target, form, (loaded.parameters, made.parameters), (size, made.size), made)


def _maker(form: Form) -> Callable[[Job], Made]:
    module, _, name = MAKERS[form].partition(".")
    found: Callable[[Job], Made] = getattr(import_module(f"hubslice.verbs.convert.targets.{module}"), name)
    return found


def _key(fetched: Fetched, params: ConvertParams) -> str:
    """Return the key of an unfinished training, which must match to resume it; the final gate is not part of it."""
    files = sorted((file.path, file.sha256) for file in fetched.files)
    given = {name: getattr(params, name) for name in (*OF, "device") if name != "min_agreement"}
    return hashlib.sha256(json.dumps([files, params.form, given], default=str).encode()).hexdigest()[:12]


def _default(ref: Ref, form: Form) -> Path:
    """Return a folder in the run, or one in the working directory named after the model."""
    if isinstance(ref, LocalRef):
        return ref.path / form if ref.kind == "run" else Path(f"{ref.path.resolve().name}-{form}")
    return Path(f"{ref.repo_id.rpartition('/')[2]}-{form}")
