"""The result of the search for one seed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from hubslice.deviation.answers import Answers
from hubslice.deviation.choice import Tally

State = Literal["found", "none", "disagreed", "unconfirmed"]


@dataclass(frozen=True)
class Outcome:
    """The result of a seed: a trigger, none, or models that disagree on the seed itself.

    `seed_answers` are those to the seed, `answers` those to the trigger. `queries` counts mutants evaluated by both
    models until the trigger was found, `shrinking` those evaluated afterwards to bring it closer to the seed. `last` is
    the operator that made the trigger.
    """

    state: State
    seed: np.ndarray
    seed_answers: Answers
    trigger: np.ndarray | None = None
    answers: Answers | None = None
    queries: int = 0
    shrinking: int = 0
    last: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)


Search = Generator[np.ndarray, Answers, Outcome]
