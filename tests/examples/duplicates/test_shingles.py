"""Shingles do not depend on how texts are cut into chunks, and their similarity is that of sets."""

import numpy as np
import pytest

from engine.examples.duplicates.exact import normalise
from engine.examples.duplicates.shingles import Shingles, jaccard, shingle

TEXTS = [f"what is the speed of jet {number} in a{'n' * (number % 5)} air stream" for number in range(60)]


def test_chunks_change_no_shingle(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = shingle(normalise(TEXTS), 4)
    monkeypatch.setattr("engine.examples.duplicates.shingles._TEXTS_AT_ONCE", 7)
    parts = shingle(normalise(TEXTS), 4)
    assert (whole.values == parts.values).all()
    assert (whole.offsets == parts.offsets).all()


def test_a_text_has_as_many_shingles_as_different_windows() -> None:
    texts = ["abcabc", "abcd", "ab", "", "\u6771\u4eac\u306e\u4eba\u53e3"]
    assert shingle(normalise(texts), 3).sizes.tolist() == [3, 2, 1, 1, 3]


def test_jaccard_is_that_of_plain_sets() -> None:
    width = 4
    sets = [{text[i : i + width] for i in range(len(text) - width + 1)} for text in TEXTS]
    left, right = (side.ravel() for side in np.meshgrid(range(60), range(60)))
    plain = [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in zip(left, right, strict=True)]
    assert np.allclose(jaccard(shingle(normalise(TEXTS), width), left, right), plain)


def test_jaccard_of_rows_of_different_length() -> None:
    values = np.array([1, 2, 3, 2, 3, 4, 5, 9], np.uint32)
    shingles = Shingles(values, np.array([0, 3, 7, 8]))
    assert jaccard(shingles, np.array([0, 0, 1, 2]), np.array([1, 2, 1, 2])).tolist() == [2 / 5, 0.0, 1.0, 1.0]
