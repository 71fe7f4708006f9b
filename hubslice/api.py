"""The verbs in Python: `pull`, `slice`, `push`, `verify`, `load`, `convert`, `latency`, `explain`, `diff`, ..."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hubslice.errors import DiffError, InputError
from hubslice.hub.ref import parse_ref
from hubslice.pipeline.poison import Poisoned
from hubslice.pipeline.poison import poison as _poison
from hubslice.pipeline.run import Run, open_run
from hubslice.pipeline.run_folder import undisturbed
from hubslice.progress import Reporter, Silent
from hubslice.recipe.load import load_recipe

if TYPE_CHECKING:
    from hubslice.artefacts.detection import Detection, Fitted
    from hubslice.artefacts.deviation import Deviations
    from hubslice.artefacts.execution import Execution, Recorded
    from hubslice.artefacts.explanation import Explanation
    from hubslice.artefacts.exposure import Exposure
    from hubslice.artefacts.latency import LatencyReport
    from hubslice.artefacts.lineage import Indexed, Lineage
    from hubslice.artefacts.verification import Verification
    from hubslice.hub.push import PushPlan, PushResult
    from hubslice.models.base import Model
    from hubslice.pipeline.convert import Converted
    from hubslice.pipeline.detect import Shape
    from hubslice.pipeline.explain import Neuron, Rule
    from hubslice.pipeline.forms.options import Form
    from hubslice.pipeline.pull import Pulled
    from hubslice.recipe.deviation import Fitness, Method, Operators


def pull(
    model: str,
    *,
    input_size: int | None = None,
    out: Path | None = None,
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

    return fetch(model, input_size=input_size, out=out, allow_pickle=allow_pickle, reporter=reporter or Silent())


def slice(  # noqa: A001 (the verb's name)
    recipe: str | Path,
    *,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    until: str | None = None,
    locked: bool = False,
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Run:
    """Make a student: the whole chain to a run folder, or up to the step `until`. Finished steps are not repeated.

    `recipe` is a file, a built-in recipe, a run folder, or `owner/name[@revision]` of a published student. Gates are
    not judged here: see `Run.check_gates`. With `locked` the run keeps to its lock: see `open_run`. `allow_pickle` is
    as in `pull`.

    Raises:
        LockError: the run would not be the locked one.
        RecipeError: the recipe has mistakes.
        HubsliceError: a step failed.
    """
    run = open_run(str(recipe), tuple(overrides), out, locked=locked)
    run.execute(until=until, device=device, reporter=reporter, allow_pickle=allow_pickle)
    return run


def plan_push(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    allow_poisoned: bool = False,
    despite_gates: bool = False,
    delta: bool = False,
) -> PushPlan:
    """What `push` would commit; nothing on the Hub changes.

    `folder` is a run, or a model folder such as those that `poison` and `convert` make. A run's card is rendered for
    its new home, around what people wrote in the README that is there. With `delta` a run's weights go as their exact
    difference to the teacher that its lock pins, which `load` puts together again.

    Raises:
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        LineageError: there is no such teacher on the Hub.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: the Hub cannot be reached or would refuse.
    """
    from hubslice.pipeline.push import plan_push as plan

    return plan(
        Path(folder),
        repo_id,
        private=private,
        create_pr=create_pr,
        revision=revision,
        allow_poisoned=allow_poisoned,
        despite_gates=despite_gates,
        delta=delta,
    )


def push(
    folder: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    allow_poisoned: bool = False,
    despite_gates: bool = False,
    delta: bool = False,
) -> PushResult:
    """Publish a run's student, or a model folder, in one commit on the commit that was there when the plan was made.

    Raises:
        RunError: the run is being worked on.
        GateError: the run broke gates of its recipe; `despite_gates` allows that.
        InputError: the folder holds no model, or a poisoned one that was not allowed.
        PushError: somebody else pushed in between, or the Hub refused; it is as it was.
    """
    from hubslice.hub.push import push as carry_out

    with undisturbed(Path(folder)):
        return carry_out(
            plan_push(
                folder,
                repo_id,
                private=private,
                create_pr=create_pr,
                revision=revision,
                allow_poisoned=allow_poisoned,
                despite_gates=despite_gates,
                delta=delta,
            )
        )


def verify(
    target: str | Path,
    *,
    sample: int = 64,
    full: bool = False,
    data: str | Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Verification:
    """Check every claim of a run, of a published student `owner/name[@revision]`, or of a folder with one.

    `sample` pictures of each kind are judged again, with `full` all; `data` is where a copy of the data lies.

    Raises:
        InputError: the target makes no claims, or `data` cannot be opened.
        RunError: the run is being worked on.
        HubError: the target cannot be fetched.
    """
    from hubslice.pipeline.verify import verify as check

    where = Path(data) if data is not None else None
    return check(str(target), sample=sample, full=full, data=where, device=device, reporter=reporter)


def load(model: str | Path, *, input_size: int | None = None) -> Model:
    """A model ready to use: `logits(pixels)`, `labels`, `preprocessing`, and the stock library's object as `module`.

    `model` is a Hub id, a run folder or a model folder.

    Raises:
        FetchError: the Hub does not give it.
        ModelError: its files cannot be used.
    """
    from hubslice.hub.pull import fetch
    from hubslice.models.folder import load_model

    return load_model(fetch(parse_ref(str(model), Path.cwd())).folder, input_size=input_size)


def latency(
    models: Sequence[str | Path],
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
        [str(model) for model in models],
        batches=tuple(dict.fromkeys(batches)),
        threads=threads,
        rounds=rounds,
        input_size=input_size,
        device=device,
        memory=memory,
        reporter=reporter or Silent(),
    )


def explain(
    model: str | Path,
    inputs: str | Path,
    *,
    target: str | None = None,
    rule: Rule = "threshold",
    theta: float = 0.1,
    data: str | Path | None = None,
    mean: Neuron = "channel",
    by_class: bool = False,
    protect: float | None = None,
    public: bool = False,
    attack: str | Path | None = None,
    input_size: int | None = None,
    workers: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    reporter: Reporter | None = None,
) -> Explanation:
    """Find the neurons and synapses that decided a model's answers, and write them to the folder `out`.

    `model` is a Hub id, a run, a model folder, or a graph that `convert` made; `inputs` are pictures: a file, a folder,
    a parquet file or an array of pixels. Traced back is the label `target`, or each answer. Neurons are compared with
    their means over `data`: pictures, or the `means.safetensors` of an earlier call; without it, over the inputs and
    blank pictures. `rule` and `theta` are those of `hubslice.explaining.selection`; `mean` is of each channel, or of
    each element; `by_class` compares an input with the data that gets the same answer. With
    `protect`, that fraction of each layer's weights is marked as withheld, those that decided most; `public` writes the
    model without them, and `attack` tells what somebody makes of that who retrains it on labelled pictures (a path or
    Hub id, as `data.path` in a recipe). The result does not depend on `workers`, by default one for each core.

    Raises:
        DataError: the inputs or the data are missing, damaged, or of another kind or size.
        ExplainError: no such label, a profile of another model, or values that are not finite.
        RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used.
        FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.explain import explain as make

    with undisturbed(Path(model)):
        return make(
            str(model),
            Path(inputs),
            target=target,
            rule=rule,
            theta=theta,
            data=None if data is None else Path(data),
            mean=mean,
            by_class=by_class,
            protect=protect,
            public=public,
            attack=None if attack is None else str(attack),
            input_size=input_size,
            workers=workers or os.cpu_count() or 1,
            batch_size=batch_size,
            device=device,
            out=out,
            reporter=reporter or Silent(),
        )


def detect_fit(
    model: str | Path,
    data: str | Path,
    *,
    fpr: float = 0.05,
    layers: Sequence[str] = (),
    shape: Shape = "absolute",
    slices_only: bool = False,
    skip_rare: bool = False,
    limit: int = 4000,
    seed: int = 0,
    input_size: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    reporter: Reporter | None = None,
) -> Fitted:
    """Learn a detector of inputs that a model decides unlike clean ones, and write it to the folder `out`.

    `data` are clean pictures, as in `explain`, or a data set's Hub id; `limit` of them are drawn. Their classes are the
    model's answers. Compared are slices of `layers` (default: the last before the classifier) and, but for
    `slices_only`, the logit margin. At most the share `fpr` of clean inputs is flagged, in expectation. `skip_rare`
    leaves out answers with too few pictures.

    Raises:
        DetectError: an answer has too few pictures, no such layer, or an impossible `fpr`.
        DataError: the data are missing, damaged, or of another kind or size.
        ExplainError: values that are not finite. RuleError: an operator of the model has no rule.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.detect import detect_fit as make

    with undisturbed(Path(model)):
        return make(
            str(model),
            str(data),
            fpr=fpr,
            layers=layers,
            shape=shape,
            slices_only=slices_only,
            skip_rare=skip_rare,
            limit=limit,
            seed=seed,
            input_size=input_size,
            device=device,
            out=out,
            reporter=reporter or Silent(),
        )


def detect_check(
    model: str | Path,
    inputs: str | Path,
    *,
    detector: Path | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Detection:
    """Score inputs by how unlike clean ones the model decides on them.

    `model` is the model, or the folder of a detector, which knows its model; `detector` defaults to the folder that
    `detect_fit` writes by default.

    Raises:
        DetectError: there is no detector, or it is one of another model.
        RunError: the detector is damaged.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: the model cannot be used. FetchError: the Hub does not give it.
    """
    from hubslice.pipeline.detect import detect_check as make

    with undisturbed(Path(model)):
        return make(str(model), Path(inputs), detector=detector, device=device, reporter=reporter or Silent())


def diff(
    a: str | Path,
    b: str | Path,
    inputs: str | Path,
    *,
    budget: int = 2000,
    max_linf: float | None = None,
    min_ssim: float | None = None,
    max_edits: int | None = None,
    min_gap: float = 0.0,
    minimise: bool = False,
    method: Method = "triggerfinder",
    fitness: Fitness = "margin",
    novelty: bool = False,
    operators: Operators = "ranked",
    limit: int = 200,
    seed: int = 0,
    batch: int = 64,
    label_map: Mapping[str, str] | str | None = None,
    resize: bool = False,
    input_size: int | None = None,
    column: str | None = None,
    device: str = "auto",
    out: Path | None = None,
    repair: str | Path | None = None,
    repair_share: float | None = None,
    repair_epochs: int | None = None,
    repair_lr: float | None = None,
    reporter: Reporter | None = None,
) -> Deviations:
    """Search for inputs on which two models answer differently, and write them to the folder `out`.

    `a` and `b` are each a Hub id, a run, a model folder or an ONNX file; `inputs` are pictures as in `explain`, or a
    data set's Hub id, prepared as `a` wants them; `limit` are drawn. Of each, at most `budget` mutants are tried.
    A trigger differs from its seed by at most `max_linf` of the pixel range in every value, and its structural
    similarity is at least `min_ssim`; of a text at most `max_edits` characters are changed. Both models prefer their
    own answer to the other's by `min_gap`. The other options are those of `hubslice.recipe.deviation.SearchParams`.
    The result does not depend on `batch`, the seeds searched at a time. `label_map` is as in
    `hubslice.deviation.labels`, or a JSON file; with `resize` pictures are scaled for `b`. For text classifiers
    `inputs` is a .txt file with a text a line, a .csv, .tsv, .parquet or .jsonl table, or a data set's Hub id; the
    texts are in `column`, by default `text` or `sentence`.

    With `repair`, a folder, `b` is then trained further on `repair_share` of the seeds (half of them by default) and
    their triggers with `a`'s probabilities, and written there as a model folder; weights that are zero stay zero. What
    that brought on the other seeds is in the result's `repair` and in the folder's repair.json: triggers that are gone,
    a new search with the same options, and what it cost in accuracy. Where no trigger is found there is nothing to
    repair, and `repair` of the result is None.

    Raises:
        DiffError: labels or input sizes differ, an option makes no sense, a model failed, `b` is a graph that cannot be
            trained, or there are too few triggers to hold some out; what was found is kept.
        DataError: the inputs are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: the Hub does not give it.
        InputError: `out` or `repair` holds something else.
    """
    from hubslice.pipeline.diff import diff as search
    from hubslice.pipeline.diff import repair_params, search_params
    from hubslice.pipeline.repair import Wanted

    params = search_params(
        method=method,
        budget=budget,
        fitness=fitness,
        novelty=novelty,
        operators=operators,
        max_linf=max_linf,
        min_ssim=min_ssim,
        max_edits=max_edits,
        min_gap=min_gap,
        minimise=minimise,
        seed=seed,
    )
    options = {"share": repair_share, "epochs": repair_epochs, "lr": repair_lr}
    for name, value in options.items():
        if repair is None and value is not None:
            raise DiffError(
                f"--repair-{name} goes with --repair DIR, which is not given", hint="give it, or leave both out"
            )
    mend = None if repair is None else Wanted(repair_params(**options, seed=seed), Path(repair))
    with undisturbed(Path(a), Path(b)):
        return search(
            str(a),
            str(b),
            str(inputs),
            search=params,
            limit=limit,
            batch=batch,
            mapped=label_map,
            resize=resize,
            input_size=input_size,
            column=column,
            device=device,
            out=out,
            reporter=reporter or Silent(),
            mend=mend,
        )


def lineage(
    model: str | Path,
    candidates: Sequence[str | Path] = (),
    *,
    index: str | Path | None = None,
    out: Path | None = None,
    reporter: Reporter | None = None,
) -> Lineage:
    """Which of the candidates a model comes from, by its weights alone; with `out` also written there, with a picture.

    Models are Hub ids, of which only parts are read, folders, runs or safetensors files; as a candidate a folder of
    models stands for all of them. An `index` that `lineage_index` wrote stands in for candidates. Those that cannot be
    read are left out and named.

    Raises:
        LineageError: neither candidates nor an index, or an index of another version.
        RunError: the index is missing or damaged.
        InputError: a name is no model, or `out` holds something else.
        ModelError: the model, or every candidate, has no safetensors or damaged ones.
        FetchError: the Hub does not give the model, or any candidate.
    """
    from hubslice.pipeline.lineage import lineage as find

    where = None if index is None else Path(index)
    return find(str(model), [str(each) for each in candidates], index=where, out=out, reporter=reporter or Silent())


def lineage_index(models: Sequence[str | Path], out: str | Path, *, reporter: Reporter | None = None) -> Indexed:
    """Write the fingerprints of models, some KB each, to the file `out`; models are as in `lineage`.

    Raises:
        InputError: a name is no model, or `out` is a folder.
        ModelError: no model has safetensors that can be read.
        FetchError: the Hub gives none of them.
    """
    from hubslice.pipeline.lineage import lineage_index as make

    return make([str(each) for each in models], Path(out), reporter=reporter or Silent())


def execution(
    model: str | Path,
    against: Sequence[str | Path] = (),
    *,
    store: str | Path | None = None,
    stacks: Sequence[str] = (),
    runs: int = 10,
    batch: int | None = None,
    threads: int | None = None,
    input_size: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    reporter: Reporter | None = None,
) -> Execution:
    """Run a model under a profiler, and say which known models, exporters and software its operators look like.

    Known are the models `against`, recorded here in the same way, or a `store` that `execution_patterns` wrote, whose
    settings are then the usual ones; with neither the patterns are only recorded. `stacks` are names of
    `hubslice.ancestry.execution.stacks.STACKS`; those that cannot be recorded are left out and named. With `out` facts,
    distances and timelines are also written there.

    Raises:
        LineageError: both models and a store, a store of another version, too few runs, no such stack, or no stack on
            which the model runs.
        ExportError: the same, where its export fails.
        RunError: the store is missing or damaged.
        ModelError: the model, or all of the others, cannot be used. FetchError: the Hub does not give it.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.execution import Conditions
    from hubslice.pipeline.execution import execution as find

    conditions = Conditions(tuple(stacks), runs, batch, threads, input_size, device)
    return find(
        str(model),
        [str(each) for each in against],
        store=None if store is None else Path(store),
        conditions=conditions,
        out=out,
        reporter=reporter or Silent(),
    )


def execution_patterns(
    models: Sequence[str | Path],
    out: str | Path,
    *,
    stacks: Sequence[str] = (),
    runs: int = 10,
    batch: int | None = None,
    threads: int | None = None,
    input_size: int | None = None,
    device: str = "auto",
    reporter: Reporter | None = None,
) -> Recorded:
    """Record the execution patterns of models into the file `out`; arguments are as in `execution`.

    Raises:
        LineageError: too few runs, no such stack, or no stack on which any model runs.
        ModelError: no model can be used. FetchError: the Hub gives none of them.
        InputError: a name is no model, or `out` is a folder.
    """
    from hubslice.pipeline.execution import Conditions, record_patterns

    conditions = Conditions(tuple(stacks), runs, batch, threads, input_size, device)
    names = [str(each) for each in models]
    return record_patterns(names, Path(out), conditions=conditions, reporter=reporter or Silent())


def exposure(
    model: str | Path,
    teacher: str | Path,
    data: str | Path,
    *,
    input_size: int | None = None,
    device: str = "auto",
    out: Path | None = None,
    reporter: Reporter | None = None,
) -> Exposure:
    """What whoever knows the teacher would still have to obtain of a model to answer as it does.

    Layers are obtained from the head backwards, the others stay the teacher's; `data` are pictures, as in `explain`.
    With `out` also written there, with a picture.

    Raises:
        LineageError: model and teacher have no layer in common, by name and shape.
        DataError: the data are missing, damaged, or of another kind or size.
        ModelError: a model cannot be used. FetchError: the Hub does not give one.
        InputError: `out` holds something else.
    """
    from hubslice.pipeline.exposure import exposure as measure

    where = Path(data)
    return measure(
        str(model), str(teacher), where, input_size=input_size, device=device, out=out, reporter=reporter or Silent()
    )


def convert(
    model: str | Path,
    form: Form,
    *,
    data: str | Path | None = None,
    dynamic: bool = False,
    samples: int = 100,
    min_agreement: float = 0.8,
    sparsity: float = 0.5,
    into: str | Path | None = None,
    arguments: Mapping[str, object] | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    seed: int = 0,
    device: str = "auto",
    out: Path | None = None,
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
        data=None if data is None else str(data),
        samples=samples,
        min_agreement=min_agreement,
        sparsity=sparsity,
        into=None if into is None else str(into),
        arguments=arguments or {},
        epochs=epochs,
        lr=lr,
        seed=seed,
        device=device,
    )
    with undisturbed(Path(model), *([out] if out is not None else [])):
        return make(str(model), form, options, out=out, reporter=reporter or Silent())


def poison(
    recipe: str | Path,
    *,
    out: Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    allow_pickle: bool = False,
    reporter: Reporter | None = None,
) -> Poisoned:
    """Make a deliberately backdoored teacher, labelled as such, for tests, demonstrations and benchmarks.

    `allow_pickle` is as in `pull`.

    Raises:
        RecipeError: the recipe has mistakes or is of another kind.
        HubsliceError: a step failed.
    """
    loaded = load_recipe(str(recipe), tuple(overrides))
    return _poison(loaded, out, device=device, reporter=reporter, allow_pickle=allow_pickle)
