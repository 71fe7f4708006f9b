import numpy as np
import pytest

from hubslice.core.rate import Estimate, Reduction
from hubslice.defects.rates import defect_row, paired_reduction


def loop_rate(wrong: list[bool], correct: list[bool]) -> float:
    hits = total = 0
    for image_wrong, image_correct in zip(wrong, correct, strict=True):
        if image_correct:
            total += 1
            hits += image_wrong
    return hits / total


def random_outcomes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hardness = rng.random(n)  # makes the two models' mistakes go together
    return (
        hardness + rng.normal(0, 0.2, n) > 0.8,
        hardness + rng.normal(0, 0.2, n) < 0.95,
        hardness + rng.normal(0, 0.2, n) > 0.4,
        hardness + rng.normal(0, 0.2, n) < 0.9,
    )


def given(reduction: Reduction | None) -> Reduction:
    assert reduction is not None
    return reduction


def test_rows_are_counted_as_a_loop_counts_them() -> None:
    rng = np.random.default_rng(0)
    truth, clean, attacked = (rng.integers(0, 4, 200) for _ in range(3))
    row = defect_row("student", "teacher", truth=truth, clean=clean, attacked=attacked, target=2)
    hits = total = asr_hits = asr_total = 0
    most: dict[int, int] = {}
    for label, before, after in zip(truth.tolist(), clean.tolist(), attacked.tolist(), strict=True):
        if before == label:
            total += 1
            hits += after != label
        if label != 2:
            asr_total += 1
            asr_hits += after == 2
        most[after] = most.get(after, 0) + 1
    assert (row.dir.hits, row.dir.total) == (hits, total)
    assert (row.collapse.hits, row.collapse.total) == (max(most.values()), 200)
    assert row.asr is not None
    assert (row.asr.hits, row.asr.total) == (asr_hits, asr_total)


def test_without_a_target_there_is_no_asr() -> None:
    none = np.zeros(3, dtype=np.int64)
    assert defect_row("student", "teacher", truth=none, clean=none, attacked=none).asr is None


def test_a_model_that_is_never_right_has_no_dir() -> None:
    truth = np.zeros(3, dtype=np.int64)
    row = defect_row("student", "teacher", truth=truth, clean=truth + 1, attacked=truth + 1)
    assert row.dir.total == 0
    assert row.dir.value is None


def test_bootstrap_equals_a_loop_over_the_same_resamples() -> None:
    arrays = random_outcomes(120, seed=3)
    reduction = given(paired_reduction(*arrays, seed=7, resamples=300))
    student_wrong, student_correct, base_wrong, base_correct = arrays
    kinds: dict[int, list[tuple[bool, bool, bool, bool]]] = {kind: [] for kind in range(9)}
    for sw, sc, bw, bc in zip(*(array.tolist() for array in arrays), strict=True):
        kinds[3 * (sc + (sc and sw)) + (bc + (bc and bw))].append((sw, sc, bw, bc))
    rng = np.random.default_rng(7)
    shares = np.array([len(kinds[kind]) for kind in range(9)]) / 120
    differences, ratios = [], []
    for _ in range(300):
        drawn = rng.multinomial(120, shares)
        images = [kinds[kind][0] for kind in range(9) for _ in range(drawn[kind])]
        sw, sc, bw, bc = (list(column) for column in zip(*images, strict=True))
        student, base = loop_rate(sw, sc), loop_rate(bw, bc)
        differences.append(base - student)
        ratios.append(1 - student / base)
    student = loop_rate(student_wrong.tolist(), student_correct.tolist())
    base = loop_rate(base_wrong.tolist(), base_correct.tolist())
    assert reduction.difference.value == pytest.approx(base - student, abs=1e-12)
    assert reduction.relative is not None
    assert reduction.relative.value == pytest.approx(1 - student / base, abs=1e-12)
    for estimate, draws in ((reduction.difference, differences), (reduction.relative, ratios)):
        ends = np.percentile(draws, [2.5, 97.5])
        assert (estimate.low, estimate.high) == pytest.approx(tuple(ends), abs=1e-12)


def test_bootstrap_agrees_with_drawing_images() -> None:
    arrays = random_outcomes(300, seed=1)
    reduction = given(paired_reduction(*arrays, seed=0))
    rng = np.random.default_rng(99)
    differences = []
    for _ in range(4000):
        picked = rng.integers(0, 300, 300)
        sw, sc, bw, bc = (array[picked] for array in arrays)
        differences.append((bw & bc).sum() / bc.sum() - (sw & sc).sum() / sc.sum())
    ends = np.percentile(differences, [2.5, 97.5])
    assert (reduction.difference.low, reduction.difference.high) == pytest.approx(tuple(ends), abs=0.01)


def test_the_common_pair_looks_at_images_both_get_right() -> None:
    sw, sc, bw, bc = random_outcomes(200, seed=5)
    both = sc & bc
    reduction = given(paired_reduction(sw, sc, bw, bc, seed=0))
    inner = given(paired_reduction(sw[both], sc[both], bw[both], bc[both], seed=0))
    assert reduction.common_difference == inner.difference
    assert reduction.common_relative == inner.relative
    assert reduction.common_difference is not None
    assert reduction.common_difference.n == both.sum()
    assert reduction.difference.n == (sc | bc).sum()


@pytest.mark.parametrize(("hits", "given_at_all"), [(19, False), (20, True)])
def test_ratios_need_a_baseline_rate_of_a_fifth(hits: int, given_at_all: bool) -> None:
    right = np.ones(100, dtype=bool)
    base_wrong = np.arange(100) < hits
    reduction = given(paired_reduction(~right, right, base_wrong, right, seed=0))
    assert (reduction.relative is not None) is given_at_all
    assert (reduction.common_relative is not None) is given_at_all
    assert reduction.difference.value == pytest.approx(hits / 100)


def test_certain_outcomes_have_intervals_without_width() -> None:
    right = np.ones(50, dtype=bool)
    reduction = given(paired_reduction(~right, right, right, right, seed=0))
    assert reduction.difference == Estimate(value=1, low=1, high=1, n=50)
    assert reduction.relative == Estimate(value=1, low=1, high=1, n=50)


def test_no_common_image_leaves_the_common_pair_out() -> None:
    first = np.arange(40) < 20
    reduction = given(paired_reduction(first, first, ~first, ~first, seed=0))
    assert reduction.common_difference is None
    assert reduction.common_relative is None


def test_a_model_that_is_never_right_gives_no_reduction() -> None:
    right = np.ones(10, dtype=bool)
    assert paired_reduction(right, ~right, right, right, seed=0) is None


def test_the_seed_fixes_the_interval() -> None:
    arrays = random_outcomes(80, seed=2)
    assert paired_reduction(*arrays, seed=4) == paired_reduction(*arrays, seed=4)
    assert paired_reduction(*arrays, seed=4) != paired_reduction(*arrays, seed=5)
