"""From measurements to a table and a plot."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from hubslice.card.plot_style import COLOURS, new_figure, styled, write_figure
from hubslice.core.artefact import Artefact, write_atomically

from ..machine import Machine
from .methods import BATCH, METHODS, TITLES

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
COMMAND = "python -m bench.profiling"


class Measurement(Artefact):
    """One method over some images, once."""

    method: str
    images: int
    turn: int
    seconds: float
    added_mib: float

    @property
    def told(self) -> str:
        """In words."""
        return f"{self.method} {self.images / self.seconds:.1f} images/s, {self.added_mib:.0f} MiB added"


class Results(Artefact):
    """All measurements, and where they were made."""

    machine: Machine
    measurements: tuple[Measurement, ...]

    def has(self, method: str, images: int, turn: int) -> bool:
        """Whether this one is measured."""
        return any((m.method, m.images, m.turn) == (method, images, turn) for m in self.measurements)

    def of(self, method: str, images: int) -> list[Measurement]:
        """All rounds of a method, in order."""
        found = [m for m in self.measurements if (m.method, m.images) == (method, images)]
        return sorted(found, key=lambda m: m.turn)


def render(results: Results) -> None:
    """Write table.md and plot.png beside the results."""
    counts = sorted({m.images for m in results.measurements})
    lines = [
        "# Counting neuron coverage: speed and memory",
        "",
        "EfficientNet-Lite0 at 224 x 224, real ImageNet weights, prepared images in memory, batches of "
        f"{BATCH}. Time includes making the session; memory is the process's peak above what it held before. Each "
        "method in a process of its own, in turns; *times plain* is paired within a round. Medians over the rounds.",
        "",
        "| method | images | rounds | images a second | times plain | added MiB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for images in counts:
        base = results.of("plain", images)
        for method in METHODS:
            found = results.of(method, images)
            ratios = [m.seconds / b.seconds for m, b in zip(found, base, strict=True)]
            spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
            lines.append(
                f"| {TITLES[method]} | {images:,} | {len(found)} | {median(images / m.seconds for m in found):.1f} "
                f"| {median(ratios):.2f}{spread} | {median(m.added_mib for m in found):.0f} |"
            )
    lines += ["", "![speed and memory](plot.png)", "", f"`{COMMAND}`; {results.machine.line}.", ""]
    write_atomically(HERE / "table.md", "\n".join(lines))
    with styled():
        _plot(results, counts)


def _plot(results: Results, counts: list[int]) -> None:
    figure = new_figure(2.6)
    speed, memory = figure.subplots(1, 2, sharey=True)
    names = list(METHODS)[::-1]
    height = 0.8 / len(counts)
    shades = (COLOURS["control"], COLOURS["student"])
    for place, images in enumerate(reversed(counts)):
        rows = [index + (place - (len(counts) - 1) / 2) * height for index in range(len(names))]
        found = [results.of(name, images) for name in names]
        look = {"height": height * 0.9, "color": shades[place % 2], "label": f"{images:,} images"}
        speed.barh(rows, [median(images / m.seconds for m in each) for each in found], **look)
        memory.barh(rows, [median(m.added_mib for m in each) for each in found], **look)
    speed.set_yticks(range(len(names)), [TITLES[name] for name in names])
    speed.set_title("images a second")
    memory.set_title("added memory in MiB")
    for axis in (speed, memory):
        axis.grid(axis="x")
    memory.legend(frameon=False, fontsize=8)
    write_figure(figure, HERE / "plot.png")
