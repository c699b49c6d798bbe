"""Equal texts against their definition, in a loop over all pairs."""

from __future__ import annotations

import numpy as np
import pytest

from engine.search.equal_texts import find_equal_texts


def test_texts_are_numbered_by_where_they_first_stand() -> None:
    texts = find_equal_texts(np.array([7, 3, 7, 9, 3], np.uint64), np.array([0, 0, 1, 1, 2]))
    assert texts.first.tolist() == [0, 1, 3]
    assert texts.text_of.tolist() == [0, 1, 0, 2, 1]
    assert not texts.all_differ


def test_a_copy_is_told_by_all_its_texts() -> None:
    hashes, documents = np.array([7, 3, 7, 3, 7, 7, 3, 3], np.uint64), np.array([0, 0, 1, 2, 2, 3, 4, 4])
    assert find_equal_texts(hashes, documents).originals().tolist() == [0, 1, 0, 1, 4]


def test_who_holds_what() -> None:
    rng = np.random.default_rng(0)
    hashes, document_of = rng.integers(0, 2**64, 20, np.uint64)[rng.integers(0, 20, 90)], rng.integers(0, 12, 90)
    texts = find_equal_texts(hashes, document_of)
    numbers, documents = np.arange(len(texts.first)), np.arange(13)
    held = texts.are_in(numbers[:, None], documents[None])
    for number in numbers:
        holders = {int(document_of[row]) for row in range(90) if hashes[row] == hashes[texts.first[number]]}
        assert np.flatnonzero(held[number]).tolist() == sorted(holders)


@pytest.mark.parametrize(("text", "document"), [(-1, 0), (0, -1), (-1, -1)])
def test_no_text_is_in_no_document(text: int, document: int) -> None:
    texts = find_equal_texts(np.array([1, 2], np.uint64), np.array([0, 1]))
    assert not texts.are_in(np.array([text]), np.array([document]))[0]


def test_without_repeated_texts_a_text_is_its_passage() -> None:
    texts = find_equal_texts(np.array([5, 4, 3], np.uint64), np.array([0, 0, 1]))
    assert texts.all_differ
    assert texts.first.tolist() == texts.text_of.tolist() == [0, 1, 2]
