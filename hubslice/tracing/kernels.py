"""The compiled loops of dynamic slicing: product, selection, sign and sum in one pass over live outputs only.

All arrays are contiguous; contributions are int32 and accumulated, so they do not depend on the order of work. The
kernels release the GIL and share no state: several threads may run them at once.
"""

from __future__ import annotations

import numba
import numpy as np

from hubslice.tracing.selection import FINITE, select


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def weighted_sums(deltas, weights, signs, sources, synapses, strides, dilations, pads, numbers):  # type: ignore[no-untyped-def]
    """Trace convolutions, and matrix products as convolutions of one pixel.

    - `deltas`: deviations of the input from its mean, float32 [N, G, H, W, C]: groups, and their channels last;
    - `weights`: float32 [G, O, kh, kw, C];
    - `signs`: int8 [N, G, O, P, Q], sign of CONTRIB times sign of the output's deviation; 0 where it is not live;
    - `sources`: contributions of the input, int32, shaped as `deltas`; accumulated;
    - `synapses`: contributions of the weights, int32, shaped as `weights`, over all samples; accumulated. Of
      size 0 if they are not requested;
    - `strides`, `dilations`, `pads`: (vertical, horizontal); pads are those above and on the left. Padding is not
      a predecessor;
    - `numbers`: `Selection.numbers`.
    """
    N, G, H, W, C = deltas.shape
    O, kh, kw = weights.shape[1:4]  # noqa: E741
    P, Q = signs.shape[3:]
    field = np.empty(kh * kw * C, np.float32)
    chosen = np.empty(kh * kw * C, np.int32)
    order = np.empty(kh * kw * C, np.int32)
    wanted = synapses.size > 0
    unused = np.empty(0, np.int32)
    plain = dilations[1] == 1  # then a row of the field is contiguous
    for n in range(N):
        for g in range(G):
            plane = deltas[n, g].reshape(H * W * C)
            back = sources[n, g].reshape(H * W * C)
            for o in range(O):
                row = weights[g, o].reshape(kh * kw * C)
                used = synapses[g, o].reshape(kh * kw * C) if wanted else unused
                for p in range(P):
                    for q in range(Q):
                        sign = np.int32(signs[n, g, o, p, q])
                        if sign == 0:
                            continue
                        top, left = p * strides[0] - pads[0], q * strides[1] - pads[1]
                        x0 = max(0, -(left // dilations[1]))
                        x1 = min(kw, (W - 1 - left) // dilations[1] + 1)
                        run = (x1 - x0) * C if plain else C
                        runs = 1 if plain else x1 - x0
                        size = 0
                        for ky in range(kh):
                            y = top + ky * dilations[0]
                            if y < 0 or y >= H:
                                continue
                            for r in range(runs):
                                x = x0 + r
                                at = (y * W + left + x * dilations[1]) * C
                                values = plane[at : at + run]
                                factors = row[(ky * kw + x) * C : (ky * kw + x) * C + run]
                                _multiply(values, factors, field[size : size + run])
                                size += run
                        select(field[:size], numbers, chosen, order)
                        size = 0
                        for ky in range(kh):
                            y = top + ky * dilations[0]
                            if y < 0 or y >= H:
                                continue
                            for r in range(runs):
                                x = x0 + r
                                at = (y * W + left + x * dilations[1]) * C
                                part = chosen[size : size + run]
                                _add(back[at : at + run], part, sign)
                                if wanted:
                                    at = (ky * kw + x) * C
                                    _add(used[at : at + run], part, sign)
                                size += run


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def products(left, right, left_factors, right_factors, signs, left_back, right_back, numbers):  # type: ignore[no-untyped-def]
    """Trace products of two activations.

    - `left`, `right`: deviations, float32 [B, M, K] and [B, N, K];
    - `left_factors`, `right_factors`: factors of the other operand's deviations, of the same shapes;
    - `signs`: int8 [B, M, N], as in `weighted_sums`;
    - `left_back`, `right_back`: contributions, int32 [B, M, K] and [B, N, K]; accumulated;
    - `numbers`: `Selection.numbers`.
    """
    B, M, K = left.shape
    N = right.shape[1]
    field = np.empty(2 * K, np.float32)
    chosen = np.empty(2 * K, np.int32)
    order = np.empty(2 * K, np.int32)
    for b in range(B):
        for m in range(M):
            for n in range(N):
                sign = np.int32(signs[b, m, n])
                if sign == 0:
                    continue
                _multiply(left[b, m], right_factors[b, n], field[:K])
                _multiply(right[b, n], left_factors[b, m], field[K:])
                select(field, numbers, chosen, order)
                _add(left_back[b, m], chosen[:K], sign)
                _add(right_back[b, n], chosen[K:], sign)


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def rows(fields, signs, back, numbers):  # type: ignore[no-untyped-def]
    """Trace neurons that each have their own field.

    - `fields`: local contributions, float32 [F, K];
    - `signs`: int8 [F], as in `weighted_sums`;
    - `back`: contributions of the predecessors, int32 [F, K]; accumulated;
    - `numbers`: `Selection.numbers`.
    """
    F, K = fields.shape
    chosen = np.empty(K, np.int32)
    order = np.empty(K, np.int32)
    for f in range(F):
        sign = np.int32(signs[f])
        if sign == 0:
            continue
        select(fields[f], numbers, chosen, order)
        _add(back[f], chosen, sign)


# Separate functions, because the compiler only vectorises them this way.
@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _multiply(values, factors, into):  # type: ignore[no-untyped-def]
    for i in range(into.size):
        into[i] = values[i] * factors[i]


@numba.njit(nogil=True, cache=True, fastmath=FINITE)
def _add(into, chosen, sign):  # type: ignore[no-untyped-def]
    for i in range(into.size):
        into[i] += sign * chosen[i]
