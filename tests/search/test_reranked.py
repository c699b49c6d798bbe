"""Reranking orders the first passages of another system by new scores, and scores a pair once where it is told to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.search.fusion import FoundSystem, FusedSystem, Part
from engine.search.order import Ranking, id_ranks
from engine.search.reranked import RememberingScorer, RerankedSystem, rescored
from engine.search.systems import Search
from tests.support.scorers import ByNumber

IDS = [f"p{row}" for row in range(8)]
TEXTS = [str(row) for row in range(8)]
RANKS = id_ranks(IDS)
FOUND = FoundSystem(
    "first",
    (np.array([[3, 1, 4, 0, 5], [2, 7, 6, -1, -1]]), np.array([[9, 8, 7, 6, 5], [3, 2, 1, 0, 0]], np.float32)),
)


def test_the_first_passages_are_ordered_anew_and_the_rest_follows() -> None:
    scorer = ByNumber()
    search = RerankedSystem("x", FOUND, scorer, TEXTS, RANKS, depth=3).prepare(["a", "b"])
    rows, scores = search(5)
    assert rows.tolist() == [[4, 3, 1, 0, 5], [6, 2, 7, -1, -1]], "3 and 1 tie, and the larger id goes first"
    assert (np.diff(scores[0]) <= 0).all()
    assert scores[0, 3] < scores[0, 2], "what was not scored stands below what was"
    assert search(2)[0].tolist() == [[4, 3], [6, 2]]
    assert len(scorer.asked) == 6, "a deeper search scores nothing"


def test_a_smaller_depth_follows_from_the_scores_of_a_larger_one() -> None:
    ranking = FOUND.ranking
    scores = np.array([[1, 2, 3, 4, 5], [1, 2, 3, -np.inf, -np.inf]], np.float32)
    for depth, expected in ((1, [3, 1, 4, 0, 5]), (2, [1, 3, 4, 0, 5]), (5, [5, 0, 4, 1, 3])):
        assert rescored(ranking, scores[:, :depth], RANKS)[0][0].tolist() == expected
    assert rescored(ranking, scores, RANKS)[0][1].tolist() == [6, 7, 2, -1, -1]


def test_a_pair_is_scored_once_while_it_is_remembered_and_anew_while_time_is_measured() -> None:
    scorer = ByNumber()
    remembering = RememberingScorer(scorer)
    deep, shallow = (RerankedSystem(str(depth), FOUND, remembering, TEXTS, RANKS, depth) for depth in (5, 2))
    with remembering.remember():
        first = deep.prepare(["a", "b"])(5)
        assert len(scorer.asked) == 8
        shallow.prepare(["a", "b"])(2)
        again = deep.prepare(["a", "b"])(5)
        assert len(scorer.asked) == 8
    np.testing.assert_array_equal(first[0], again[0])
    shallow.prepare(["a", "b"])(2)
    assert len(scorer.asked) == 12


def test_reranked_systems_nest() -> None:
    reranked = RerankedSystem("x", FOUND, ByNumber(), TEXTS, RANKS, depth=3)
    fused = FusedSystem("both", [Part(reranked, 0.5), Part(FOUND, 0.5)], RANKS)
    again = RerankedSystem("again", fused, ByNumber(), TEXTS, RANKS, depth=2)
    assert sorted(again.prepare(["a", "b"])(5)[0][0].tolist()) == [0, 1, 3, 4, 5]
    nothing = FoundSystem("none", (np.full((1, 2), -1), np.zeros((1, 2), np.float32)))
    assert RerankedSystem("x", nothing, ByNumber(), TEXTS, RANKS).prepare(["a"])(2)[0].tolist() == [[-1, -1]]


@pytest.mark.filterwarnings("error")
def test_where_nothing_is_found_nothing_is_scored() -> None:
    scorer = ByNumber()
    nothing = FoundSystem("none", (np.empty((2, 0), np.int64), np.empty((2, 0), np.float32)))
    rows, _ = RerankedSystem("x", nothing, scorer, TEXTS, RANKS).prepare(["a", "b"])(3)
    assert rows.shape == (2, 0)
    assert scorer.asked == []


def test_the_first_stage_is_searched_once_as_deep_as_is_wanted() -> None:
    depths: list[int] = []

    class Noting:
        """The first stage, which notes how deep it is searched."""

        name = "first"

        def prepare(self, queries: Sequence[str]) -> Search:
            search = FOUND.prepare(queries)

            def noted(depth: int) -> Ranking:
                depths.append(depth)
                return search(depth)

            return noted

    search = RerankedSystem("x", Noting(), ByNumber(), TEXTS, RANKS, depth=3).prepare(["a", "b"])
    assert depths == [], "nothing is searched before somebody asks"
    deep, shallow = search(5), search(2)
    assert depths == [5]
    np.testing.assert_array_equal(deep[0][:, :2], shallow[0])
