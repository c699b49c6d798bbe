"""The paired bootstrap agrees with scipy's and with a plain loop, and is seeded."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from eval.significance import Bootstrap, resampled_means


def test_interval_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    before = rng.random(120)
    after = before + rng.normal(0.02, 0.1, 120)
    ours = Bootstrap().difference(before, after)
    theirs = stats.bootstrap((after - before,), np.mean, n_resamples=10_000, method="percentile", rng=1)
    assert ours.mean == pytest.approx(float((after - before).mean()))
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.001)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.001)


def test_resampling_is_the_plain_loop_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.significance._CELLS", 50)  # seven draws of seven values at a time
    values = np.array([0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0])
    rng = np.random.default_rng(5)
    plain = [sum(float(values[row]) for row in rng.integers(7, size=7)) / 7 for _ in range(40)]
    np.testing.assert_allclose(resampled_means(values, 40, 5), plain)


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 50)
    assert Bootstrap(seed=4).mean(values) == Bootstrap(seed=4).mean(values)
    assert Bootstrap(seed=4).mean(values) != Bootstrap(seed=5).mean(values)


def test_p_falls_with_the_effect_and_is_one_without_any() -> None:
    same = Bootstrap().difference(np.ones(30), np.ones(30))
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = Bootstrap().difference(np.zeros(30), np.ones(30))
    assert better.low > 0
    assert better.p < 0.001


def test_p_agrees_with_the_t_test_where_both_hold() -> None:
    values = np.random.default_rng(8).normal(0.15, 1, 200)
    assert Bootstrap().mean(values).p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.02)


def test_coverage_is_about_what_the_level_says() -> None:
    rng = np.random.default_rng(1)
    intervals = [Bootstrap(resamples=400, seed=run).mean(rng.normal(1, 1, 60)) for run in range(300)]
    assert 0.90 < np.mean([interval.low <= 1 <= interval.high for interval in intervals]) < 0.98


def test_no_queries_give_an_empty_interval_and_unpaired_arrays_are_a_defect() -> None:
    assert Bootstrap().mean(np.zeros(0)).queries == 0
    with pytest.raises(AssertionError, match="not paired"):
        Bootstrap().difference(np.zeros(3), np.zeros(4))
