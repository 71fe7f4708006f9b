"""The loops of dynamic slicing in PyTorch, for accelerators: same arguments and results as `kernels`.

Where a compiled loop walks over live outputs one by one, their fields are gathered here, as many at a time as a fixed
budget allows, and selected together. Under the threshold rule the contributions are bitwise equal to those of the
compiled loops: products are rounded alike, and maxima and integer sums do not depend on the order. The other rules
compare sums in float64; CUDA adds these in another order than the CPU, which can affect the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from hubslice.tracing.selection import PATH, RELEASED, Numbers

BUDGET = 1 << 23  # predecessors at a time: about 0.5 GiB, with indices and sorting


class TorchKernels:
    """The `Kernels` of a device; arrays are copied from and to main memory."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def weighted_sums(
        self,
        deltas: np.ndarray,
        weights: np.ndarray,
        signs: np.ndarray,
        sources: np.ndarray,
        synapses: np.ndarray,
        strides: tuple[int, int],
        dilations: tuple[int, int],
        pads: tuple[int, int],
        numbers: Numbers,
    ) -> None:
        """Trace convolutions, and matrix products as convolutions of one pixel."""
        N, G, H, W, C = deltas.shape
        O, kh, kw = weights.shape[1:4]  # noqa: E741
        pixels = self._here(deltas).reshape(-1, C)
        filters = self._here(weights).reshape(G * O, kh * kw, C)
        back, used = self._zeros(N * G * H * W, C), self._zeros(*(filters.shape if synapses.size else (0,)))
        down = torch.arange(kh, device=self.device) * dilations[0] - pads[0]
        across = torch.arange(kw, device=self.device) * dilations[1] - pads[1]
        for live, sign in self._live(signs, kh * kw * C):
            n, g, o, p, q = live
            y, x = (p * strides[0])[:, None] + down, (q * strides[1])[:, None] + across
            inside = ((y >= 0) & (y < H))[:, :, None] & ((x >= 0) & (x < W))[:, None, :]
            y, x = y.clamp(0, H - 1), x.clamp(0, W - 1)
            at = (((n * G + g) * H)[:, None] + y)[:, :, None] * W + x[:, None, :]
            row = g * O + o
            fields = pixels[at.flatten(1)] * filters[row]
            known = inside.flatten(1)[:, :, None].expand_as(fields).flatten(1)
            chosen = select(fields.flatten(1), known, numbers) * sign[:, None]
            back.index_add_(0, at.flatten(), chosen.reshape(-1, C))
            if synapses.size:
                used.index_add_(0, row, chosen.reshape(len(row), kh * kw, C))
        _add(sources, back)
        _add(synapses, used)

    def products(
        self,
        left: np.ndarray,
        right: np.ndarray,
        left_factors: np.ndarray,
        right_factors: np.ndarray,
        signs: np.ndarray,
        left_back: np.ndarray,
        right_back: np.ndarray,
        numbers: Numbers,
    ) -> None:
        """Trace products of two activations."""
        B, M, K = left.shape
        N = right.shape[1]
        a, b, a_factors, b_factors = (
            self._here(array).reshape(-1, K) for array in (left, right, left_factors, right_factors)
        )
        a_back, b_back = self._zeros(B * M, K), self._zeros(B * N, K)
        for (batch, m, n), sign in self._live(signs, 2 * K):
            here, there = batch * M + m, batch * N + n
            fields = torch.cat((a[here] * b_factors[there], b[there] * a_factors[here]), dim=1)
            chosen = select(fields, torch.ones_like(fields, dtype=torch.bool), numbers) * sign[:, None]
            a_back.index_add_(0, here, chosen[:, :K])
            b_back.index_add_(0, there, chosen[:, K:])
        _add(left_back, a_back)
        _add(right_back, b_back)

    def rows(self, fields: np.ndarray, signs: np.ndarray, back: np.ndarray, numbers: Numbers) -> None:
        """Trace neurons that each have their own field."""
        every, found = self._here(fields), self._zeros(*back.shape)
        for (at,), sign in self._live(signs, fields.shape[1]):
            some = every[at]
            found[at] = select(some, torch.ones_like(some, dtype=torch.bool), numbers) * sign[:, None]
        _add(back, found)

    def _here(self, array: np.ndarray) -> Tensor:
        return torch.tensor(array, device=self.device)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int32, device=self.device)

    def _live(self, signs: np.ndarray, size: int) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Yield the indices and signs of live outputs, as many at a time as the budget allows for this field size."""
        given = self._here(signs)
        for part in given.nonzero().split(max(1, BUDGET // size)):
            at = tuple(part.unbind(1))
            yield at, given[at].to(torch.int32)


def select(fields: Tensor, known: Tensor, numbers: Numbers) -> Tensor:
    """Return the selected predecessors, int32, of each row of `fields`, both [L, K]; `known` is false for padding.

    Padding is ignored and never selected.
    """
    rule, theta, eps, bar, cancel = numbers
    if rule == PATH:
        return _by_path(fields, known, float(theta))
    sizes = torch.where(known, fields.abs(), 0)
    if rule == RELEASED:
        selected = _by_released_rule(fields, sizes, known, eps, bar)
    else:
        selected = sizes >= sizes.amax(dim=1, keepdim=True) * torch.tensor(theta, device=fields.device)
    chosen = (fields.sign() * (selected & known)).to(torch.int32)
    return chosen if cancel else chosen.abs()


def _by_released_rule(fields: Tensor, sizes: Tensor, known: Tensor, eps: float, bar: float) -> Tensor:
    exact = torch.where(known, fields, 0).double()
    total = exact.cumsum(1)[:, -1:]  # a sum in field order
    least = torch.where(known, sizes, torch.inf).amin(dim=1, keepdim=True).double()
    most = sizes.amax(dim=1, keepdim=True).double()
    order = torch.where(known, sizes, -1).argsort(dim=1, descending=True, stable=True)
    near = (exact.gather(1, order).cumsum(1) - total).abs() < eps * total.abs()
    first = near.int().argmax(dim=1, keepdim=True)
    at = sizes.gather(1, order).gather(1, first).double()
    last = torch.where(near.any(dim=1, keepdim=True), at, least)
    nothing = (total.abs() < least) | (total.abs() < 1e-3 * most)
    selected = (sizes.double() > (1.0 - bar) * last) & ~nothing
    alone = known.sum(dim=1, keepdim=True) == 1
    return torch.where(alone, sizes > 0, selected)


def _by_path(fields: Tensor, known: Tensor, theta: float) -> Tensor:
    exact = torch.where(known, fields, 0).double()
    total = exact.cumsum(1)[:, -1:]
    positive = exact.clamp(min=0)
    order = positive.argsort(dim=1, descending=True, stable=True)
    ranked = positive.gather(1, order)
    before = torch.nn.functional.pad(ranked.cumsum(1), (1, -1))
    taken = torch.zeros_like(known).scatter(1, order, (before < theta * total) & (ranked > 0))
    best = torch.where(known, fields, -torch.inf).argmax(dim=1, keepdim=True)
    alone = torch.zeros_like(known).scatter(1, best, True)
    return torch.where(total > 0, taken, alone).to(torch.int32)


def _add(array: np.ndarray, found: Tensor) -> None:
    if array.size:
        array += found.cpu().numpy().reshape(array.shape)
