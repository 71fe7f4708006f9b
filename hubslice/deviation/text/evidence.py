"""Write the evidence of a search over texts: facts, triggers as JSON lines, and a page that marks the changes."""

from __future__ import annotations

import json

import numpy as np

from hubslice.artefacts.deviation import Deviations
from hubslice.core.artefact import write_atomically
from hubslice.deviation.evidence import Outcomes, Places, Seeds
from hubslice.deviation.outcome import Outcome
from hubslice.deviation.text.encoding import decode


def write_evidence(
    places: Places, facts: Deviations, labels: tuple[str, ...], seeds: Seeds, outcomes: Outcomes
) -> None:
    """Write all three; each line of triggers has both models' probabilities of all labels for the trigger."""
    from hubslice.deviation.text.gallery import write_text_gallery

    found = [(seeds.names[at], outcome) for at, (outcome, _) in sorted(outcomes.items()) if outcome.state == "found"]
    results = {result.name: result for result in facts.results}
    texts = [(decode(outcome.seed), decode(outcome.trigger)) for _, outcome in found if outcome.trigger is not None]
    facts.save(places.facts)
    lines = [
        {"name": name, "seed": seed, "trigger": trigger} | _probabilities(labels, outcome)
        for (name, outcome), (seed, trigger) in zip(found, texts, strict=True)
    ]
    write_atomically(places.triggers, "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines))
    write_text_gallery(
        places.gallery,
        (facts.a.model, facts.b.model),
        [results[name] for name, _ in found],
        texts,
        f"{facts.found.hits} of {facts.found.total} texts, changed, get different answers",
    )


def _probabilities(labels: tuple[str, ...], outcome: Outcome) -> dict[str, dict[str, float]]:
    if outcome.answers is None:
        return {}
    sides = {"a": outcome.answers.a, "b": outcome.answers.b}
    return {
        side: {label: float(np.exp(log)) for label, log in zip(labels, logs, strict=True)}
        for side, logs in sides.items()
    }
