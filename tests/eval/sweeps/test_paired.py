"""Differences between settings: intervals, p, and Holm over what is really compared."""

from __future__ import annotations

import numpy as np
import pytest

from eval.comparisons import holm, randomisation_p
from eval.significance import Bootstrap
from eval.sweeps.paired import compare_differences, compare_with

BOOTSTRAP = Bootstrap(1000, seed=1)
RNG = np.random.default_rng(0)
CLUSTERS = [f"d{number // 2}" for number in range(80)]


def test_a_clear_difference_is_significant_and_noise_is_not() -> None:
    base = RNG.random(80)
    values = {"base": base, "better": base + 0.1, "worse": base - 0.1, "noise": base + RNG.normal(0, 0.1, 80)}
    compared = compare_with(values, "base", CLUSTERS, BOOTSTRAP)
    assert {name: paired.trend for name, paired in compared.items()} == {
        "better": "better",
        "worse": "worse",
        "noise": "unclear",
    }
    assert compared["better"].difference.mean == pytest.approx(0.1)


def test_p_is_corrected_for_all_that_differ() -> None:
    differences = {"first": RNG.normal(0.02, 0.1, 80), "second": RNG.normal(0.03, 0.1, 80), "same": np.zeros(80)}
    compared = compare_differences(differences, CLUSTERS, BOOTSTRAP)
    p_values = {name: randomisation_p(differences[name], CLUSTERS, 1000, 1) for name in ("first", "second")}
    assert {name: compared[name].p for name in p_values} == p_values
    assert {name: compared[name].p_holm for name in p_values} == holm(p_values)
    assert (compared["same"].p, compared["same"].p_holm, compared["same"].trend) == (1.0, 1.0, "unclear")
