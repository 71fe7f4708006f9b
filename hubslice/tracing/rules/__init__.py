"""The registry of dynamic slicing's rules by ONNX operator."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.tracing.rules.arithmetic import ARITHMETIC
from hubslice.tracing.rules.folding import FOLDING
from hubslice.tracing.rules.layout import LAYOUT
from hubslice.tracing.rules.placing import PLACING
from hubslice.tracing.rules.pointwise import POINTWISE
from hubslice.tracing.rules.pooling import POOLING
from hubslice.tracing.rules.resizing import RESIZING
from hubslice.tracing.rules.rule import Rule, Trace
from hubslice.tracing.rules.transposed import TRANSPOSED
from hubslice.tracing.rules.weighted import WEIGHTED

RULES: Mapping[str, Rule] = {
    **WEIGHTED,
    **TRANSPOSED,
    **ARITHMETIC,
    **POOLING,
    **RESIZING,
    **POINTWISE,
    **LAYOUT,
    **PLACING,
    **FOLDING,
}

__all__ = ["RULES", "Rule", "Trace"]
