"""The experiment on lineage: rates against their plain definitions, and what is rendered of outcomes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.lineage import families, render
from bench.lineage.deltas import Difference, Differences
from bench.lineage.exposures import TITLES, Exposed, Exposures
from bench.lineage.pairs import Outcome, Pair, Relation
from bench.lineage.scale import is_test
from bench.lineage.search import Query, Searched
from bench.lineage.statistics import above, area, at_full_recall, called, roc, threshold
from hubslice.ancestry.calibration import FAMILIES, MISSED, MISTAKEN
from hubslice.artefacts.exposure import ArmExposure, Leading, Obtained
from hubslice.core.rate import Rate


def pair(score: float | None, relation: Relation = "parent", form: str = "finetune") -> Pair:
    verdict = "not comparable" if score is None else "descendant" if score > 0.15 else "unrelated"
    return Pair(
        form=form,
        relation=relation,
        candidate="vgg-0",
        verdict=verdict,
        score=score,
        aligned=False,
        shapes=True,
        bytes_read=1 << 19,
        bytes_whole=1 << 20,
        seconds=0.01,
    )


def test_rates_of_scores_are_counted_right() -> None:
    """Against pairs of pairs, with ties and with pairs that have no score."""
    rng = np.random.default_rng(0)
    related = [pair(round(float(score), 1)) for score in rng.normal(0.6, 0.3, 40)]
    others = [pair(round(float(score), 1), "stranger") for score in rng.normal(0.1, 0.3, 50)] + [pair(None, "stranger")]
    good, bad = [p.score for p in related], [-1.0 if p.score is None else p.score for p in others]
    assert area(related, others) == pytest.approx(np.mean([(g > b) + (g == b) / 2 for g in good for b in bad]))
    false, true = roc(related, others)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert area(related, others) == pytest.approx(np.trapezoid(true, false))
    assert at_full_recall(related, others).hits == sum(b >= min(good) for b in bad)
    assert above(related, 0.5).hits == sum(g >= 0.5 for g in good)


def test_a_threshold_lies_between_or_on_the_strangers() -> None:
    assert threshold([pair(0.8), pair(0.6)], [pair(0.2, "stranger"), pair(None, "stranger")]) == pytest.approx(0.4)
    assert threshold([pair(0.1)], [pair(0.2, "stranger")]) == 0.2
    assert threshold([pair(0.6)], [pair(None, "stranger")]) == 0.3


def outcomes(folder: Path) -> None:
    """Invented ones of two families and one seed of the demo."""
    for seed in range(2):
        found = [pair(0.9, form=form) for form in families.TITLES]
        found += [pair(0.01, "stranger", form) for form in families.TITLES] + [pair(0.8, "sibling", "remos")]
        made = Outcome(kind="vgg", seed=seed, pairs=tuple(found), machine="a machine")
        made.save(folder / f"pairs-vgg-{seed}.json")
    curve = tuple(Obtained(layer=str(n), weights=n / 4, bits=n / 8, agreement=n / 4) for n in range(5))
    bits = tuple(Leading(fraction=n, bits=n / 8, agreement=n / 4) for n in range(5))
    shown = tuple(
        Exposed(
            test=Rate(hits=60, total=100),
            verdict="descendant",
            score=0.7,
            curve=ArmExposure(
                arm=arm,
                inputs=100,
                goal=0.94,
                start=0.1,
                weights_needed=0.5,
                bits_needed=0.25,
                bits_alone=0.5,
                layers=(),
                curve=curve,
                leading=bits,
                alone=bits,
            ),
        )
        for arm in TITLES
    )
    Exposures(seed=0, size=96, teacher="lite0", arms=shown, machine="a machine").save(folder / "exposure-0.json")
    queries = tuple(
        Query(kind="vgg", seed=1, form=form, own="descendant", first=True, mistaken=0, without=0, seconds=0.1 + n / 100)
        for n, form in enumerate(families.TITLES)
    )
    told = {"candidates": 1000, "real": 24, "bytes": 1000 << 13, "making": 60.0, "loading": 0.1}
    Searched(**told, queries=queries, machine="a machine").save(folder / "search.json")
    sizes = {"whole": 1000, "alone": 900, "difference": 400, "exact": True, "making": 0.1, "restoring": 0.1}
    found = tuple(Difference(name="vgg-0", form=form, **sizes) for form in families.TRAINED)
    Differences(name="vgg-0", found=found, machine="a machine").save(folder / "delta-vgg-0.json")


def test_outcomes_are_told(tmp_path: Path) -> None:
    (tmp_path / "outcomes").mkdir()
    outcomes(tmp_path / "outcomes")
    render.render(tmp_path / "outcomes", tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| fine-tuned | 100.0 % [20.7, 100.0], n = 1 | 0.900 to 0.900 | 1.0000 | 0.50 of 1.00 | 0.010 |" in table
    assert "| stranger | 0.0 % [0.0, 25.9], n = 11 | 100.0 % [74.1, 100.0], n = 11 |" in table
    assert "| all but compacted | 0.455 | 100.0 % [70.1, 100.0], n = 9 | 0.0 % [0.0, 29.9], n = 9 |" in table
    assert "| ReMoS | 60.0 | descendant 0.70 to 0.70 | 50.0 | 25.0 | 50.0 | 50.0 | 10.0 |" in table
    assert "8.0 KiB each" in table
    assert "| fine-tuned, families | 1 | 0.00 | 40.0 (40.0 to 40.0) | 90.0 (90.0 to 90.0) | 1 of 1 |" in table
    assert {path.name for path in tmp_path.glob("*.png")} == {"roc.png", "exposure.png"}


def test_what_is_committed_is_told_as_measured(tmp_path: Path) -> None:
    committed = Path(render.__file__).parent
    measured = (committed / "outcomes").is_dir()
    assert (committed / "table.md").is_file() == measured
    if measured:
        render.render(committed / "outcomes", tmp_path)
        assert (tmp_path / "table.md").read_text() == (committed / "table.md").read_text()


def test_the_card_tells_the_error_rates_that_were_measured() -> None:
    outcomes = [Outcome.load(path) for path in sorted(render.FULL.outcomes.glob("pairs-*.json"))]
    test = [outcome for outcome in outcomes if is_test(outcome.seed)]
    pairs = [pair for outcome in test for pair in outcome.pairs]
    children, strangers = ([pair for pair in pairs if pair.relation == what] for what in ("parent", "stranger"))
    missed, mistaken = called(children), called(strangers)
    assert len(test) == FAMILIES
    assert (missed.total - missed.hits, missed.total) == MISSED
    assert (mistaken.hits, mistaken.total) == MISTAKEN
