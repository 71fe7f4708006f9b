import json

import pytest

from hubslice.artefacts.rate import Rate

# Wilson score intervals at 95 %, worked out with 50 digits from the textbook formula; the first rows also follow from
# its closed forms at p = 0 and p = 1: z^2 / (n + z^2) and n / (n + z^2).
KNOWN = [
    (0, 10, 0.0, 0.277532799862889),
    (10, 10, 0.722467200137111, 1.0),
    (0, 200, 0.0, 0.018845326379183),
    (1, 1, 0.206549314377237, 1.0),
    (5, 10, 0.236593090512564, 0.763406909487436),
    (1, 10, 0.017876213095073, 0.404150026795221),
    (81, 263, 0.255288270131158, 0.366193612641447),
    (15, 148, 0.062386043909214, 0.160565764041081),
]


@pytest.mark.parametrize(("hits", "total", "low", "high"), KNOWN)
def test_wilson_interval_has_the_known_ends(hits: int, total: int, low: float, high: float) -> None:
    interval = Rate(hits=hits, total=total).interval
    assert interval == pytest.approx((low, high), abs=1e-12)


def test_nothing_measured_has_no_value() -> None:
    rate = Rate(hits=0, total=0)
    assert rate.value is None
    assert rate.interval is None


@pytest.mark.parametrize("rate", [Rate(hits=3, total=7), Rate(hits=0, total=0)])
def test_json_shows_value_and_interval_and_reads_back(rate: Rate) -> None:
    text = rate.model_dump_json()
    assert {"hits", "total", "value", "interval"} == json.loads(text).keys()
    assert Rate.model_validate_json(text) == rate
