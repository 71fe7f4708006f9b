"""Open two models from any source for predicting the same inputs: images or texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from hubslice.artefacts.deviation import ComparedModel
from hubslice.core.errors import DiffError, HubsliceError, ModelError
from hubslice.core.foreign_errors import first_line, message_of
from hubslice.core.progress import Reporter
from hubslice.deviation.image.predictors import (
    ImagePredictor,
    OpenedImages,
    open_image_graph,
    open_images,
    pair_images,
    takes_images,
)
from hubslice.deviation.predictor import Pair, Predictor
from hubslice.deviation.text.predictors import (
    OpenedText,
    is_text_graph,
    open_text,
    open_text_graph,
    open_text_pair,
)


def open_pair(
    a: str,
    b: str,
    *,
    mapped: Mapping[str, str] | str | None,
    resize: bool,
    input_size: int | None,
    device: str,
    reporter: Reporter,
    names: tuple[str, str] | None = None,
) -> tuple[Pair[ImagePredictor], tuple[ComparedModel, ComparedModel]]:
    """Open two image classifiers like `open_compared`.

    Raises:
        DiffError: they take texts, or cannot be compared.
        ModelError: a model cannot be used.
        FetchError: a model cannot be fetched from the Hub.
    """
    pair, facts = open_compared(
        a, b, mapped=mapped, resize=resize, input_size=input_size, device=device, reporter=reporter, names=names
    )
    return images_only(pair), facts


def images_only(pair: Pair[Predictor]) -> Pair[ImagePredictor]:
    """Return the pair if it consists of image classifiers.

    Raises:
        DiffError: they are of another kind.
    """
    if not isinstance(pair.a, ImagePredictor):
        what = f"{pair.a.name} and {pair.b.name} take {pair.kind.many}, not images"
        raise DiffError(what, hint="name two image classifiers")
    return cast("Pair[ImagePredictor]", pair)


def open_compared(
    a: str,
    b: str,
    *,
    mapped: Mapping[str, str] | str | None,
    resize: bool,
    input_size: int | None,
    device: str,
    reporter: Reporter,
    names: tuple[str, str] | None = None,
) -> tuple[Pair[Predictor], tuple[ComparedModel, ComparedModel]]:
    """Open both models, called `names` if given, and return them with their facts.

    A graph that does not record how to use it is used like the other model.

    Raises:
        DiffError: one takes images and the other texts; labels or input sizes differ and no option reconciles them; or
            neither model records its preprocessing.
        ModelError: a model cannot be used.
        FetchError: a model cannot be fetched from the Hub.
    """
    one, other = (
        replace(_open(text, input_size, device, reporter), name=name)
        for text, name in zip((a, b), names or (a, b), strict=True)
    )
    if isinstance(one, OpenedText) and isinstance(other, OpenedText):
        return open_text_pair(one, other, mapped)
    if isinstance(one, OpenedImages) and isinstance(other, OpenedImages):
        return pair_images(one, other, mapped, resize, input_size, device)
    texts, images = (one, other) if isinstance(one, OpenedText) else (other, one)
    raise DiffError(
        f"{texts.name} takes texts and {images.name} images: they cannot be asked about the same inputs",
        hint="name two models for one kind of input",
    )


def read_map(given: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
    """Read the value of `--map`: a word, or the content of a JSON file.

    Raises:
        DiffError: the file is not a JSON object of labels.
    """
    if given is None or not isinstance(given, str) or given in ("common", "order"):
        return given
    path = Path(given)
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DiffError(f"there is no map of labels at {path}", hint="give common, order, or a JSON file") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DiffError(
            f"{path} cannot be read as a map of labels: {message_of(error)}", hint='it is JSON: {"b": "a"}'
        ) from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise DiffError(
            f"{path} is no table of labels", hint="it is JSON, {label of the second model: label of the first}"
        )
    return found


def _open(name: str, input_size: int | None, device: str, reporter: Reporter) -> OpenedImages | OpenedText:
    from hubslice.models.opening import OpenedGraph, open_model

    opened = open_model(name, input_size=input_size, reporter=reporter)
    if isinstance(opened, OpenedGraph):
        return _open_graph(name, opened.path, input_size, device)
    return open_images(opened, device) if takes_images(opened) else open_text(opened, device)


def _open_graph(name: str, path: Path, input_size: int | None, device: str) -> OpenedImages | OpenedText:
    from hubslice.graph.session import open_session

    try:
        session = open_session(path, device, level="all")
    except HubsliceError:
        raise
    except Exception as error:  # ONNX Runtime does not document which errors it raises
        raise ModelError(
            f"{name} cannot be opened by ONNX Runtime: {first_line(error)[:300]}",
            hint="export it again; the file may be damaged",
        ) from error
    if is_text_graph(session.runtime.get_inputs()):
        return open_text_graph(name, path, session.runtime)
    return open_image_graph(name, path, session.runtime, input_size)
