"""A boost multiplies what a passage counts in the ranking that it is in."""

from __future__ import annotations

import numpy as np

from engine.search.boosted import BoostedSystem
from engine.search.fusion import FoundSystem, reciprocal
from engine.search.order import id_ranks

RANKS = id_ranks(list("abcd"))
FOUND = FoundSystem("x", (np.array([[0, 1, 2, 3], [2, 0, -1, -1]]), np.array([[4, 3, 2, 1], [2, 1, 0, 0]], np.float32)))


def test_a_factor_moves_a_passage_and_adds_none() -> None:
    plain = BoostedSystem("x", FOUND, np.ones(4), RANKS).prepare(["", ""])
    assert plain(4)[0].tolist() == FOUND.ranking[0].tolist()
    boosted = BoostedSystem("x", FOUND, np.array([0.1, 1, 3, 1]), RANKS).prepare(["", ""])
    rows, scores = boosted(4)
    assert rows.tolist() == [[2, 1, 0, 3], [2, 0, -1, -1]]
    assert (np.diff(scores[0]) <= 0).all()
    assert boosted(2)[0].tolist() == [[2, 1], [2, 0]]


def test_negative_scores_are_boosted_upwards_too() -> None:
    below = FoundSystem("x", (FOUND.ranking[0], FOUND.ranking[1] - 10))
    assert BoostedSystem("x", below, np.array([1, 4, 1, 1.0]), RANKS).prepare(["", ""])(1)[0][0].tolist() == [1]
    ranks = BoostedSystem("x", below, np.array([1, 1, 1, 2.0]), RANKS, reciprocal)
    assert ranks.prepare(["", ""])(1)[0][0].tolist() == [3]
