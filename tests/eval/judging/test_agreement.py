"""Kappa is Cohen's, and where people differ the larger grade counts."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from eval.judging.agreement import cohens_kappa, combine_marks, compare_marks, find_disagreements


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_sklearn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(3, size=60).tolist()
    second = [grade if rng.random() < 0.7 else int(rng.integers(3)) for grade in first]
    assert cohens_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)


def test_kappa_of_one_grade_alone_is_not_defined() -> None:
    assert cohens_kappa([1, 1], [1, 1]) is None
    assert cohens_kappa([], []) is None
    assert cohens_kappa([0, 1], [0, 1]) == pytest.approx(1)
    assert cohens_kappa([0, 1], [1, 0]) == pytest.approx(-1)


MARKS = {
    "ann": {("q", "a"): 2, ("q", "b"): 0, ("q", "c"): 1, ("q", "d"): 0},
    "ben": {("q", "a"): 1, ("q", "b"): 2, ("q", "c"): 1, ("q", "e"): 1},
    "eve": {("q", "e"): 1},
}


def test_agreement_is_over_what_both_marked() -> None:
    with_ben, with_eve, _ = compare_marks(MARKS)
    assert (with_ben.first, with_ben.second, with_ben.results) == ("ann", "ben", 3)
    assert with_ben.share == pytest.approx(1 / 3)
    assert with_ben.kappa == pytest.approx(cohen_kappa_score([2, 0, 1], [1, 2, 1]))
    assert (with_eve.results, with_eve.share, with_eve.kappa) == (0, 0, None)


def test_disagreements_are_listed_the_farthest_apart_first() -> None:
    listed = find_disagreements(MARKS)
    assert [(one.pair[1], dict(one.grades)) for one in listed] == [
        ("b", {"ann": 0, "ben": 2}),
        ("a", {"ann": 2, "ben": 1}),
    ]


def test_the_larger_grade_counts_and_no_mark_is_lost() -> None:
    combined = {pair[1]: grade for pair, grade in combine_marks(MARKS).items()}
    assert combined == {"a": 2, "b": 2, "c": 1, "d": 0, "e": 1}
