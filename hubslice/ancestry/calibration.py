"""Every threshold of a verdict, in one place, with where it comes from.

The limits were set with `python -m tests.ancestry.calibrate`: nine families (a VGG, a residual network and a vision
transformer, three seeds each) of 20 to 130 thousand weights, trained on drawn stripes for 300 steps. Their 72 children
were fine-tuned on a turned task with a new head (150 steps, also at ten times the rate), sliced, rounded, thinned,
permuted, and lost their names; the 144 strangers share architecture and data and differ in the seed.
How often the verdict errs was measured on other networks (`python -m bench.lineage`). All of them are small: no error
rates of published models follow.
"""

from __future__ import annotations

from typing import Final

# Of the pairs of bench/lineage that are put to the test, how many the verdict got wrong: (wrong, of all). Strangers
# share the architecture and saw the same images. Pairs of one family are alike, so that families are what counts.
FAMILIES: Final = 12
MISSED: Final = (0, 124)  # children
MISTAKEN: Final = (0, 1048)  # strangers

# Correlation in place. Children: 0.68 and more; strangers: at most 0.03; networks of another architecture with layers
# of equal shape: at most 0.09, by few positions. By fingerprints: 0.60; 0.06; 0.12, where chance sets the limit.
# Longer training moves children further, so nearer to the strangers.
IN_PLACE: Final = 0.15

# Correlation after channels were matched. Children: 0.90 and more. No stranger's channels matched well enough to get a
# score, but matching looks for likeness, and first layers of large networks are alike: hence the wider distance.
ALIGNED: Final = 0.4

# By the ways into networks that an index keeps, the same limit holds: 9 children, permuted or with 60 % of the channels
# left: 0.98 and more; strangers matched too few channels for a score. In an index of all nine parents 72 of 72 children
# found their own, and nothing in one without it. Of 30 with half of the channels left all were found, of 30 with 40 %
# two: then too few positions are left, which is no verdict rather than a wrong one.

# A score is also to be so many standard deviations of its null distribution above zero: with few positions, as in
# fingerprints of small models, chance alone reaches higher than the limits above.
SIGMAS: Final = 6.0

# Positions that a score rests on at least; below, chance is too wide for any verdict.
FEWEST_POSITIONS: Final = 400

# Share of the model's weights in layers that were compared; below, a score near zero says nothing of the rest.
LEAST_COVERAGE: Final = 0.1
