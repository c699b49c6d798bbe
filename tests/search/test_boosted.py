"""A boost multiplies what a passage counts in the ranking that it is in."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from engine.search.boosted import BoostedSystem
from engine.search.dense import DenseIndex
from engine.search.fusion import POOL, FoundSystem, FusedSystem, Part, reciprocal, standardised
from engine.search.metadata import Metadata, with_metadata
from engine.search.order import id_ranks
from engine.search.systems import DenseSystem

RANKS = id_ranks(list("abcd"))
FOUND = FoundSystem("x", (np.array([[0, 1, 2, 3], [2, 0, -1, -1]]), np.array([[4, 3, 2, 1], [2, 1, 0, 0]], np.float32)))


def test_a_factor_moves_a_passage_and_adds_none() -> None:
    plain = BoostedSystem("x", FOUND, np.zeros(4), RANKS).prepare(["", ""])
    assert plain(4)[0].tolist() == FOUND.ranking[0].tolist()
    boosted = BoostedSystem("x", FOUND, np.log2([0.1, 1, 3, 1]), RANKS).prepare(["", ""])
    rows, scores = boosted(4)
    assert rows.tolist() == [[2, 1, 3, 0], [2, 0, -1, -1]]
    assert (np.diff(scores[0]) <= 0).all()
    assert boosted(2)[0].tolist() == [[2, 1], [2, 0]]


@pytest.mark.filterwarnings("error")
def test_factors_that_no_score_holds_order_passages_all_the_same() -> None:
    rows, scores = BoostedSystem("x", FOUND, np.array([0.0, 900.0, 0.0, 800.0]), RANKS).prepare(["", ""])(4)
    assert rows[0].tolist() == [1, 3, 0, 2]
    assert np.isfinite(scores).all()


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


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5]], ids=["one system", "a fusion"])
def test_a_boost_lifts_the_last_of_the_passages_that_a_filter_lets_pass(weights: list[float]) -> None:
    """Two of four pass, and that which is nearer by a hair is not the one that is boosted a thousand times."""
    texts = ["x", "x", "y", "y"], ["faq", "manual", "faq", "manual"]
    fields = [pa.array(values, pa.large_string()) for values in texts]
    encoder = SimpleNamespace(
        encode_queries=lambda queries: np.array([[0.70, 0.69, 0.1, 0.1]] * len(queries), np.float32)
    )
    dense = DenseSystem("base", encoder, DenseIndex(list("abcd"), np.eye(4, dtype=np.float32)))  # type: ignore[arg-type]
    fused = FusedSystem("chosen", [Part(dense, weight) for weight in weights], RANKS)
    metadata = Metadata(pa.table(fields, names=["topic", "source"]))
    for boost, expected in ((["source=faq:1"], [0, 1]), (["source=manual:1000"], [1, 0])):
        [rows], _ = with_metadata(fused, metadata, RANKS, ["topic=x"], boost).prepare([""])(5)
        assert rows[rows >= 0].tolist() == expected


def test_equal_passages_of_a_complete_ranking_are_ordered_by_their_factors() -> None:
    equal = FoundSystem("x", (np.array([[0, 1, 2]]), np.ones((1, 3), np.float32)))
    rows, scores = BoostedSystem("x", equal, np.log2([1, 2, 4, 1]), RANKS).prepare([""])(3)
    assert rows.tolist() == [[2, 1, 0]]
    assert scores[0] == pytest.approx([4, 2, 1])


def test_a_ranking_that_may_have_been_cut_counts_from_its_last_place() -> None:
    rows, scores = np.arange(POOL)[None], np.linspace(1, 0, POOL, dtype=np.float32)[None]
    factors = np.zeros(POOL)
    factors[-1] = 10
    boosted = BoostedSystem("x", FoundSystem("x", (rows, scores)), factors, np.arange(POOL))
    found, counted = boosted.prepare([""])(POOL)
    assert found.tolist() == rows.tolist()
    assert counted[0] == pytest.approx(standardised((rows, scores))[0])
