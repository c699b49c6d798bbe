"""Texts that differ more from one another than controls are told from texts that do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from eval.data_quality.controls import CONDITIONED, CONTROLS, ControlFigures, compare_with_controls
from eval.data_quality.diversity import distinct_n
from eval.retrieval.metrics import Floats


def encode(texts: Sequence[str]) -> Floats:
    """A vector of each text by its letters."""
    return np.array([[text.count(letter) + 0.1 for letter in "abcdefghij"] for text in texts], np.float64)


def texts_of(count: int, vocabulary: int, seed: int) -> list[str]:
    """Texts of 30 words."""
    draws = np.random.default_rng(seed).integers(vocabulary, size=(count, 30))
    return [" ".join(f"{'abcdefghij'[number % 10]}{number}" for number in row) for row in draws]


def compared(conditioned: list[str], controls: list[str]) -> ControlFigures:
    return compare_with_controls(conditioned, controls, encode, 0, permutations=199)


def test_more_different_texts_are_told_apart() -> None:
    various, alike = texts_of(60, 400, 1), texts_of(40, 20, 2)
    figures = compared(various, alike)
    assert {name: sample.texts for name, sample in figures.samples.items()} == {CONDITIONED: 40, CONTROLS: 40}
    assert figures.difference > 0.3
    assert figures.p == 1 / 200, "no draw came near"
    assert figures.samples[CONTROLS].self_bleu > figures.samples[CONDITIONED].self_bleu
    assert figures.mean_words == {CONDITIONED: 30, CONTROLS: 30}
    swapped = compared(alike, various)
    assert swapped.difference < -0.3
    assert swapped.p == figures.p


def test_texts_of_one_kind_are_not() -> None:
    found = [compared(texts_of(40, 50, seed), texts_of(40, 50, 100 + seed)).p for seed in range(10)]
    assert np.mean([p > 0.05 for p in found]) >= 0.8
    assert min(found) < 0.9, "p is not always 1"


def test_the_share_of_different_pairs_falls_with_the_number_of_texts() -> None:
    figures = compared(texts_of(60, 50, 1), texts_of(60, 20, 2))
    for name, growth in figures.growth.items():
        assert list(growth) == [10, 20, 50, 60]
        assert sorted(growth.values(), reverse=True) == list(growth.values())
        assert growth[60] == pytest.approx(figures.samples[name].distinct[2])
    few = texts_of(3, 20, 1)
    only = compared(few, few)
    assert only.difference == 0
    assert only.p == 1
    assert only.growth[CONDITIONED] == {3: pytest.approx(distinct_n(few, 2))}


def test_texts_without_a_pair_of_words() -> None:
    figures = compared(["a"], ["b"])
    assert (figures.difference, figures.p) == (0, 1)
