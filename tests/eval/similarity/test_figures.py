"""Correlations are scipy's, on the pairs and on every resample of them; pairs with a text in common go together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from eval.significance import Bootstrap
from eval.similarity.figures import shared_text_clusters, similarity_figures

RNG = np.random.default_rng(0)
GRADES = np.round(RNG.random(80) * 5) / 5
SCORES = {"base": GRADES + RNG.normal(0, 0.6, 80), "tuned": np.round(GRADES + RNG.normal(0, 0.2, 80), 1)}
ALONE = [str(number) for number in range(80)]


def test_correlations_are_those_of_scipy_with_ties() -> None:
    figures = similarity_figures(GRADES, SCORES, ALONE, Bootstrap(200), of=500)
    for name, scores in SCORES.items():
        assert figures.systems[name]["pearson"] == pytest.approx(pearsonr(GRADES, scores).statistic)
        assert figures.systems[name]["spearman"] == pytest.approx(spearmanr(GRADES, scores).statistic)
    difference = figures.systems["tuned"]["spearman"] - figures.systems["base"]["spearman"]
    assert figures.difference["spearman"].mean == pytest.approx(difference)
    assert figures.difference["spearman"].low > 0, "a third of the noise is surely better"
    assert (figures.pairs, figures.of, figures.clusters) == (80, 500, 80)


def test_the_interval_is_that_of_a_plain_bootstrap_of_whole_groups() -> None:
    clusters = [f"{number // 4:02d}" for number in range(80)]
    figures = similarity_figures(GRADES, SCORES, clusters, Bootstrap(2000, seed=1))
    rng, draws = np.random.default_rng(5), []
    for _ in range(2000):
        rows = np.concatenate([np.arange(4 * group, 4 * group + 4) for group in rng.integers(20, size=20)])
        draws.append(spearmanr(GRADES[rows], SCORES["base"][rows]).statistic)
    low, high = figures.ci95["base"]["spearman"]
    assert figures.clusters == 20
    # A t interval of 20 groups is 2.093 errors wide on either side, with the errors multiplied by sqrt(20 / 19).
    assert (high - low) / 2 == pytest.approx(2.093 * np.std(draws) * np.sqrt(20 / 19), rel=0.06)


def test_equal_models_do_not_differ_and_the_order_of_pairs_changes_nothing() -> None:
    figures = similarity_figures(GRADES, dict.fromkeys(SCORES, SCORES["base"]), ALONE, Bootstrap(300))
    assert figures.difference["pearson"].mean == 0
    assert figures.difference["pearson"].ci95 == (0, 0)
    order = RNG.permutation(80)
    turned = similarity_figures(
        GRADES[order],
        {name: scores[order] for name, scores in SCORES.items()},
        [ALONE[number] for number in order],
        Bootstrap(300),
    )
    straight = similarity_figures(GRADES, SCORES, ALONE, Bootstrap(300))
    assert turned.ci95["tuned"]["spearman"] == pytest.approx(straight.ci95["tuned"]["spearman"])


def test_scores_that_are_all_equal_order_nothing() -> None:
    flat = {"base": np.full(80, 0.9999999), "tuned": SCORES["tuned"]}
    figures = similarity_figures(GRADES, flat, ALONE, Bootstrap(100))
    assert figures.systems["base"] == {"pearson": 0, "spearman": 0}
    close = {"base": 0.5 + 1e-6 * SCORES["base"], "tuned": SCORES["tuned"]}
    assert similarity_figures(GRADES, close, ALONE, Bootstrap(100)).systems["base"]["pearson"] == pytest.approx(
        pearsonr(GRADES, SCORES["base"]).statistic, abs=1e-6
    )


def test_pairs_with_a_text_in_common_are_one_group() -> None:
    groups = shared_text_clusters(["a", "c", "E  e", "x"], ["b", "d", "B", "y"])
    assert groups[0] == groups[2] != groups[1]
    assert len(set(groups)) == 3
    joined = shared_text_clusters(["a", "c", "b", "x"], ["b", "d", "D", "x"])
    assert len({*joined[:3]}) == 1, "the third pair joins the first two"
    assert shared_text_clusters([], []) == []
