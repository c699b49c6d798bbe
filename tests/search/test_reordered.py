"""Passages in another order: by what a model said alone, or beside the first order; the others follow."""

from __future__ import annotations

import numpy as np
import pytest

from engine.search.fusion import FoundSystem
from engine.search.reordered import ReorderedSystem, reordered

ROWS = np.array([7, 3, 5, 1, -1])
SCORES = np.array([4.0, 3.0, 2.0, 1.0, 0.0], np.float32)
ASKED = np.array([5, 7, 3])


def test_what_was_asked_about_is_ordered_by_the_model_alone_and_goes_first() -> None:
    rows, scores = reordered((ROWS, SCORES), ASKED, np.array([-1.0, -3.0, -2.0]), 1.0)
    assert rows.tolist() == [5, 3, 7, 1, -1]
    assert (np.diff(scores[:4]) < 0).all()


def test_both_scores_are_standardised_and_weighted() -> None:
    figures = np.array([-1.0, -3.0, -2.0])
    rows, scores = reordered((ROWS, SCORES), ASKED, figures, 0.4)
    said, first = (np.array(values) / np.std(values) for values in ([-1.0, 1.0, 0.0], [1.0, -1.0, 0.0]))
    expected = dict(zip([7, 5, 3], 0.4 * said + 0.6 * first, strict=True))
    assert rows[:3].tolist() == sorted(expected, key=expected.__getitem__, reverse=True) == [7, 3, 5]
    assert scores[:3] == pytest.approx(sorted(expected.values(), reverse=True))


@pytest.mark.filterwarnings("error")
def test_a_passage_that_could_not_be_scored_counts_as_the_lowest() -> None:
    rows, _ = reordered((ROWS, SCORES), ASKED, np.array([-1.0, np.nan, -2.0]), 1.0)
    assert rows[:3].tolist() == [5, 7, 3], "equal ones stay in the first order"
    unchanged, _ = reordered((ROWS, SCORES), ASKED, np.full(3, np.nan), 1.0)
    assert unchanged.tolist() == ROWS.tolist()


def test_passages_that_are_no_more_found_are_passed_over() -> None:
    rows, _ = reordered((ROWS, SCORES), np.array([1, 99]), np.array([0.0, 5.0]), 1.0)
    assert rows.tolist() == [1, 7, 3, 5, -1]
    assert reordered((ROWS, SCORES), np.array([99]), np.array([0.0]), 1.0)[0].tolist() == ROWS.tolist()


def test_it_is_a_system_to_any_depth_and_refuses_queries_that_it_has_no_scores_for() -> None:
    first = FoundSystem("first", (ROWS[None], SCORES[None]))
    known = {"bees": (ASKED, np.array([-1.0, -3.0, -2.0]))}
    system = ReorderedSystem("x", first, known.__getitem__, 1.0)
    search = system.prepare(["bees"])
    assert search(2)[0].tolist() == [[5, 3]]
    assert search(5)[0].tolist() == [[5, 3, 7, 1, -1]]
    with pytest.raises(KeyError):
        system.prepare(["tea"])
