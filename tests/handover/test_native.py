"""The weight for another normalisation brings the two fusions as near as they can be."""

from __future__ import annotations

import numpy as np
import pytest

from engine.handover.native import compare_fusions, min_max, z_score
from engine.search.order import Ranking


def ranking(*scores: list[float], start: int = 0) -> Ranking:
    """Rankings of the rows from `start` on, in the order of their scores; a score below 0 is no row."""
    values = np.array(scores, np.float32)
    rows = np.where(values < 0, -1, start + np.arange(values.shape[1]))
    return rows, np.where(values < 0, 0, values).astype(np.float32)


def test_min_max_lies_between_nought_and_one() -> None:
    gains = min_max(ranking([8, 4, 2, 0], [3, 1, -1, -1], [5, 5, 5, 5]))
    assert gains[0] == pytest.approx([1, 0.5, 0.25, 0])
    assert gains[1] == pytest.approx([1, 0, 0, 0])
    assert gains[2] == pytest.approx([1, 1, 1, 1])


def test_z_scores_count_what_is_above_the_mean() -> None:
    gains = z_score(ranking([8, 4, 2, 2], [3, 1, -1, -1], [5, 5, 5, 5]))
    assert gains[0] == pytest.approx([4 / 6**0.5, 0, 0, 0])
    assert gains[1] == pytest.approx([1, 0, 0, 0]), "of what was found alone"
    assert not gains[2].any()


def test_rankings_of_one_shape_keep_their_weight_and_their_passages() -> None:
    words, meaning = ranking([9, 5, 4, 0]), ranking([0.9, 0.5, 0.4, 0.0], start=2)
    found = compare_fusions(words, meaning, 0.3, np.arange(6))
    assert found["queries"] == 1
    assert found["min_max_weight"] == found["z_score_weight"] == pytest.approx(0.3)
    assert found["min_max_kept"] == 1.0
    assert found["z_score_kept"] == 1.0, "there are six passages"


def test_a_ranking_with_a_far_first_score_counts_for_less_between_nought_and_one() -> None:
    steep = ranking([100.0, *([1.0] * 50), 0.0])  # its first lies seven standard deviations above its last
    even = ranking([float(score) for score in range(52, 0, -1)], start=52)
    found = compare_fusions(steep, even, 0.5, np.arange(104))
    assert found["min_max_weight"] > 0.6, "so its weight is raised there"
    assert 0 <= found["reciprocal_kept"] <= 1
    assert 0 <= found["z_score_kept"] <= 1


def test_rankings_without_any_difference_keep_the_weight() -> None:
    assert compare_fusions(ranking([1, 1]), ranking([2, 2]), 0.4, np.arange(2))["min_max_weight"] == 0.4
