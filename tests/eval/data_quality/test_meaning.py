"""Vectors say how many different queries there are, and how near synthetic ones are to real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from engine.search.order import Vectors
from eval.data_quality.meaning import describe_meaning


def encode(texts: Sequence[str]) -> Vectors:
    """A vector that counts the letters a to d."""
    return np.array([[1e-3 + text.count(letter) for letter in "abcd"] for text in texts], np.float32)


def test_queries_that_ask_for_the_same_count_as_one_and_are_near() -> None:
    same = describe_meaning({"synthetic": ["ab", "ba", "abab", "aabb"]}, encode)["synthetic"]
    apart = describe_meaning({"synthetic": ["a", "b", "c", "d"]}, encode)["synthetic"]
    assert (same.texts, apart.texts) == (4, 4)
    assert same.vendi == pytest.approx(1, abs=0.01)
    assert apart.vendi == pytest.approx(4, abs=0.02)
    assert same.dispersion == pytest.approx(0, abs=1e-3)
    assert same.nearest == pytest.approx(1, abs=1e-3)
    assert apart.nearest == pytest.approx(0, abs=0.01)
    assert apart.nearest_other is None


def test_samples_are_of_one_size_and_each_text_stands_once() -> None:
    texts = {"synthetic": ["a", "b", "b", "b", "c", "d", " "], "real": ["aa", "bb"]}
    figures = describe_meaning(texts, encode)
    assert {kind: row.texts for kind, row in figures.items()} == {"synthetic": 2, "real": 2}
    assert figures == describe_meaning({kind: listed[::-1] for kind, listed in texts.items()}, encode)
    covered = describe_meaning({"synthetic": ["a", "b"], "real": ["aa", "bb"]}, encode)
    assert covered["real"].nearest_other == pytest.approx(1, abs=0.01)
    assert covered["real"].nearest == pytest.approx(0, abs=0.01)
    assert describe_meaning({"synthetic": [], "real": []}, encode) == {}
    assert describe_meaning({"synthetic": ["a"], "real": []}, encode)["synthetic"].nearest is None
    assert describe_meaning({"synthetic": ["a", "b", "c"]}, encode, limit=2)["synthetic"].texts == 2
