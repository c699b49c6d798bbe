"""A boost multiplies what a passage counts in the ranking that it is in."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from engine.search.boosted import BoostedSystem
from engine.search.fusion import FoundSystem, reciprocal
from engine.search.metadata import Metadata, with_metadata
from engine.search.order import id_ranks

RANKS = id_ranks(list("abcd"))
FOUND = FoundSystem("x", (np.array([[0, 1, 2, 3], [2, 0, -1, -1]]), np.array([[4, 3, 2, 1], [2, 1, 0, 0]], np.float32)))


def test_a_factor_moves_a_passage_and_adds_none() -> None:
    plain = BoostedSystem("x", FOUND, np.zeros(4), RANKS).prepare(["", ""])
    assert plain(4)[0].tolist() == FOUND.ranking[0].tolist()
    boosted = BoostedSystem("x", FOUND, np.log2([0.1, 1, 3, 1]), RANKS).prepare(["", ""])
    rows, scores = boosted(4)
    assert rows.tolist() == [[2, 1, 0, 3], [2, 0, -1, -1]]
    assert (np.diff(scores[0]) <= 0).all()
    assert boosted(2)[0].tolist() == [[2, 1], [2, 0]]


def test_negative_scores_are_boosted_upwards_too() -> None:
    below = FoundSystem("x", (FOUND.ranking[0], FOUND.ranking[1] - 10))
    assert BoostedSystem("x", below, np.log2([1, 4, 1, 1]), RANKS).prepare(["", ""])(1)[0][0].tolist() == [1]
    ranks = BoostedSystem("x", below, np.log2([1, 1, 1, 2]), RANKS, reciprocal)
    assert ranks.prepare(["", ""])(1)[0][0].tolist() == [3]


@pytest.mark.parametrize("half_life", ["180d", "7d", "1d", "0.001d"])
def test_passages_of_any_age_are_ordered_by_it_and_not_by_id(half_life: str) -> None:
    """All but one that nobody finds are years old, the more relevant the younger, and their ids say the opposite."""
    days = [0, *range(1100, 3650, 50)]
    dates = Metadata(pa.table({"date": pa.array([date(2024, 1, 1) - timedelta(age) for age in days], pa.date32())}))
    rows = np.arange(1, len(days))[None]
    found = FoundSystem("x", (rows, np.linspace(1, 0, rows.size, dtype=np.float32)[None]))
    ranks = np.arange(len(days))[::-1].copy()
    boosted, scores = with_metadata(found, dates, ranks, boost=[f"date={half_life}"]).prepare([""])(100)
    assert boosted.tolist() == rows.tolist()
    assert np.isfinite(scores).all()
