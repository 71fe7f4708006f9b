"""Rule for Col2Im, which assembles an image from patches."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from hubslice.core.errors import RuleError
from hubslice.tracing.op import Op
from hubslice.tracing.rules.rule import Rule, Trace


@dataclass(frozen=True)
class _Axis:
    """One axis of an image of patches: their length and distance, and what is cut off before and after."""

    block: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def overlaps(self) -> bool:
        """Whether several patches may cover the same place."""
        return self.dilation * (self.block - 1) >= self.stride

    def patches(self, size: int) -> int:
        """Return the number of patches in an image of this size."""
        return (size + self.before + self.after - self.dilation * (self.block - 1) - 1) // self.stride + 1

    def by_count(self, size: int) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Group the places of an image by the number of patches that cover them.

        For each place there are, [places, patches], the index of each patch, ascending, and the position in it.
        """
        found = defaultdict(list)
        for place in range(size):
            at = [(n, place + self.before - n * self.stride) for n in range(self.patches(size))]
            inside = [
                (n, d // self.dilation) for n, d in at if d % self.dilation == 0 and 0 <= d < self.block * self.dilation
            ]
            found[len(inside)].append((place, inside))
        return {
            count: (
                np.array([place for place, _ in each]),
                np.array([[n for n, _ in inside] for _, inside in each], np.int64),
                np.array([[d for _, d in inside] for _, inside in each], np.int64),
            )
            for count, each in found.items()
            if count
        }


def _axes(op: Op, blocks: list[int]) -> tuple[_Axis, _Axis]:
    if len(blocks) != 2:
        raise RuleError(
            f"{op.kind} ({op.name}) puts together patches of {len(blocks)} axes", hint="the rule is for images"
        )
    pads = op.attribute("pads", [0] * 4)
    strides, dilations = (op.attribute(name, [1, 1]) for name in ("strides", "dilations"))
    lines, columns = (_Axis(*each) for each in zip(blocks, strides, dilations, pads[:2], pads[2:], strict=True))
    return lines, columns


def _folded(op: Op, trace: Trace) -> None:
    """Col2Im [N, C kh kw, patches] to [N, C, H, W].

    If patches overlap, each pixel is the sum of their values at that place, with the selection among them. Otherwise
    each has a single source, which gets its contribution.
    """
    lines, columns = _axes(op, trace.value(op.inputs[2]).reshape(-1).tolist())
    contribution, shape = trace.contribution(op.output), op.shapes.at(op.inputs[0], trace.samples)
    samples, channels, height, width = contribution.shape
    across, patches = columns.patches(width), lines.patches(height) * columns.patches(width)
    shared = lines.overlaps or columns.overlaps
    signs = trace.signs(op.output) if shared else contribution
    flat = trace.delta(op.inputs[0]).reshape(samples, channels, -1) if shared else None
    back = np.zeros((samples, channels, shape[1] // channels * shape[2]), np.int32)
    for ys, rows, downs in lines.by_count(height).values():
        for xs, places, rights in columns.by_count(width).values():
            tap = downs[:, None, :, None] * columns.block + rights[None, :, None, :]
            index = tap * patches + rows[:, None, :, None] * across + places[None, :, None, :]
            index = index.reshape(len(ys), len(xs), -1)  # one position of a patch maps to one pixel
            here = np.ascontiguousarray(signs[:, :, ys[:, None], xs[None, :]])
            if flat is None:
                back[:, :, index] = here[..., None]
                continue
            fields = np.ascontiguousarray(flat[:, :, index], np.float32).reshape(here.size, -1)
            found = np.zeros(fields.shape, np.int32)
            trace.kernels.rows(fields, here.reshape(-1), found, trace.numbers)
            back[:, :, index] = found.reshape(*here.shape, -1)
    trace.give(op.inputs[0], back.reshape(shape))


def _summed(op: Op) -> tuple[str, ...]:
    """Return the tensors that are needed where patches overlap, or may."""
    blocks = op.constants.get(op.inputs[2])
    apart = blocks is not None and not any(axis.overlaps for axis in _axes(op, blocks.reshape(-1).tolist()))
    return () if apart else (op.inputs[0], op.output)


FOLDING = {"Col2Im": Rule(_folded, values=lambda op: op.controls, deltas=_summed)}
