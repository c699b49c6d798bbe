"""The benchmark of judges: its cases, and the figures that it computes without a model."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import judge


def test_the_auc_of_a_judge_is_the_share_of_pairs_in_the_right_order() -> None:
    figures, other = np.array([0.9, 0.5, 0.2]), np.array([0.5, 0.1, 0.3])
    pairs = [(a > b) + 0.5 * (a == b) for a in figures for b in other]
    assert judge.auc(figures, other, np.ones(3)) == pytest.approx(np.mean(pairs))
    twice = np.array([2.0, 0.0, 1.0])
    drawn = judge.auc(figures[[0, 0, 2]], other[[0, 0, 2]], np.ones(3))
    assert judge.auc(figures, other, twice) == pytest.approx(drawn), "a weight is how often a passage was drawn"
    low, high = judge.interval(figures, other)
    assert 0 <= low < high <= 1


def test_the_cases_of_the_judge_are_two_hundred_and_each_passage_has_both_kinds() -> None:
    cases = judge.read_cases()
    assert (len(cases.passages), len(set(cases.questions))) == (100, 200)
    assert len(set(cases.passages)) == 100
    assert all(cases.questions[3 * place + 2] == cases.questions[3 * ((place + 37) % 100)] for place in range(100))
