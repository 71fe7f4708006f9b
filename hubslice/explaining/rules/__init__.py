"""The rules of dynamic slicing, by operator of ONNX: the one registry."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.explaining.rules.arithmetic import ARITHMETIC
from hubslice.explaining.rules.folding import FOLDING
from hubslice.explaining.rules.layout import LAYOUT
from hubslice.explaining.rules.placing import PLACING
from hubslice.explaining.rules.pointwise import POINTWISE
from hubslice.explaining.rules.pooling import POOLING
from hubslice.explaining.rules.resizing import RESIZING
from hubslice.explaining.rules.rule import Rule, Trace
from hubslice.explaining.rules.transposed import TRANSPOSED
from hubslice.explaining.rules.weighted import WEIGHTED

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
