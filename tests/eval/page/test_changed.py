"""Queries are sorted by what they gained and lost."""

from __future__ import annotations

import numpy as np

from eval.page.changed import Moved, moved_most


def test_gains_and_losses_are_apart_and_the_largest_stand_first() -> None:
    moved = moved_most(np.array([0.1, -0.2, 0.0, 0.3, -0.4, 0.1]))
    assert moved == Moved(better=[3, 5, 0], worse=[4, 1], num_same=1)


def test_without_queries_nothing_moved() -> None:
    assert moved_most(np.array([])) == Moved([], [], 0)
