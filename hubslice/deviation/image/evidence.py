"""Write the evidence of a search over images: facts, triggers as tensors, and a plot of triggers and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from hubslice.artefacts.deviation import Deviations
from hubslice.deviation.evidence import KIND, Outcomes, Places, Seeds
from hubslice.deviation.outcome import Outcome
from hubslice.files.sealed import write_sealed


def write_evidence(
    places: Places, facts: Deviations, labels: tuple[str, ...], seeds: Seeds, outcomes: Outcomes
) -> None:
    """Write facts, triggers and a plot of them."""
    from hubslice.deviation.image.gallery import write_gallery

    found = [(at, outcome) for at, (outcome, _) in sorted(outcomes.items()) if outcome.state == "found"]
    results = {result.name: result for result in facts.results}
    images = [(outcome.seed, outcome.trigger) for _, outcome in found if outcome.trigger is not None]
    facts.save(places.facts)
    names = [seeds.names[at] for at, _ in found]
    about = {"names": names, "a": facts.a.fingerprint, "b": facts.b.fingerprint, "labels": list(labels)}
    write_sealed(places.triggers, KIND, about, dict(_tensors([outcome for _, outcome in found])))
    write_gallery(
        places.gallery,
        (facts.a.model, facts.b.model),
        [results[name] for name in names],
        images,
        f"{facts.found.hits} of {facts.found.total} inputs, changed, get different answers",
    )


def _tensors(found: Sequence[Outcome]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield seeds and triggers uint8 [n, C, H, W], and both models' probabilities of the triggers [n, labels].

    The probabilities are float64.
    """
    if not found:
        return
    yield "seeds", np.stack([outcome.seed for outcome in found])
    yield "triggers", np.stack([outcome.trigger for outcome in found if outcome.trigger is not None])
    told = [outcome.answers for outcome in found if outcome.answers is not None]
    yield "a", np.exp(np.stack([answers.a for answers in told]))
    yield "b", np.exp(np.stack([answers.b for answers in told]))
