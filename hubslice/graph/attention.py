"""Reshape attention of any rank to the one form for which the exporter has an ONNX function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

RANK = 4  # of query, key and value: [batch, heads, tokens, features]


class FourAxes(TorchFunctionMode):
    """A mode in which `scaled_dot_product_attention` always gets query, key and value with four axes.

    Attention within windows or groups has more leading axes ([batch, heads, windows, tokens, features] in hiera), and
    attention with one head has fewer. Attention treats all of them independently, so they can be merged into one axis:
    the first one, that of the samples.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        """Call the function; the result of attention has the same shape as without this mode."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return _attend(func, args, kwargs)
        return func(*args, **kwargs)


def _attend(attention: Callable[..., Tensor], args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    given = dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, strict=False)) | kwargs
    mask = given.get("attn_mask")
    try:
        query, key, value = (given[name] for name in ("query", "key", "value"))
        shapes = [each.shape for each in (query, key, value)]
    except (KeyError, AttributeError):  # the function itself raises the error
        return attention(*args, **kwargs)
    if query.ndim == RANK:
        return attention(*args, **kwargs)
    leading = torch.broadcast_shapes(*(shape[:-3] for shape in shapes))
    flat = {"query": _flat(query, leading), "key": _flat(key, leading), "value": _flat(value, leading)}
    if mask is not None and mask.ndim > (3 if leading else 2):  # one with fewer axes is the same for all leading ones
        flat["attn_mask"] = _flat(mask, leading)
    found = attention(**(given | flat))
    return found.reshape(*leading, *query.shape[-3:-1], value.shape[-1])


def _flat(tensor: Tensor, leading: Sequence[int]) -> Tensor:
    """Reshape [*leading, heads, tokens, features], or fewer axes, to [batch, heads, tokens, features].

    Of three axes the first is the batch.
    """
    if not leading:
        return tensor.unsqueeze(1) if tensor.ndim == 3 else tensor.reshape(*[1] * (RANK - tensor.ndim), *tensor.shape)
    return tensor.expand(*leading, *tensor.shape[-3:]).flatten(0, -RANK)
