"""What scores are like: sums over batches are those over all queries, and what was not scored is left out."""

from __future__ import annotations

import numpy as np
import pytest

from training.teachers.figures import Tally, is_scored

SCORES = np.array([[3, 1, 2], [1, 1, 0], [1, 3, 2], [np.nan, 5, 5]], np.float32)


def test_figures_are_of_the_queries_that_were_scored() -> None:
    tally = Tally()
    for part in (SCORES[:1], SCORES[1:]):
        tally.add(part)
    record = tally.record(3, 5)
    assert (record.queries, record.unscored, record.candidates, record.drawn) == (4, 1, 3, 5)
    assert record.own_first == pytest.approx(2 / 3, abs=1e-4)
    assert record.own_rank == pytest.approx((1 + 1 + 3) / 3, abs=1e-4)
    assert record.spread == pytest.approx(SCORES[:3].std(axis=1).mean(), abs=1e-5)
    assert is_scored(SCORES).tolist() == [True, True, True, False]


def test_nothing_scored_is_no_error() -> None:
    tally = Tally()
    tally.add(SCORES[3:])
    assert tally.record(3, 0).own_rank == 0
