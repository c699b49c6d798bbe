"""Exact duplicates are found whatever the order, and nothing that means something is folded."""

import numpy as np
import pytest

from engine.examples.duplicates.exact import exact_duplicates, normalise


def test_what_nobody_means_is_folded() -> None:
    ids = np.array([9, 3, 5, 7, 1])
    texts = ["What is  it?", "what is it", "\uff37hat is it!", "what is it * 2", "what is it ** 2"]
    assert exact_duplicates(ids, texts).tolist() == [3, 3, 3, 7, 1]


def test_symbols_of_code_and_mathematics_stay() -> None:
    assert normalise(["Is 2+2 < 5?", " \u201cf[x] = y\u201d, "]).to_pylist() == ["is 2+2 < 5", "f[x] = y"]


def test_order_changes_nothing() -> None:
    ids = np.arange(60) * 7
    texts = [f"query number {number % 25}{'?' * (number % 2)}" for number in range(60)]
    originals = dict(zip(ids, exact_duplicates(ids, texts), strict=True))
    assert set(originals.values()) == set(ids[:25])
    order = np.random.default_rng(0).permutation(60)
    shuffled = exact_duplicates(ids[order], [texts[row] for row in order])
    assert dict(zip(ids[order], shuffled, strict=True)) == originals


def test_short_empty_and_no_texts() -> None:
    ids = np.arange(5)
    assert exact_duplicates(ids, ["a", "", "b", "?", "a"]).tolist() == [0, 1, 2, 1, 0]
    assert len(exact_duplicates(ids[:0], [])) == 0


def test_ids_must_be_unique() -> None:
    with pytest.raises(AssertionError, match="ids are not unique"):
        exact_duplicates(np.array([1, 1]), ["a", "b"])
