"""Which documents hold a text that is a negative: a row about any of them must not meet it.

In: the distinct texts of a collection, and the numbers of some. Out: hashes of the ids of documents, as batches are
planned by.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.search.equal_texts import EqualTexts
from engine.search.order import Rows
from engine.text.hashes import Hashes, text_hashes

_MOST = 4
"""A text that more documents hold is boilerplate, which answers no query about any of them."""


def holders(texts: EqualTexts, numbers: Rows, documents: Sequence[str]) -> Hashes:
    """Returns the documents that hold each text, four at most.

    Args:
        texts: the distinct texts.
        numbers: of some texts for each row, (rows, texts).
        documents: the ids of all documents, by their numbers.

    Returns:
        Hashes of ids, (rows, the most that a row has), those of a row's texts in their order; 0 where a row has fewer.
    """
    first = np.searchsorted(texts.holdings, numbers * texts.num_documents)
    count = np.searchsorted(texts.holdings, (numbers + 1) * texts.num_documents) - first
    count = np.minimum(count, _MOST)
    begins, hashed = np.cumsum(count, axis=1) - count, text_hashes(documents)
    found = np.zeros((len(numbers), int(count.sum(axis=1).max(initial=1))), np.uint64)
    for place in range(int(count.max(initial=1))):
        rows, columns = np.nonzero(place < count)
        held = texts.holdings[first[rows, columns] + place] % texts.num_documents
        found[rows, begins[rows, columns] + place] = hashed[held]
    return found
