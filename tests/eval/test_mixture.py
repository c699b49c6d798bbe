"""Shares of sets are found again in a mixture of them."""

from __future__ import annotations

import numpy as np
import pytest

from eval.mixture import mixture


def test_shares_are_those_of_a_mixture() -> None:
    rng = np.random.default_rng(0)
    sets = [rng.normal(mean, 0.03, 300) for mean in (0.9, 0.5, 0.1)]
    mixed = np.concatenate([rng.normal(0.9, 0.03, 600), rng.normal(0.1, 0.03, 200)])
    assert mixture(mixed, sets) == pytest.approx([0.75, 0.0, 0.25], abs=0.03)
    assert mixture(np.empty(0), sets) == pytest.approx([1 / 3] * 3), "nothing seen, nothing preferred"


def test_a_set_whose_queries_are_all_empty_has_no_share() -> None:
    sets = [np.array([0.3, 0.4]), np.full(2, np.nan)]
    assert mixture(np.array([0.0, np.nan]), sets).tolist() == [1.0, 0.0]
