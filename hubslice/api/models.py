"""Models in and out: fetch, load, time, and give them other forms."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.errors import InputError
from hubslice.hub.ref import parse_ref
from hubslice.paths import AnyPath, as_path
from hubslice.pipeline.run_folder import undisturbed
from hubslice.progress import Reporter, Silent

if TYPE_CHECKING:
    from hubslice.artefacts.latency import LatencyReport
    from hubslice.models.base import Model
    from hubslice.pipeline.convert import Converted
    from hubslice.pipeline.forms.options import Form
    from hubslice.pipeline.pull import Pulled


def pull(
    model: AnyPath,
    *,
    input_size: int | None = None,
    out: AnyPath | None = None,
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Pulled:
    """Fetch a model, check its bytes, load it, export it to ONNX and check that the export computes the same.

    `model` is a Hub id, with `@revision` if need be, or a local folder. `out` defaults to a folder of hubslice's cache.
    `allow_pickle` lets the tensors, and nothing else, be read from pickled weights where there are no safetensors.

    Raises:
        FetchError: the Hub does not give it.
        IntegrityError: a file is not what the Hub promised.
        ModelError: no safetensors, custom code, or an unknown architecture.
        ExportError: it cannot be exported.
        ParityError: the export computes something else.
    """
    from hubslice.pipeline.pull import pull as fetch

    return fetch(
        os.fspath(model),
        input_size=input_size,
        out=as_path(out),
        allow_pickle=allow_pickle,
        reporter=reporter or Silent(),
    )


def load(model: AnyPath, *, input_size: int | None = None) -> Model:
    """A model ready to use, of whatever form: plain, compact, or published as a difference to its teacher.

    - `predict(images)`: answers to one image or several, as paths, bytes or PIL images; see `Model.predict`.
    - `module`: the stock library's own object, whose forward takes normalised pixels.
    - `labels`: its classes, in the order of the outputs.
    - `logits(pixels)`: for pixels [N, C, H, W] in [0, 1] at the model's own size, for which `preprocessing` prepares.

    `model` is a Hub id, a run folder or a model folder.

    Raises:
        FetchError: the Hub does not give it.
        ModelError: its files cannot be used.
    """
    from hubslice.hub.pull import fetch
    from hubslice.models.folder import load_model

    return load_model(fetch(parse_ref(os.fspath(model), Path.cwd())).folder, input_size=input_size)


def convert(
    model: AnyPath,
    form: Form,
    *,
    data: AnyPath | None = None,
    dynamic: bool = False,
    samples: int = 100,
    min_agreement: float = 0.8,
    sparsity: float = 0.5,
    into: AnyPath | None = None,
    arguments: Mapping[str, object] | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    out: AnyPath | None = None,
    reporter: Reporter | None = None,
) -> Converted:
    """Make another form of a run's student, of a model folder, or of a model on the Hub.

    - `compact`: a model folder without the channels, heads and features that are zero.
    - `onnx`, `fp16`: a graph for plain ONNX Runtime that computes the same, in float16 inside.
    - `int8`: a graph in 8-bit integers, calibrated with `samples` pictures, or `dynamic`.
    - `pruned`: the model without the share `sparsity` of its weights, the smallest; with `epochs` it is then trained to
      answer as before, zeros held.
    - `distilled`: the smaller model `into`, an architecture (with its `arguments`) or a model, taught to answer alike.

    Pictures to calibrate, to teach and to check with come from the run's own splits, or from `data`; labels play no
    part. Of others, the share `min_agreement` must get the same answer from `int8`, `pruned` and `distilled`. `lr` is a
    learning rate, by default 0.01, and 0.05 for random weights. `out` is the folder to write, by default one of the
    run, or one in the working directory called after the model. A training that was stopped goes on when the same is
    asked again.

    Raises:
        InputError: `out` holds something else, an option is another form's, or there are no pictures.
        RunError: the run, or that in which `out` lies, is being worked on.
        SliceError: nothing can be taken out, or what the run's slice took out has grown again.
        ModelError: a model cannot be used. ExportError: it cannot be exported or quantised.
        ParityError: the form computes something else than the model, or answers otherwise too often.
    """
    from hubslice.pipeline.convert import convert as make
    from hubslice.pipeline.forms.options import FormOptions

    options = FormOptions(
        dynamic=dynamic,
        data=None if data is None else os.fspath(data),
        samples=samples,
        min_agreement=min_agreement,
        sparsity=sparsity,
        into=None if into is None else os.fspath(into),
        arguments=arguments or {},
        epochs=epochs,
        lr=lr,
        seed=seed,
        device=device,
    )
    where = as_path(out)
    with undisturbed(Path(model), *([where] if where is not None else [])):
        return make(os.fspath(model), form, options, out=where, reporter=reporter or Silent())


def latency(
    models: Sequence[AnyPath],
    *,
    batches: Sequence[int] = (1, 16),
    threads: int | None = None,
    rounds: int = 30,
    input_size: int | None = None,
    device: str = "auto",
    memory: bool = True,
    reporter: Reporter | None = None,
) -> LatencyReport:
    """What models cost to run with ONNX Runtime, as ratios to the first: time, memory, size, multiplications.

    A model is a Hub id, a run folder, a model folder or an ONNX file. All but the last are exported as they would be
    deployed, BatchNorm folded. They are called in turns at each of the batch sizes; `threads` defaults to torch's.
    `input_size` is the side of the pictures in pixels where models do not fix it.

    Raises:
        InputError: no model, a batch size below 1, or models that take different pictures.
        ModelError: a model cannot be used, or a graph cannot be run.
        FetchError: the Hub does not give a model.
    """
    from hubslice.pipeline.latency import measure_latency

    if not models or not batches or min(batches) < 1 or rounds < 1:
        raise InputError("name a model, batches of 1 or more, and a round or more")
    return measure_latency(
        [os.fspath(model) for model in models],
        batches=tuple(dict.fromkeys(batches)),
        threads=threads,
        rounds=rounds,
        input_size=input_size,
        device=device,
        memory=memory,
        reporter=reporter or Silent(),
    )
