"""The paired bootstrap over clusters agrees with scipy and with a plain loop, is seeded, and knows no order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures, cluster_totals


def single(values: Floats) -> list[str]:
    """A cluster for each value, named so that their order is that of the values."""
    return [f"{number:06}" for number in range(len(values))]


def figures_of(values: Floats, bootstrap: Bootstrap | None = None, level: float = 0.95) -> DifferenceFigures:
    """The mean of independent values with its interval."""
    return (bootstrap or Bootstrap()).resample({"x": values}, single(values))["x"].figures(level)


@pytest.mark.parametrize("count", [2, 5, 30, 300])
def test_interval_and_p_of_independent_values_are_those_of_the_t_test(count: int) -> None:
    values = np.random.default_rng(3).normal(0.02, 0.1, count)
    ours, theirs = figures_of(values), stats.ttest_1samp(values, 0)
    interval = theirs.confidence_interval(0.95)
    assert ours.mean == pytest.approx(float(values.mean()))
    assert ours.high - ours.low == pytest.approx(interval.high - interval.low, rel=0.03)
    assert ours.low + ours.high == pytest.approx(2 * ours.mean)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.02)


def test_error_agrees_with_scipys_bootstrap_where_clusters_are_unequal() -> None:
    rng = np.random.default_rng(4)
    sizes = rng.integers(1, 9, 40)
    values, rows = rng.normal(0.02, 0.1, sizes.sum()), np.repeat(np.arange(40), sizes)
    sums = np.bincount(rows, values)

    def mean(sums: Floats, sizes: Floats, axis: int = -1) -> Floats:
        return sums.sum(axis) / sizes.sum(axis)

    theirs = stats.bootstrap((sums, sizes), mean, n_resamples=10_000, paired=True, rng=1).standard_error
    ours = Bootstrap().resample({"x": values}, [f"{row:02}" for row in rows])["x"].figures()
    assert (ours.high - ours.low) / 2 == pytest.approx(stats.t.ppf(0.975, 39) * theirs * (40 / 39) ** 0.5, rel=0.03)


def test_resampling_is_the_plain_loop_over_clusters_whatever_the_block_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eval.significance._CELLS", 10)  # three draws of three clusters at a time
    clusters = {"a": [0.0, 1.0, 4.0], "b": [9.0], "c": [16.0, 25.0]}
    names = [name for name, values in clusters.items() for _ in values]
    values = np.concatenate(list(clusters.values()))
    rng = np.random.default_rng(5)
    plain = []
    for _ in range(40):
        drawn = [clusters["abc"[row]] for row in rng.integers(3, size=3)]
        plain.append(sum(map(sum, drawn)) / sum(map(len, drawn)))
    resampled = Bootstrap(40, seed=5).resample({"x": values, "twice": 2 * values}, names)
    np.testing.assert_allclose(resampled["x"].means, plain)
    np.testing.assert_allclose(resampled["twice"].means, 2 * np.array(plain))
    assert (resampled["x"].queries, resampled["x"].clusters) == (6, 3)


def test_the_order_of_the_queries_changes_no_digit() -> None:
    rng = np.random.default_rng(2)
    values, clusters = rng.normal(size=200), [f"d{number}" for number in rng.integers(30, size=200)]
    order = rng.permutation(200)
    first = Bootstrap(300).resample({"x": values}, clusters)["x"]
    second = Bootstrap(300).resample({"x": values[order]}, [clusters[row] for row in order])["x"]
    assert first.mean == second.mean
    assert first.means.tolist() == second.means.tolist()


def test_totals_of_clusters_are_sorted_by_name() -> None:
    sizes, sums = cluster_totals([np.array([1.0, 2.0, 4.0]), np.array([0.0, 1.0, 1.0])], ["b", "a", "b"])
    assert sizes.tolist() == [1, 2]
    assert sums.tolist() == [[2, 1], [5, 1]]


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 50)
    assert figures_of(values, Bootstrap(seed=4)) == figures_of(values, Bootstrap(seed=4))
    assert figures_of(values, Bootstrap(seed=4)) != figures_of(values, Bootstrap(seed=5))


def test_a_higher_level_is_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(0, 1, 50)
    wide, narrow = figures_of(values, level=0.99), figures_of(values, level=0.8)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_p_falls_with_the_effect_and_is_one_without_any() -> None:
    same = figures_of(np.zeros(30))
    assert (same.mean, same.low, same.high, same.p) == (0, 0, 0, 1)
    better = figures_of(np.ones(30))
    assert better.low > 0
    assert better.p < 0.001


def test_coverage_is_about_what_the_level_says() -> None:
    rng = np.random.default_rng(1)
    intervals = [figures_of(rng.normal(1, 1, 60), Bootstrap(400, seed=run)) for run in range(300)]
    assert 0.90 < np.mean([interval.low <= 1 <= interval.high for interval in intervals]) < 0.98


def test_few_clusters_call_chance_a_difference_no_oftener_than_many() -> None:
    rng, names = np.random.default_rng(6), [f"d{number // 4}" for number in range(40)]
    columns = {run: np.repeat(rng.normal(0, 1, 10), 4) + rng.normal(0, 1, 40) for run in range(1_000)}
    means = Bootstrap(1_000).resample(columns, names).values()
    wrong = np.mean([not interval.low <= 0 <= interval.high for interval in (mean.figures() for mean in means)])
    assert wrong < 0.07, "5 % of 1,000 has a standard error of 0.7 %; percentiles have 10 %"


def test_one_cluster_says_nothing_of_others() -> None:
    alone = Bootstrap(100).resample({"x": np.full(500, 0.1)}, ["bees"] * 500)["x"]
    figures = replace(alone, limits=(-1, 1)).figures()
    assert (figures.mean, figures.ci95, figures.p) == (pytest.approx(0.1), (-1, 1), 1)
    assert alone.figures().ci95 == (-np.inf, np.inf)


def test_no_interval_goes_beyond_what_the_mean_can_be() -> None:
    resampled = Bootstrap(100).resample({"x": np.array([-0.5, 1.0])}, ["bees", "tea"])["x"]
    free, cut = resampled.figures(), replace(resampled, limits=(-1, 1)).figures()
    assert free.low < -1 < 1 < free.high
    assert cut == DifferenceFigures(free.mean, (-1, 1), free.p)


def test_no_queries_give_an_empty_interval_and_unpaired_arrays_are_a_defect() -> None:
    nothing = Bootstrap().resample({"x": np.zeros(0)}, [])["x"]
    assert (nothing.queries, nothing.figures().ci95, nothing.figures().p) == (0, (0, 0), 1)
    with pytest.raises(AssertionError, match="not paired with 3 queries"):
        Bootstrap().resample({"x": np.zeros(3), "y": np.zeros(4)}, list("abc"))
