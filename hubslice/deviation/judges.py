"""Two models of whatever homes, opened to be asked about the same inputs: pictures here, texts in `text_judges`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hubslice.artefacts.deviation import ComparedModel
from hubslice.artefacts.model import Preprocessing
from hubslice.core.errors import DiffError, HubsliceError, ModelError
from hubslice.core.machine import first_line
from hubslice.core.progress import Reporter
from hubslice.deviation.judge import Judge, Outputs, Pair, recognise
from hubslice.deviation.labels import share
from hubslice.graph.classifier import answering, arranged, channels_first
from hubslice.hub.ref import LocalRef, parse_ref
from hubslice.modality.image.arithmetic import normalise

if TYPE_CHECKING:
    import torch

    from hubslice.deviation.text_judge import TextPair
    from hubslice.deviation.text_judges import OpenedText

INPUTS = {"tensor(float)": np.float32, "tensor(float16)": np.float16}

CHUNKS = {"cpu": 8, "cuda": 64}  # pictures in a call: more make nothing quicker

Run = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class _Opened:
    """A model that is loaded; a graph may not say how it wants its pictures, or may be made for one size."""

    name: str
    kind: Literal["hub", "folder", "run", "onnx"]
    fingerprint: str
    labels: tuple[str, ...] | None
    preprocessing: Preprocessing | None
    runner: Callable[[Preprocessing, int], Run]  # for so many classes
    size: tuple[int | None, int | None, int | None] = (None, None, None)
    outputs: Outputs | None = None  # None: to be recognised


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
) -> tuple[Pair, tuple[ComparedModel, ComparedModel]]:
    """Two image classifiers, as `open_compared`.

    Raises:
        DiffError: they take texts, or cannot be compared.
        ModelError: one cannot be used.
        FetchError: the Hub does not give one.
    """
    pair, facts = open_compared(
        a, b, mapped=mapped, resize=resize, input_size=input_size, device=device, reporter=reporter, names=names
    )
    if not isinstance(pair, Pair):
        raise DiffError(f"{a} and {b} take texts, not pictures", hint="name two image classifiers")
    return pair, facts


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
) -> tuple[Pair | TextPair, tuple[ComparedModel, ComparedModel]]:
    """Both models, called `names` where that is given, and what is told of them.

    A graph that does not say how to use it is used as the other model is.

    Raises:
        DiffError: one takes pictures and the other texts; labels or input sizes differ and nothing says how to bring
            them together; or neither model says how inputs are prepared.
        ModelError: one cannot be used.
        FetchError: the Hub does not give one.
    """
    from hubslice.deviation.text_judges import OpenedText, open_text_pair

    one, other = (
        replace(_open(text, input_size, device, reporter), name=name)
        for text, name in zip((a, b), names or (a, b), strict=True)
    )
    if isinstance(one, OpenedText) and isinstance(other, OpenedText):
        return open_text_pair(one, other, mapped)
    if isinstance(one, _Opened) and isinstance(other, _Opened):
        return _paired(one, other, mapped, resize, input_size, device)
    texts, pictures = (one, other) if isinstance(one, OpenedText) else (other, one)
    raise DiffError(
        f"{texts.name} takes texts and {pictures.name} pictures: they cannot be asked about the same inputs",
        hint="name two models for one kind of input",
    )


def _paired(
    one: _Opened,
    two: _Opened,
    mapped: Mapping[str, str] | str | None,
    resize: bool,
    input_size: int | None,
    device: str,
) -> tuple[Pair, tuple[ComparedModel, ComparedModel]]:
    a, b = one.name, two.name
    judges, facts = [], []
    for own, other in ((one, two), (two, one)):
        preprocessing, labels = own.preprocessing or other.preprocessing, own.labels or other.labels
        if preprocessing is None or labels is None:
            raise DiffError(
                f"neither {a} nor {b} says how pictures are prepared for it, or what its classes are called",
                hint="name a model folder, a run or a Hub id as one of them, or graphs that `hubslice convert` made",
            )
        preprocessing = _sized(preprocessing, own.size, None if own.preprocessing else input_size)
        run = own.runner(preprocessing, len(labels))
        outputs = own.outputs or recognise(own.name, run, preprocessing.input_size)
        judges.append(Judge(own.name, labels, preprocessing, run, outputs))
        facts.append(
            ComparedModel(
                model=own.name,
                kind=own.kind,
                fingerprint=own.fingerprint,
                input_size=preprocessing.input_size,
                outputs=outputs,
                described=own.preprocessing is not None,
            )
        )
    _check_sizes(judges[0], judges[1], resize)
    shared = share((a, b), judges[0].labels, judges[1].labels, mapped)
    return Pair(judges[0], judges[1], shared, CHUNKS[device.partition(":")[0]]), (facts[0], facts[1])


def read_map(given: str | Mapping[str, str] | None) -> str | Mapping[str, str] | None:
    """`--map`: a word, or the content of a JSON file.

    Raises:
        DiffError: the file is not a table of labels.
    """
    if given is None or not isinstance(given, str) or given in ("common", "order"):
        return given
    path = Path(given)
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise DiffError(f"there is no map of labels at {path}", hint="give common, order, or a JSON file") from error
    except (OSError, ValueError) as error:
        raise DiffError(f"{path} cannot be read as a map of labels: {error}", hint='it is JSON: {"b": "a"}') from error
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise DiffError(
            f"{path} is no table of labels", hint="it is JSON, {label of the second model: label of the first}"
        )
    return found


def _check_sizes(a: Judge, b: Judge, resize: bool) -> None:
    one, two = a.preprocessing.input_size, b.preprocessing.input_size
    told = f"{a.name} takes pictures of {_words(one)}, {b.name} of {_words(two)}"
    if one[0] != two[0]:
        raise DiffError(f"{told}: another number of channels", hint="compare models of the same kind of pictures")
    if one != two and not resize:
        raise DiffError(
            f"{told}: they would not see the same picture",
            hint="with --resize the second model gets the first one's pictures scaled; --input-size PIXELS gives "
            "both the same where they take any",
        )


def _words(size: tuple[int, int, int]) -> str:
    return " x ".join(map(str, size))


def _open(text: str, input_size: int | None, device: str, reporter: Reporter) -> _Opened | OpenedText:
    from hubslice.deviation.text_judges import is_text_config, open_text_folder
    from hubslice.hub.pull import fetch
    from hubslice.models.folder import load_model, read_config
    from hubslice.tracing.subject import readable

    ref = parse_ref(text, Path.cwd())
    if isinstance(ref, LocalRef) and ref.kind == "onnx":
        return _open_graph(text, ref.path, input_size, device)
    fetched = fetch(ref, reporter=reporter)
    if is_text_config(read_config(fetched.folder)):
        return open_text_folder(text, ref.kind, fetched.folder, fetched.files, device)
    model = load_model(fetched.folder, input_size=input_size)
    preprocessing = model.image_preprocessing
    model.check_answers()
    files = sorted((file.path, file.sha256) for file in fetched.files)
    model.module.to(device)

    def run(pixels: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode(), exact(device):
            found: np.ndarray = model.logits(torch.from_numpy(pixels).to(device)).float().cpu().numpy()
            return found

    return _Opened(
        text,
        ref.kind,
        hashlib.sha256(json.dumps(files).encode()).hexdigest(),
        readable(model.labels),
        preprocessing,
        lambda *_: run,
        outputs="logits",
    )


def exact(device: str) -> torch.autocast:
    """No half precision; and no TF32, which would make answers near a decision boundary another on the CPU."""
    import torch

    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.autocast(device.partition(":")[0], enabled=False)


def _open_graph(text: str, path: Path, input_size: int | None, device: str) -> _Opened | OpenedText:
    from hubslice.deviation.text_judges import is_text_graph, open_text_graph
    from hubslice.graph.described import described
    from hubslice.graph.session import open_session
    from hubslice.tracing.subject import readable

    try:
        session = open_session(path, device, level="all")
    except HubsliceError:
        raise
    except Exception as error:  # ONNX Runtime documents no closed set of errors
        raise ModelError(
            f"{text} cannot be opened by ONNX Runtime: {first_line(error)[:300]}",
            hint="export it again; the file may be damaged",
        ) from error
    inputs = session.runtime.get_inputs()
    if is_text_graph(inputs):
        return open_text_graph(text, path, session.runtime)
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in INPUTS:
        told = ", ".join(f"{value.name}: {value.type} {value.shape}" for value in inputs)
        raise ModelError(
            f"{text} takes no pictures: its inputs are {told}",
            hint="compared are models with one input of floating point images, [N, C, H, W] or [N, H, W, C], or with "
            "token ids input_ids, attention_mask and token_type_ids",
        )
    about = described(session.runtime.get_modelmeta().custom_metadata_map)
    shape = tuple(size if isinstance(size, int) and size > 0 else None for size in inputs[0].shape)
    names = [value.name for value in session.runtime.get_outputs()]

    def runner(preprocessing: Preprocessing, classes: int) -> Run:
        wanted = names

        def run(pixels: np.ndarray) -> np.ndarray:
            nonlocal wanted
            prepared = arranged(normalise(pixels, preprocessing).astype(INPUTS[inputs[0].type]), shape)
            step = shape[0] or len(prepared)
            parts = []
            for start in range(0, len(prepared), step):
                part = prepared[start : start + step]
                filled = np.concatenate([part, np.repeat(part[-1:], step - len(part), axis=0)])
                found = dict(zip(wanted, session.runtime.run(wanted, {inputs[0].name: filled}), strict=True))
                wanted = [answering(text, found, len(filled), classes)]  # found out once, by what the graph gives
                parts.append(found[wanted[0]][: len(part)])
            return np.concatenate(parts)

        return run

    opened = _Opened(text, "onnx", hash_of(path), None, None, runner, channels_first(shape)[1:])
    if about is None:
        return opened
    preprocessing = _sized(about[0], opened.size, input_size)
    return replace(opened, labels=readable(about[1]), preprocessing=preprocessing)


def _sized(
    preprocessing: Preprocessing, size: tuple[int | None, int | None, int | None], wanted: int | None
) -> Preprocessing:
    """With the sizes that a graph fixes, else the one that the user wants, else its own."""
    from hubslice.modality.image.separate import resized

    own = (preprocessing.input_size[0], *((wanted or side) for side in preprocessing.input_size[1:]))
    fixed = [given or side for given, side in zip(size, own, strict=True)]
    if fixed[0] != own[0]:
        return preprocessing.model_copy(update={"input_size": fixed})  # told where images are prepared
    return resized(preprocessing, fixed[1], fixed[2])


def hash_of(path: Path) -> str:
    """Of a graph, with the weights that lie beside it."""
    digest = hashlib.sha256()
    for file in (path, path.with_name(f"{path.name}.data")):
        if file.is_file():
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()
