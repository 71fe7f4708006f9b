"""Every threshold of a verdict, in one place, with where it comes from.

The numbers were set with `python -m tests.lineage.calibrate`: families of small convolutional networks (9 to 60
thousand weights) trained on drawn pictures on one core. Children were fine-tuned with one new head each, then sliced,
rounded, renamed, compacted; strangers have the same architecture and data and another seed. That is a first calibration
on small networks: no error rates for large published models follow from it.
"""

from __future__ import annotations

from typing import Final

# Pooled correlation in place. Strangers: at most 0.04 over 90 pairs. Children: 0.36 and more, the lowest after
# fine-tuning at ten times the usual rate. The geometric mean of both ends, rounded up.
IN_PLACE: Final = 0.15

# Pooled correlation after channels were matched. Matching finds likeness in strangers, too: they reach 0.24, children
# 0.61 and more.
ALIGNED: Final = 0.4

# A score is also to be so many standard deviations of its null distribution above zero: with few positions, as in
# fingerprints of small models, chance alone reaches higher than the limits above.
SIGMAS: Final = 6.0

# Positions that a score rests on at least; below, chance is too wide for any verdict.
FEWEST_POSITIONS: Final = 400

# Share of the model's weights in layers that were compared; below, a score near zero says nothing of the rest.
LEAST_COVERAGE: Final = 0.1
