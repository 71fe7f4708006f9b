"""`hubslice pull`: fetch, check and export a model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from hubslice.core.errors import InputError
from hubslice.core.numbers import number
from hubslice.core.parameters import Option
from hubslice.recipe.transparency import in_words
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import command
from hubslice.verbs.pull.params import PullParams

if TYPE_CHECKING:
    from hubslice.verbs.pull.service import Pulled


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "pull",
        epilog=examples(
            "hubslice pull timm/resnet18.a1_in1k",
            "hubslice pull google/vit-base-patch16-224@main --json",
            "hubslice pull owner/name@1a2b3c4 --out teachers/name",
            "hubslice pull ./my-model --input-size 96",
            "hubslice pull owner/old-model --allow-pickle",
            "hubslice pull timm/resnet18.a1_in1k --dry-run",
            "hubslice pull timm/resnet18.a1_in1k --dry-run --all",
        ),
    )(command(pull))


def pull(
    params: PullParams,
    dry_run: Annotated[
        bool, Option("Report what the model is and whether it can be exported, without downloading weights.")
    ] = False,
    everything: Annotated[
        bool, Option("With --dry-run: list every file and tensor, like --json.", flag="--all")
    ] = False,
) -> None:
    """Fetch a model at one commit, check it, and export it to ONNX.

    Only safetensors, unless --allow-pickle; every file's checksum is verified. The export must compute what PyTorch
    computes, or the command fails with exit code 1.
    """
    if dry_run:
        from hubslice.terminal.dry_run import show_pull

        show_pull(os.fspath(params.model), params.input_size, allow_pickle=params.allow_pickle, everything=everything)
        return
    if everything:
        raise InputError("--all tells more of a --dry-run", hint="leave out --all, or add --dry-run")
    from hubslice.verbs.pull.service import pull as fetch

    pulled = fetch(params, out.progress())
    places = {"model": str(pulled.model), "onnx": str(pulled.graph), "neurons": str(pulled.neurons)}
    data = {**pulled.facts.model_dump(mode="json"), "parity": pulled.parity.model_dump(mode="json"), "paths": places}
    out.result(data, lambda: _tell(pulled, places), quiet=pulled.model)


def _tell(pulled: Pulled, places: dict[str, str]) -> None:
    facts, preparation = pulled.facts, pulled.facts.preprocessing
    told: dict[str, object] = {"model": facts.repo_id or facts.model}
    if facts.commit:
        told["commit"] = facts.commit
    told |= {
        "library": facts.library,
        "architecture": facts.architecture,
        "parameters": f"{facts.parameters:,}",
        "classes": len(facts.labels),
        "license": facts.license or "not stated",
    }
    if preparation:
        channels, height, width = preparation.input_size
        told["input"] = f"{channels} x {height} x {width}, {preparation.interpolation}, {preparation.way}"
        told["normalisation"] = f"mean {_numbers(preparation.mean)}; std {_numbers(preparation.std)}"
        told["transparency"] = f"transparent parts {in_words(preparation.shown)}" + (
            "" if preparation.transparency else " (it records no rule: as stock pipelines do)"
        )
    told["parity"] = (
        f"ONNX differs by {number(pulled.parity.max_abs_difference, 2)} at most "
        f"(limit {number(pulled.parity.tolerance, 2)})"
    )
    rows = [{"file": file.path, "size": file.size, "sha256": file.sha256} for file in facts.files]
    out.table(rows, {"file": "FILE", "size": "SIZE (bytes)", "sha256": "SHA256"})
    out.line()
    out.fields(told | {"folder": places["model"], "onnx": places["onnx"], "neurons": places["neurons"]})
    for pickle in facts.pickles:
        out.warning(f"the weights were converted from a pickle: {pickle.path}, sha256 {pickle.sha256}")
    for remark in facts.remarks:
        out.warning(remark)
    if facts.poisoned:
        out.warning("this model declares a backdoor that was planted on purpose")


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(map(number, values))
