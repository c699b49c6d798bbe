"""The randomisation test is Fisher's, and Holm's correction is that of his paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import permutation_test

from eval.comparisons import compare_systems, holm, randomisation_p

SINGLE = [f"q{number}" for number in range(10)]


@pytest.mark.parametrize("seed", range(4))
def test_with_few_queries_all_signs_are_tried_as_in_scipy(seed: int) -> None:
    differences = np.random.default_rng(seed).normal(0.3, 1, 10)
    theirs = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert randomisation_p(differences, SINGLE) == pytest.approx(theirs, abs=1e-12)


def test_with_many_queries_signs_are_drawn_and_p_is_near_the_exact_one() -> None:
    differences = np.random.default_rng(0).normal(0.4, 1, 10)
    exact, drawn = randomisation_p(differences, SINGLE), randomisation_p(differences, SINGLE, resamples=1000)
    assert drawn == pytest.approx(exact, abs=0.05)
    assert drawn != exact
    assert randomisation_p(np.ones(400), [str(number) for number in range(400)], 999) == pytest.approx(0.001)


def test_queries_of_one_document_are_turned_together() -> None:
    differences = np.ones(12)
    assert randomisation_p(differences, ["a"] * 12) == 1, "one document says nothing of others"
    assert randomisation_p(differences, ["a"] * 6 + ["b"] * 6) == 0.5
    assert randomisation_p(differences, [str(number) for number in range(12)]) == 2 / 2**12


def test_the_order_of_queries_changes_nothing() -> None:
    differences = np.random.default_rng(0).normal(0.1, 1, 40)
    clusters = [str(number // 2) for number in range(40)]
    assert randomisation_p(differences, clusters) == randomisation_p(differences[::-1], clusters[::-1])
    assert randomisation_p(np.zeros(40), clusters) == 1


def test_chance_is_called_a_difference_as_often_as_the_level_says() -> None:
    rng = np.random.default_rng(0)
    p_values = [randomisation_p(rng.normal(size=10), SINGLE) for _ in range(400)]
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.08


def test_holm_steps_down() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx(
        {"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02}
    )
    assert list(holm({"b": 0.9, "a": 0.8})) == ["b", "a"]
    assert holm({"b": 0.9, "a": 0.8}) == {"b": 1, "a": 1}
    assert holm({}) == {}


def test_every_system_is_compared_with_one() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(60)
    values = {"base": base, "same": base, "better": base + rng.normal(0.2, 0.1, 60)}
    compared = compare_systems(values, "base", [str(number) for number in range(60)])
    assert set(compared) == {"same", "better"}
    assert (compared["same"].p, compared["same"].difference) == (1, 0)
    assert compared["better"].p_holm == pytest.approx(2 * compared["better"].p)
    assert compared["better"].p_holm < 0.01
