"""The documents that hold a text: all of a few, and none of what is boilerplate."""

from __future__ import annotations

import numpy as np

from engine.search.equal_texts import find_equal_texts
from engine.text.hashes import text_hashes
from training.holders import holders

IDS = [f"d{number}" for number in range(7)]


def test_every_document_that_holds_a_text_is_named() -> None:
    """Text 0 stands in documents 0 and 2, text 1 in document 1, text 2 in all of 0 to 6."""
    texts = find_equal_texts(np.array([10, 11, 10, *[12] * 7], np.uint64), np.array([0, 1, 2, *range(7)]))
    found = holders(texts, np.array([[0, 1], [1, 0]]), IDS)
    d0, d1, d2 = text_hashes(IDS[:3]).tolist()
    assert found.tolist() == [[d0, d2, d1], [d1, d0, d2]]
    assert holders(texts, np.array([[0, 1], [1, 1]]), IDS).tolist() == [[d0, d2, d1], [d1, d1, 0]], (
        "no wider than a row"
    )
    assert holders(texts, np.array([[2]]), IDS).tolist() == [text_hashes(IDS[:4]).tolist()], "four at most"


def test_of_different_texts_each_has_one() -> None:
    texts = find_equal_texts(np.arange(7, dtype=np.uint64), np.arange(7))
    assert holders(texts, np.array([[3], [5]]), IDS).tolist() == [[text] for text in text_hashes(["d3", "d5"]).tolist()]
