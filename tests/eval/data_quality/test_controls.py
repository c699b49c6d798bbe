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


def texts_of(count: int, vocabulary: int, seed: int, length: int = 30) -> list[str]:
    """Texts of so many words."""
    draws = np.random.default_rng(seed).integers(vocabulary, size=(count, length))
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


def test_longer_texts_are_not_taken_for_more_alike() -> None:
    short, long = texts_of(40, 50, 1, length=15), texts_of(40, 50, 2, length=60)
    figures = compared(long, short)
    assert figures.samples[CONDITIONED].distinct[2] < figures.samples[CONTROLS].distinct[2] - 0.2, "of as many texts"
    assert (figures.pairs, figures.mean_words) == (40 * 14, {CONDITIONED: 60, CONTROLS: 15})
    assert abs(figures.difference) < 0.05
    assert figures.p > 0.05
    various = compared(texts_of(40, 400, 3, length=60), short)
    assert various.difference > 0.08, "what differs is told whichever side is longer"
    assert various.p == 1 / 200


def test_the_share_of_different_pairs_falls_with_their_number() -> None:
    figures = compared(texts_of(60, 50, 1), texts_of(60, 20, 2))
    assert figures.pairs == 60 * 29
    for name, growth in figures.growth.items():
        assert list(growth) == [20, 50, 100, 200, 500, 1740]
        assert sorted(growth.values(), reverse=True) == list(growth.values())
        assert growth[1740] == figures.shares[name] == pytest.approx(figures.samples[name].distinct[2])
    few = texts_of(3, 20, 1)
    only = compared(few, few)
    assert only.difference == 0
    assert only.p == 1
    assert list(only.growth[CONDITIONED]) == [10, 20, 87]
    assert only.shares[CONDITIONED] == pytest.approx(distinct_n(few, 2))


def test_texts_without_a_pair_of_words() -> None:
    figures = compared(["a"], ["b"])
    assert (figures.pairs, figures.difference, figures.p) == (0, 0, 1)
    assert figures.growth == {CONDITIONED: {}, CONTROLS: {}}
