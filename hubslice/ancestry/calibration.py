"""All thresholds of a verdict, with their sources.

The limits were set with `python -m tests.ancestry.calibrate`: nine families (a VGG, a residual network and a vision
transformer, three seeds each) of 20 to 130 thousand weights, trained on drawn stripes for 300 steps. Their 72 children
were fine-tuned on a turned task with a new head (150 steps, also at ten times the rate), sliced, rounded, thinned,
permuted, and stripped of their names; the 144 unrelated models share architecture and data and differ in the seed. The
verdict's error rate was measured on other networks (`python -m bench.lineage`). All of them are small: error rates for
published models cannot be derived from this.
"""

from __future__ import annotations

from typing import Final

# Wrong verdicts among the test pairs of bench/lineage: (wrong, of all). Unrelated models share the architecture and saw
# the same images. Pairs of one family are similar, so families are the independent units.
FAMILIES: Final = 12
MISSED: Final = (0, 124)  # children
MISTAKEN: Final = (0, 1048)  # unrelated models

# Correlation in place. Children: 0.68 and more; unrelated models: at most 0.03; networks of another architecture with
# layers of equal shape: at most 0.09, by few positions. By fingerprints: 0.60; 0.06; 0.12, where chance sets the limit.
# Longer training moves children further, closer to unrelated models.
IN_PLACE: Final = 0.15

# Correlation after matching channels. Children: 0.90 and more. No unrelated model's channels matched well enough to get
# a score, but matching searches for similarity, and first layers of large networks are alike: hence the wider margin.
ALIGNED: Final = 0.4

# The same limit applies to the starting points stored in an index: 9 children, permuted or with 60 % of the channels
# left: 0.98 and more; unrelated models matched too few channels for a score. In an index of all nine parents, 72 of 72
# children found their own, and nothing in one without it. Of 30 with half of the channels left all were found, of 30
# with 40 % two: then too few positions are left, which gives no verdict rather than a wrong one.

# A score must also be this many standard deviations of its null distribution above zero: with few positions, as in
# fingerprints of small models, chance alone exceeds the limits above.
SIGMAS: Final = 6.0

# Minimum number of positions of a score; with fewer, chance is too large for any verdict.
FEWEST_POSITIONS: Final = 400

# Minimum share of the model's weights in layers that were compared; below it, a score near zero says nothing about the
# rest.
LEAST_COVERAGE: Final = 0.1
