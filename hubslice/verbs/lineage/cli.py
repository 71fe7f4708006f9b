"""`hubslice lineage`: find which model another one comes from."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import TyperException
from typer.core import TyperGroup

from hubslice.core.cells import Fixed, mebibytes, percent
from hubslice.core.errors import LineageError
from hubslice.core.foreign_errors import message_of
from hubslice.core.numbers import amount
from hubslice.core.parameters import Option
from hubslice.terminal.many_names import ManyNames
from hubslice.terminal.options import examples
from hubslice.terminal.output import out
from hubslice.terminal.parameters import Before, command
from hubslice.verbs.lineage.params import IndexParams, LineageParams

if TYPE_CHECKING:
    from typer._click.core import Command, Context

    from hubslice.artefacts.lineage import Indexed, Lineage

MANY = "--candidates"
TOLD = 40  # maximum layers shown to people
MOVED = ("exposure", "execution", "patterns")
FORMER = {"--exposure": "exposure", "--execution": "execution"}  # former options that are now commands


class DefaultsToFind(TyperGroup):
    """`lineage MODEL` means `lineage find MODEL`. Former spellings of other commands still work, with a notice."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        former = next((name for flag, name in FORMER.items() if flag in args), None)
        if former is not None:
            kept = [arg for arg in args if arg not in FORMER]
            args = kept if kept[:1] == [former] else [former, *kept]
        elif args and args[0] not in (*self.commands, *ctx.help_option_names, *MOVED):
            args = ["find", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Context, cmd_name: str) -> Command | None:
        root = ctx.find_root().command
        if cmd_name not in MOVED or not isinstance(root, TyperGroup):
            return super().get_command(ctx, cmd_name)
        out.warning(f"what was a part of `hubslice lineage` is now `hubslice {cmd_name}`")
        return root.get_command(ctx, cmd_name)


class ModelFirst(ManyNames):
    """A command in which MODEL precedes the names that --candidates takes."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            if getattr(getattr(error, "param", None), "name", None) != "model":
                raise
            raise LineageError(
                "no MODEL is named", hint=f"it comes first: hubslice lineage MODEL {MANY} ID ..., or --index FILE"
            ) from error


def register(app: typer.Typer) -> None:
    """Add the group and its commands."""
    group = typer.Typer(
        cls=DefaultsToFind,
        no_args_is_help=True,
        help="Find which model this one was derived from, by weights alone: names and metadata are "
        "ignored. `hubslice lineage MODEL` is short for `hubslice lineage find MODEL`. To compare "
        "how models run, use `hubslice execution`.",
    )
    group.command(
        "find",
        cls=ModelFirst,
        epilog=examples(
            "hubslice lineage runs/beans --candidates timm/resnet18.a1_in1k timm/resnet18.a2_in1k",
            "hubslice lineage you/beans --candidates models/ --out beans-lineage",
            "hubslice lineage found.safetensors --index parents.safetensors --json",
        ),
    )(command(find))
    group.command(
        "index",
        epilog=examples(
            "hubslice lineage index timm/resnet18.a1_in1k timm/resnet50.a1_in1k --out parents.safetensors",
            "hubslice lineage index models/ -o parents.safetensors",
            "hubslice lineage index --from ids.txt --add -o parents.safetensors",
        ),
    )(command(index))
    app.add_typer(group, name="lineage")


def find(params: LineageParams) -> None:
    """Compare a model's weights with those of candidates, best first.

    A score is the mean correlation of weights: 1 for a copy, 0 for unrelated models, even of the same architecture
    trained on the same data. `descendant` means that it reaches the threshold. It says that two models share ancestry,
    not which came first: siblings score high too, but are less close than the parent. Of models on the Hub only parts
    are read. Models with too few weights in layers of one shape are `not comparable`, which says nothing about their
    ancestry. Every verdict exits with code 0.

    A candidate that is damaged, or that cannot be fetched from the Hub, is left out with a warning; one that neither
    exists locally nor could be a Hub id ends the command before any work.
    """
    from hubslice.verbs.lineage.service import lineage

    found = lineage(params, out.progress())
    for name, why in found.skipped.items():
        out.warning(f"{name} was left out: {why}")
    out.result(found, lambda: _tell(found), quiet=found.parent)


def index(
    params: IndexParams,
    listed: Annotated[
        Path | None,
        Option("A file with more models, one per line; - for standard input.", "FILE", flag="--from"),
        Before("add"),
    ] = None,
) -> None:
    """Compute fingerprints of possible parents, some KB each, for `lineage MODEL --index FILE`.

    A search finds children whose layers kept their shapes, and by their first layers most whose channels were permuted
    or which kept half of them; others need --candidates.

    The index contains the named models, with --add also its previous ones. Models on the Hub that it has at their
    current commit are not read again. If the command is interrupted, or the Hub fails, an index at --out is unchanged,
    and the same command resumes where it stopped.
    """
    from hubslice.verbs.lineage.indexing import lineage_index

    if listed is not None:
        params = replace(params, models=(*params.models, *_listed(listed)))
    found = lineage_index(params, out.progress())
    for name, why in found.skipped.items():
        out.warning(f"{name} was left out: {why}")
    out.result(found, lambda: _tell_index(found), quiet=found.file)


def _listed(path: Path) -> list[str]:
    """Return the lines of a file, or of standard input."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise LineageError(
            f"{path} cannot be read as a list of models: {message_of(error)}", hint="--from: one a line"
        ) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _tell(found: Lineage) -> None:
    rows = [
        {
            "candidate": other.candidate,
            "verdict": other.verdict,
            "score": None if other.score is None else Fixed(other.score, 3),
            "closeness": None if other.closeness is None else Fixed(other.closeness, 3),
            "limit": None if other.threshold is None else Fixed(other.threshold, 2),
            "compared": percent(other.compared),
            "read": mebibytes(other.bytes_read),
            "whole": mebibytes(other.bytes_whole),
            "seconds": Fixed(other.seconds, 2),
        }
        for other in found.candidates
    ]
    heads = ("CANDIDATE", "VERDICT", "SCORE", "FROM", "CLOSENESS", "COMPARED (%)", "READ (MiB)", "OF (MiB)", "TIME (s)")
    keys = ("candidate", "verdict", "score", "limit", "closeness", "compared", "read", "whole", "seconds")
    out.table(rows, dict(zip(keys, heads, strict=True)))
    best = found.candidates[0] if found.candidates else None
    if best is not None and best.layers:
        out.line()
        _tell_layers(found)
    out.line()
    read = f"{found.bytes_read / 2**20:.1f} MiB read, {found.seconds:.1f} s"
    if found.parent is None:
        if found.index is not None:
            out.hint("a model that lost most channels is not found by an index: name likely parents with --candidates")
        if found.unknown is None:
            out.line(f"no candidate shares ancestry with {found.model}, as far as weights tell ({read})")
        else:
            out.line(f"nothing can be said of {found.model}: {found.unknown} ({read})")
    else:
        if best is not None and best.identical:
            shared = f"is a copy of {found.parent}: all weights that were compared are equal"
        else:
            shared = f"shares its weights with {found.parent}"
        out.line(f"{found.model} {shared}, among {found.searched} ({read})")
        if found.index is not None and best is not None and all(layer.aligned for layer in best.layers):
            out.hint(f"found by its first layers alone; to compare all of them: --candidates {found.parent}")


def _tell_layers(found: Lineage) -> None:
    layers = found.candidates[0].layers
    out.table(
        [
            {
                "layer": layer.layer,
                "candidate": layer.candidate,
                "shape": "x".join(map(str, layer.shape)),
                "correlation": Fixed(layer.correlation, 3),
                "null": Fixed(layer.null, 3),
                "how": "channels matched" if layer.aligned else "in place",
            }
            for layer in layers[:TOLD]
        ],
        {"layer": "LAYER", "candidate": "BESIDE", "shape": "SHAPE"}
        | {"correlation": "CORRELATION", "null": "BY CHANCE (±)", "how": "HOW"},
    )
    if len(layers) > TOLD:
        out.line(f"and {len(layers) - TOLD} more; --json shows all")


def _tell_index(found: Indexed) -> None:
    out.line(
        f"{found.file}: {amount(len(found.models), 'model')} in {found.bytes / 1024:.1f} KiB, "
        f"{found.bytes_read / 2**20:.1f} MiB read, {found.seconds:.1f} s"
    )
