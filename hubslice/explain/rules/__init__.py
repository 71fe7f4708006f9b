"""The rules of dynamic slicing, by operator of ONNX: the one registry."""

from __future__ import annotations

from collections.abc import Mapping

from hubslice.explain.rules.arithmetic import ARITHMETIC
from hubslice.explain.rules.layout import LAYOUT
from hubslice.explain.rules.pointwise import POINTWISE
from hubslice.explain.rules.pooling import POOLING
from hubslice.explain.rules.rule import Rule, Trace
from hubslice.explain.rules.weighted import WEIGHTED

RULES: Mapping[str, Rule] = {**WEIGHTED, **ARITHMETIC, **POOLING, **POINTWISE, **LAYOUT}

__all__ = ["RULES", "Rule", "Trace"]
