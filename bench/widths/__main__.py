"""python -m bench.widths: how much faster networks get when channels are taken out, and in which multiples.

Of each network the channels of smallest magnitude are set to zero, down to a share of its weights, and then taken out,
in multiples of 1, 4, 8 or 16. All forms are timed in turns, as plain ONNX Runtime runs them. No accuracy is measured:
see bench/reuse for that.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

import hubslice
from hubslice.artefacts.slice import Slice
from hubslice.core.artefact import Artefact, write_atomically
from hubslice.graph.channels import channel_map
from hubslice.models.base import Model
from hubslice.models.folder import load_model
from hubslice.slicing.compaction import compact
from hubslice.slicing.cutting import Cutting
from hubslice.slicing.units import most_important, unit_magnitudes
from hubslice.terminal.reporters import Lines
from hubslice.training.initial import mask_weights
from hubslice.verbs.latency.facts import LatencyReport
from tests.demo.teacher import write_teacher

from ..machine import Machine
from ..reuse.__main__ import RUNS as REUSE
from ..reuse.data import TARGET
from ..reuse.problems import TEACHERS
from ..reuse.run import train_teacher

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNS = ROOT / "runs" / "bench" / "widths"
RESULTS = HERE / "results.json"
KEPT = 0.4  # share of the weights
ALIGNED = (1, 4, 8, 16)
LITE0 = "EfficientNet-Lite0, 96 px"


class Results(Artefact):
    """By network: what its forms cost, dense first; each is called after its form."""

    machine: Machine
    networks: dict[str, LatencyReport]


def main() -> None:
    """Make the forms, time them, render."""
    parser = argparse.ArgumentParser(prog="python -m bench.widths", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    forms = ("dense", "zeros", *(f"multiples of {align}" for align in ALIGNED))
    networks = {}
    for title, folder, size in _networks():
        models = [str(folder), *map(str, _forms(folder, size, RUNS / title.split(",")[0]))]
        report = hubslice.latency(models, threads=given.threads, input_size=size, memory=False)
        named = (cost.model_copy(update={"model": form}) for form, cost in zip(forms, report.models, strict=True))
        networks[title] = report.model_copy(update={"models": tuple(named)})
    results = Results(machine=Machine.here(given.threads), networks=networks)
    results.save(RESULTS)
    write_atomically(HERE / "table.md", render(results))


def _networks() -> Iterator[tuple[str, Path, int | None]]:
    lite0 = RUNS / "lite0"
    if not (lite0 / "README.md").is_file():
        write_teacher(ROOT / ".assets", lite0)
    yield LITE0, lite0, 96
    for teacher in TEACHERS.values():
        yield teacher.title, train_teacher(teacher, TARGET, REUSE, Lines()), None


def _forms(folder: Path, size: int | None, out: Path) -> Iterator[Path]:
    """The network with zeros, and without the channels, aligned in each way."""
    model = load_model(folder, input_size=size)
    channels = channel_map(model)
    weights = {name: tensor.detach().numpy() for name, tensor in model.module.named_parameters()}
    own = model.classifier_parameters()
    cutting = Cutting(channels.groups, {name: weight.shape for name, weight in weights.items() if name not in own})
    importance = unit_magnitudes(channels.groups, weights, 0)
    slices = [Slice(cutting.masks(most_important(cutting, importance, KEPT, align)), "magnitude") for align in ALIGNED]
    zeros: Model = load_model(folder, input_size=size)
    mask_weights(zeros, slices[-1])
    zeros.save(out / "zeros")
    yield out / "zeros"
    for align, made in zip(ALIGNED, slices, strict=True):
        with torch.no_grad():
            compact(model, made, channels).save(out / str(align))
        yield out / str(align)


def render(results: Results) -> str:
    """The table."""
    lines = [
        "# Taking channels out: how much faster, and in which multiples",
        "",
        f"The channels of smallest magnitude are taken out, down to {KEPT:.0%} of the weights of all layers that can "
        "lose channels. Times with plain ONNX Runtime, batch normalisation folded, in turns; ratios are to the dense "
        "network.",
        "",
        "| network | form | parameters | MACs | file | batch 1 | batch 16 |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for title, report in results.networks.items():
        for cost in report.models:
            times = [f"{timing.median_ms:.2f} ms, x {timing.ratio:.2f}" for timing in cost.timings]
            macs = "" if cost.macs is None else f"{cost.macs / 1e6:.1f} M"
            size = f"{cost.file_bytes / 2**20:.2f} MiB"
            lines.append(
                f"| {title} | {cost.model} | {cost.parameters / 1e6:.2f} M | {macs} | {size} | {' | '.join(times)} |"
            )
    lines += ["", f"`python -m bench.widths`; {results.machine.line}.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
