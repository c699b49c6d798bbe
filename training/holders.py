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
        Hashes of ids, (rows, texts * the most documents of a text); 0 where a text has fewer.
    """
    first = np.searchsorted(texts.holdings, numbers * texts.num_documents)
    count = np.searchsorted(texts.holdings, (numbers + 1) * texts.num_documents) - first
    width = min(_MOST, int(count.max(initial=1)))
    hashed = np.append(text_hashes(documents), np.uint64(0))
    columns = []
    for place in range(width):
        held = texts.holdings[np.minimum(first + place, len(texts.holdings) - 1)] % texts.num_documents
        columns.append(hashed[np.where(place < count, held, -1)])
    return np.concatenate(columns, axis=1)
